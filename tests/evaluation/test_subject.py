"""Subjects: all scores of a result, computed again from what it follows from, or the kept ones."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from influence import datasets, evidence, homes, results
from influence.datamodels.estimators.toolkit.dual import DualDatamodel
from influence.errors import InfluenceError
from influence.learners.toolkit.outputs import squared_error
from influence.methods.tracin import TracIn, TracInConfig
from tests.evaluation.made import FEW, JUDGE, QUICK, flip_labels_of, judge, remove, subject_of

SHIPPED = homes.precomputed_home() / "california-housing" / "tracin"


def test_a_datamodel_is_fitted_again_where_its_store_is(
    result: Path, store: str, weights: tuple[np.ndarray, np.ndarray]
) -> None:
    found = subject_of(result, store).scores()
    assert found.kept is None
    assert found.has_scale
    np.testing.assert_allclose(found.rows(np.array([3, 200])), weights[0][[3, 200]], atol=1e-6)
    assert found.intercept is not None
    np.testing.assert_allclose(found.intercept, weights[1], atol=1e-9)


def test_without_its_store_the_kept_scores_stand_in(result: Path, weights: tuple[np.ndarray, np.ndarray]) -> None:
    found = subject_of(result).scores()
    assert found.kept == 10
    assert "the 10 kept either way" in found.source
    row = found.rows(np.array([5]))[0]
    kept = np.flatnonzero(row)
    assert len(kept) == 20
    np.testing.assert_allclose(row[kept], weights[0][5, kept], atol=1e-6)
    assert set(kept) == set(np.argsort(weights[0][5])[np.r_[:10, -10:0]])


def test_a_refit_that_gives_other_scores_is_refused(result: Path, store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DualDatamodel, "coef", lambda self, targets: np.ones((360, 1437), np.float32)[targets])
    with pytest.raises(InfluenceError, match="again gives others"):
        subject_of(result, store).scores()


def test_tracin_is_summed_again_over_the_shipped_checkpoints(houses: datasets.Dataset) -> None:
    read = results.read(SHIPPED)
    found = subject_of(SHIPPED).scores()
    assert found.kept is None
    assert not found.has_scale
    row = found.rows(np.array([17]))[0]
    kept = read.of(int(houses.test.index[17])).set_index("rank")
    order = np.argsort(-row)
    assert list(houses.train.index[order[:5]]) == list(kept.loc[range(1, 6), "train"])
    np.testing.assert_allclose(row[order[:5]], kept.loc[range(1, 6), "score"], rtol=1e-3)


def test_price_scores_times_the_residual_are_loss_scores(
    houses: datasets.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At one checkpoint the loss's gradient is twice the residual times the prediction's."""
    import torch

    from influence.learners.regression import networks
    from influence.learners.toolkit.checkpoints import load_folder
    from influence.tracin.scores import Examples, TracInCP

    monkeypatch.setattr(
        "influence.methods.tracin.scores.load_folder", lambda folder: load_folder(folder)[:2]
    )  # for speed
    read = results.read(SHIPPED)
    data, positions = networks.Standardised.of(houses), np.array([17, 40])
    train = Examples(data.train_inputs, data.train_labels)
    model = networks.build(8)
    total = np.zeros((2, len(houses.train)))
    for checkpoint in load_folder(read.path / "checkpoints")[:2]:
        model.load_state_dict(checkpoint.state)
        inputs, labels = data.test_inputs[positions], data.test_labels[positions]
        with torch.no_grad():
            residual = (model(inputs)[:, 0] - labels).numpy()
        loss = TracInCP(model, [checkpoint], squared_error).scores(train, Examples(inputs, labels)).numpy()
        total -= loss / (2 * residual[:, None])
    subject = subject_of(SHIPPED)
    found = subject.output_scores(subject.kept_scores(""))(positions)
    np.testing.assert_allclose(found, total, atol=1e-3 * np.abs(total).max())


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A TracIn result on digits."""
    config = TracInConfig(learner=QUICK.learner, checkpoint_every=1, k=10, reverse_k=5)
    return TracIn.run(config, tmp_path_factory.mktemp("traced") / "result")


def test_tracin_on_images_is_summed_again_too(traced: Path) -> None:
    """Against gradients by hand, of the checkpoints as they are in the folder."""
    read = results.read(traced)
    subject = subject_of(traced)
    found, dataset = subject.scores(), subject.dataset
    assert (found.kept, found.has_scale) == (None, False)
    assert "the result's 2 checkpoints" in found.source
    row = found.rows(np.array([5]))[0]
    kept = read.of(int(dataset.test.index[5])).set_index("rank")
    assert list(dataset.train.index[np.argsort(-row)[:10]]) == list(kept.loc[range(1, 11), "train"])
    np.testing.assert_allclose(np.sort(row)[::-1][:10], kept.loc[range(1, 11), "score"], rtol=1e-3)


def test_tracin_on_images_is_judged_like_any_result(traced: Path, store: str, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(traced, tmp_path / "traced"))
    judge(folder, store, JUDGE.replace(ceiling=False))
    remove(folder, FEW.replace(choices=("helpful",)))
    found = evidence.read(results.read(folder))
    assert found.lds is not None
    assert found.lds.held_out == 100  # the model saw everything, and so no subset of the store's
    assert any("A TracIn score predicts minus the loss" in note for note in found.lds.notes)
    assert found.removal is not None
    assert not found.removal.has_scale
    assert any("up to a common factor" in note for note in found.removal.notes)
    assert flip_labels_of(folder)["learner"] == QUICK.learner.as_dict()


def test_only_a_prior_over_many_examples_takes_minutes(result: Path) -> None:
    assert not subject_of(result).takes_minutes
    assert not subject_of(homes.precomputed_home() / "digits" / "datamodels").takes_minutes
    assert subject_of(homes.precomputed_home() / "cifar10" / "datamodels").takes_minutes
