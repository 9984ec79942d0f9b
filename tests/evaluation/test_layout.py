"""Maps of a result's examples, kept as evidence."""

from pathlib import Path

import numpy as np
import pytest

from influence import datasets, evidence, jobs, results
from influence.errors import InfluenceError
from influence.evaluation.layout import LayoutConfig
from influence.evaluation.layout.evaluate import kept_scores
from tests.evaluation.made import by_hand


def test_a_result_gets_a_place_for_every_example(result: Path) -> None:
    jobs.evaluate("layout", result, LayoutConfig(directions=20, seed=5))
    read = results.read(result)
    found = evidence.read(read).layout
    assert found is not None
    assert evidence.read(read).kinds == ["lds"]  # of the fit: a map says nothing of trust
    assert found.config == {"directions": 20, "seed": 5}
    assert found.targets.index.tolist() == read.targets.index.tolist()
    assert found.train.index.tolist() == read.train.index.tolist()
    assert found.figures.targets == len(read.targets)
    assert found.figures.placed == found.train["map_x"].notna().sum() > 1000
    assert found.figures.neighbours > 2 * found.figures.chance
    assert (found.targets.abs().max() <= 1).all()
    labels = datasets.load("digits").test.labels
    places = found.targets.to_numpy()
    apart = np.linalg.norm(places[:, None] - places, axis=2)
    np.fill_diagonal(apart, np.inf)
    assert (labels[apart.argmin(axis=1)] == labels).mean() > 0.5  # 0.1 at random
    assert any("20 directions" in note for note in found.notes)


def test_both_rankings_count_and_no_score_twice(result: Path) -> None:
    read = results.read(result)
    targets, train = read.targets.index.to_numpy(), read.train.index.to_numpy()
    scores = kept_scores(read, targets, train)
    assert scores.nnz > len(read.influences)
    for table in (read.influences, read.reverse):
        for row in table.sample(50, random_state=0).itertuples():
            place = np.searchsorted(targets, row.target), np.searchsorted(train, row.train)
            assert scores[place] == pytest.approx(row.score)


def test_a_result_of_any_method_has_a_map(tmp_path: Path) -> None:
    folder = by_hand(tmp_path / "other", np.random.default_rng(0).normal(size=(50, 1437)))
    jobs.evaluate("layout", folder)
    found = evidence.read(results.read(folder)).layout
    assert found is not None
    assert found.figures.placed < found.figures.train == 1437
    few = by_hand(tmp_path / "few", np.random.default_rng(0).normal(size=(5, 1437)))
    with pytest.raises(InfluenceError, match="at least 8 targets"):
        jobs.evaluate("layout", few)
    assert not (few / "evidence").exists()
