"""Near-copies: pairs by their pixels, what a result says of them, and accuracy without those."""

from pathlib import Path

import numpy as np
import pytest

from influence import datasets, evidence, homes, jobs, results
from influence.errors import InfluenceError
from influence.evaluation.near_copies import NearCopiesConfig
from influence.evidence import NearCopiesEvidence
from tests.evaluation.made import by_hand


def compared(folder: Path, config: NearCopiesConfig | None = None, store: str | None = None) -> NearCopiesEvidence:
    jobs.evaluate("near-copies", folder, config, store=store)
    found = evidence.read(results.read(folder)).near_copies
    assert found is not None
    return found


@pytest.fixture(scope="module")
def correlations() -> np.ndarray:
    digits = datasets.load("digits")
    test, train = digits.test.inputs.reshape(360, -1), digits.train.inputs.reshape(1437, -1)
    return np.corrcoef(test, train)[:360, 360:]


def test_pairs_are_those_of_all_correlations(result: Path, correlations: np.ndarray) -> None:
    found, digits = compared(result, NearCopiesConfig(nearest=3)), datasets.load("digits")
    pairs = found.pairs
    assert pairs["target"].tolist() == np.repeat(digits.test.index, 3).tolist()
    best = np.sort(correlations, axis=1)[:, ::-1][:, :3]
    np.testing.assert_allclose(pairs["similarity"].to_numpy().reshape(-1, 3), best, atol=2e-6)
    rows = np.searchsorted(digits.test.index, pairs["target"])
    columns = np.searchsorted(digits.train.index, pairs["train"])
    np.testing.assert_allclose(correlations[rows, columns], pairs["similarity"], atol=2e-6)
    assert not pairs["mirrored"].any()  # a mirrored digit is none
    near = correlations.max(axis=1) >= digits.facts.near_copy
    assert 0 < found.figures.concerned == near.sum() < 360
    assert set(found.near["target"]) == set(digits.test.index[near])
    assert found.figures.copies == found.near["train"].nunique()


def test_accuracy_is_told_with_and_without_them(result: Path) -> None:
    found, targets = compared(result), results.read(result).targets
    accuracy = found.figures.accuracy
    assert accuracy is not None
    assert accuracy.concerned is not None
    right = targets["label"] == targets["prediction"]
    near = targets.index.isin(found.near["target"])
    assert accuracy.every == pytest.approx(right.mean())
    assert accuracy.without == pytest.approx(right[~near].mean())
    assert accuracy.concerned == pytest.approx(right[near].mean())
    assert any(f"{found.figures.concerned} test images" in note for note in found.notes)


def test_kept_scores_tell_some_ranks_and_all_scores_tell_all(
    store: str, result: Path, weights: tuple[np.ndarray, np.ndarray]
) -> None:
    some = compared(result)
    kept = results.read(result).influences.set_index(["target", "train"])
    for row in some.pairs.itertuples():
        if (row.target, row.train) in kept.index:
            own = kept.loc[(row.target, row.train)]
            assert (row.rank, row.score) == (own["rank"], pytest.approx(own["score"]))
        else:
            assert row.rank == 0
            assert np.isnan(row.score)
    assert 0 < (some.pairs["rank"] != 0).sum() < len(some.pairs)
    first = some.near.drop_duplicates("target")
    assert some.figures.known == (first["rank"] != 0).sum() < some.figures.concerned
    assert some.figures.kept == 10
    every = compared(result, NearCopiesConfig(kept=False), store)
    assert every.figures.kept is None
    assert every.figures.known == every.figures.concerned == some.figures.concerned
    digits = datasets.load("digits")
    own = weights[0][np.searchsorted(digits.test.index, every.pairs["target"])]
    value = own[np.arange(len(own)), np.searchsorted(digits.train.index, every.pairs["train"])]
    np.testing.assert_allclose(every.pairs["score"], value, rtol=2e-3, atol=1e-6)
    above, below = ((own > value[:, None]).sum(axis=1), (own < value[:, None]).sum(axis=1))
    np.testing.assert_allclose(every.pairs["rank"], np.where(value >= 0, above + 1, -below - 1), atol=1)


def test_a_result_without_predictions_has_no_accuracy(tmp_path: Path) -> None:
    folder = by_hand(tmp_path / "other", np.random.default_rng(0).normal(size=(50, 1437)))
    found = compared(folder)
    assert found.figures.accuracy is None
    assert found.figures.targets == 50
    assert found.pairs["target"].nunique() == 50


def test_houses_have_no_pictures(houses: object, tmp_path: Path) -> None:
    with pytest.raises(InfluenceError, match="california-housing has no pictures to compare"):
        jobs.evaluate("near-copies", homes.precomputed_home() / "california-housing" / "tracin", out=tmp_path)
