"""The evaluation jobs: what they measure, what they refuse, and that they go on where they were stopped."""

import importlib
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from influence import datasets, evidence, homes, results
from influence.datamodels import Ridge, outcomes
from influence.datamodels.estimators.toolkit.dual import DualDatamodel
from influence.datamodels.outcomes import OutcomeConfig
from influence.datamodels.subsets import SubsetConfig
from influence.errors import InfluenceError
from influence.jobs import evaluation
from influence.jobs.evaluation import LdsConfig, MislabelsConfig, RemovalConfig, SizesConfig
from influence.jobs.evaluation.common import neighbours_of
from influence.jobs.evaluation.mislabels import _Suspicions, own_gradients, shortened
from influence.jobs.evaluation.removal import _completed as completed
from influence.jobs.evaluation.removal import _plan_supports as plan_supports
from influence.jobs.evaluation.removal import trial_seeds
from influence.jobs.scores import Scores, load_dataset, price_scores, scores_of, takes_minutes
from influence.learners.base import Subsets
from influence.learners.convnet import ConvNet
from influence.learners.mlp import Mlp
from influence.learners.patchnet import PatchNet
from influence.learners.toolkit.outputs import cross_entropy
from influence.measures.lds import lds as score_lds
from influence.measures.removal import predicted_support
from influence.methods.datamodels import DatamodelsConfig
from influence.methods.datamodels.run import run
from influence.methods.tracin import TracIn, TracInImagesConfig
from influence.retraining.seeds import derived
from influence.retraining.trainer import ClassifierTrainer

REMOVAL = importlib.import_module("influence.jobs.evaluation.removal")  # the function of that name hides it
QUICK = OutcomeConfig(learner=Mlp(width=8, epochs=2))
SMALL = DatamodelsConfig(outcomes=QUICK, models=60, held_out=40, estimator="ridge", k=10, reverse_k=5)
JUDGE = LdsConfig(bootstrap=20, feature_models=2)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An outcome store of 100 models, the ceiling's of 40 beside it, and a result fitted on 60 beside both."""
    place = str(tmp_path_factory.mktemp("evaluation") / "digits")
    run(SMALL, Path(place).parent / "fitted", store=place)
    return place


@pytest.fixture
def result(store: str, tmp_path: Path) -> Path:
    """A copy of the result, without evidence."""
    return Path(shutil.copytree(Path(store).parent / "fitted", tmp_path / "result"))


@pytest.fixture(scope="module")
def weights(store: str) -> tuple[np.ndarray, np.ndarray]:
    fitted = outcomes.read(store, range(40, 100))
    model = Ridge().fit(fitted.masks, fitted.margins)
    return model.coef_, model.intercept_


def by_hand(folder: Path, scores: np.ndarray, k: int = 5, **changed: Any) -> Path:
    """A result of another method on digits, (n_targets, n_train) scores, of which the k strongest are kept."""
    digits = datasets.load("digits")
    order = np.argsort(scores, axis=1)
    kept = np.concatenate([order[:, :k], order[:, -k:]], axis=1)
    ranks = np.concatenate([np.arange(-1, -k - 1, -1), np.arange(k, 0, -1)])
    rows = np.argsort(ranks)
    n = len(scores)
    manifest = {
        **dict.fromkeys(("method", "title", "learner", "caveat"), "by hand"),
        **{"dataset": "digits", "dataset_hash": digits.content_hash, "config": {}, "quality": {}, "k": k},
        **{"created": "2026-01-01T00:00:00+00:00", "seconds": 1.0},
    } | changed
    tables = {
        "influences": pa.table(
            {
                "target": np.repeat(digits.test.index[:n], 2 * k),
                "train": digits.train.index[kept[:, rows].ravel()],
                "rank": np.tile(ranks[rows], n).astype(np.int16),
                "score": np.take_along_axis(scores, kept[:, rows], axis=1).astype(np.float32).ravel(),
            }
        ),
        "targets": pa.table(
            {
                "target": digits.test.index[:n],
                "score_percentiles": results.percentile_column(np.zeros((n, 101), np.float32)),
            }
        ),
        "train": pa.table({"train": digits.train.index}),
    }
    with results.writing(folder) as partial:
        results.write_tables(partial, manifest, tables)
    return folder


# --- all scores -----------------------------------------------------------------------------------------------------


def test_a_datamodel_is_fitted_again_where_its_store_is(
    result: Path, store: str, weights: tuple[np.ndarray, np.ndarray]
) -> None:
    read = results.read(result)
    found = scores_of(read, load_dataset(read), store)
    assert found.kept is None
    assert found.has_scale
    np.testing.assert_allclose(found.rows(np.array([3, 200])), weights[0][[3, 200]], atol=1e-6)
    assert found.intercept is not None
    np.testing.assert_allclose(found.intercept, weights[1], atol=1e-9)


def test_without_its_store_the_kept_scores_stand_in(result: Path, weights: tuple[np.ndarray, np.ndarray]) -> None:
    read = results.read(result)
    found = scores_of(read, load_dataset(read))
    assert found.kept == 10
    assert "the 10 kept either way" in found.source
    row = found.rows(np.array([5]))[0]
    kept = np.flatnonzero(row)
    assert len(kept) == 20
    np.testing.assert_allclose(row[kept], weights[0][5, kept], atol=1e-6)
    assert set(kept) == set(np.argsort(weights[0][5])[np.r_[:10, -10:0]])


def test_a_refit_that_gives_other_scores_is_refused(result: Path, store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DualDatamodel, "coef", lambda self, targets: np.ones((360, 1437), np.float32)[targets])
    read = results.read(result)
    with pytest.raises(InfluenceError, match="again gives others"):
        scores_of(read, load_dataset(read), store)


def test_tracin_is_summed_again_over_the_shipped_checkpoints(houses: datasets.Dataset) -> None:
    read = results.read(homes.precomputed_home() / "california-housing" / "tracin")
    found = scores_of(read, load_dataset(read))
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

    from influence.learners import regression
    from influence.learners.toolkit.checkpoints import load_folder
    from influence.tracin.scores import Examples, TracInCP

    monkeypatch.setattr("influence.jobs.scores.load_folder", lambda folder: load_folder(folder)[:2])  # for speed
    read = results.read(homes.precomputed_home() / "california-housing" / "tracin")
    data, places = regression.Standardised.of(houses), np.array([17, 40])
    train = Examples(data.train_inputs, data.train_labels)
    model = regression.build(8)
    total = np.zeros((2, len(houses.train)))
    for checkpoint in load_folder(read.path / "checkpoints")[:2]:
        model.load_state_dict(checkpoint.state)
        inputs, labels = data.test_inputs[places], data.test_labels[places]
        with torch.no_grad():
            residual = (model(inputs)[:, 0] - labels).numpy()
        loss = TracInCP(model, [checkpoint], regression.squared_error).scores(train, Examples(inputs, labels)).numpy()
        total -= loss / (2 * residual[:, None])
    found = price_scores(read, houses)(places)
    np.testing.assert_allclose(found, total, atol=1e-3 * np.abs(total).max())


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A TracIn result on digits."""
    config = TracInImagesConfig(learner=QUICK.learner, checkpoint_every=1, k=10, reverse_k=5)
    return TracIn.run(config, tmp_path_factory.mktemp("traced") / "result")


def test_tracin_on_images_is_summed_again_too(traced: Path) -> None:
    """Against gradients by hand, of the checkpoints as they are in the folder."""
    read = results.read(traced)
    found = scores_of(read, dataset := load_dataset(read))
    assert (found.kept, found.has_scale) == (None, False)
    assert "the result's 2 checkpoints" in found.source
    row = found.rows(np.array([5]))[0]
    kept = read.of(int(dataset.test.index[5])).set_index("rank")
    assert list(dataset.train.index[np.argsort(-row)[:10]]) == list(kept.loc[range(1, 11), "train"])
    np.testing.assert_allclose(np.sort(row)[::-1][:10], kept.loc[range(1, 11), "score"], rtol=1e-3)


def test_tracin_on_images_is_judged_like_any_result(traced: Path, store: str, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(traced, tmp_path / "traced"))
    evaluation.lds(folder, store, JUDGE.replace(ceiling=False))
    evaluation.removal(folder, FEW.replace(choices=("helpful",)))
    found = evidence.read(results.read(folder))
    assert found.lds is not None
    assert found.lds.held_out == 100  # the model saw everything, and so no subset of the store's
    assert any("A TracIn score predicts minus the loss" in note for note in found.lds.notes)
    assert found.removal is not None
    assert not found.removal.has_scale
    assert any("up to a common factor" in note for note in found.removal.notes)
    assert evaluation.mislabels_of(folder).learner == QUICK.learner


# --- lds ------------------------------------------------------------------------------------------------------------


def test_lds_of_a_datamodel_by_hand(result: Path, store: str, weights: tuple[np.ndarray, np.ndarray]) -> None:
    evaluation.lds(result, store, JUDGE)
    found = evidence.read(results.read(result)).lds
    assert found is not None
    held_out = outcomes.read(store, range(40))
    expected = score_lds(held_out.masks @ weights[0].T, held_out.margins, bootstrap=1)
    assert found.methods["result"].mean == pytest.approx(expected.mean, abs=1e-4)
    np.testing.assert_allclose(found.tables["targets"]["result"], expected.per_target, atol=5e-3)
    assert found.methods["result"].mean == pytest.approx(
        results.read(result).manifest["quality"]["lds"]["mean"], abs=1e-4
    )
    digits = datasets.load("digits")
    same = digits.test.labels[:, None] == digits.train.labels
    expected = score_lds(held_out.masks @ same.T.astype(float), held_out.margins, bootstrap=1)
    assert found.methods["same-class"].mean == pytest.approx(expected.mean, abs=1e-9)
    repeated = outcomes.read(f"{store}-ceiling", range(40))
    assert found.ceiling is not None
    assert found.ceiling.mean == pytest.approx(score_lds(repeated.margins, held_out.margins, bootstrap=1).mean)
    assert abs(found.methods["random"].mean) < 0.1
    assert (found.held_out, found.config["models"]) == (40, [0, 40])
    assert "None of these models was fitted." in found.notes[0]
    assert "path" not in str(found.manifest)
    assert str(result) not in str(found.manifest)


def test_the_fits_own_score_is_that_of_the_refit(result: Path, store: str) -> None:
    evaluation.lds(result, store, JUDGE)
    computed = evidence.read(results.read(result)).lds
    evaluation.lds(result, store, JUDGE.replace(kept=True))
    kept = evidence.read(results.read(result)).lds
    assert computed is not None
    assert kept is not None
    quality = results.read(result).manifest["quality"]["lds"]
    own = kept.methods["result"]
    assert (own.mean, own.low, own.high) == (quality["mean"], quality["low"], quality["high"])
    assert own.mean == pytest.approx(computed.methods["result"].mean, abs=1e-4)
    ours, theirs = kept.tables["targets"], computed.tables["targets"]
    np.testing.assert_allclose(ours["result"], theirs["result"], atol=5e-3)
    assert ours.drop(columns="result").equals(theirs.drop(columns="result"))
    assert "Scores: as the fit measured it on the same models." in kept.notes


def test_the_fits_own_score_is_of_no_other_models(result: Path, store: str, tmp_path: Path) -> None:
    other = str(tmp_path / "other")
    outcomes.collect(QUICK.replace(subsets=SubsetConfig(seed=7)), other, 40)
    for place, models in ((other, None), (store, (0, 30))):
        with pytest.raises(InfluenceError, match="it has no score on them: let all scores be computed again"):
            evaluation.lds(result, place, JUDGE.replace(kept=True, ceiling=False, models=models))


def test_how_repeatable_training_is_from_common_seeds(tmp_path: Path) -> None:
    """Where a few members are others, a model says almost the same; where most are, it says something else."""
    common = SMALL.replace(outcomes=QUICK.replace(subsets=SubsetConfig(seeds="common")), ceiling=False)
    place = str(tmp_path / "store")
    folder = run(common, tmp_path / "common", store=place)
    judge = JUDGE.replace(ceiling=False, swapped=5, swapped_models=12)
    evaluation.lds(folder, place, judge, folder=tmp_path / "trainings")
    found = evidence.read(results.read(folder)).lds
    assert found is not None
    assert found.repeatable is not None
    assert 0.7 < found.repeatable.low <= found.repeatable.mean < 1
    evaluation.lds(folder, place, judge.replace(swapped=400), folder=tmp_path / "trainings")
    found = evidence.read(results.read(folder)).lds
    assert found is not None
    assert found.repeatable is not None
    assert found.repeatable.mean < 0.4
    assert any("12 of these models, trained again" in note and "400 of the 718" in note for note in found.notes)
    with pytest.raises(InfluenceError, match="--swapped is 718, but must be below the 718"):
        evaluation.lds(folder, place, judge.replace(swapped=718))


def test_swapping_is_for_common_seeds(result: Path, store: str) -> None:
    with pytest.raises(InfluenceError, match="these have seeds of their own: their noise ceiling tells it"):
        evaluation.lds(result, store, JUDGE.replace(swapped=5))
    with pytest.raises(InfluenceError, match="swapped_models is 3, but must be at least 10"):
        JUDGE.replace(swapped=5, swapped_models=3)


def test_lds_of_a_result_of_any_method(store: str, tmp_path: Path, weights: tuple[np.ndarray, np.ndarray]) -> None:
    """Only the kept scores are known, and all of the store may judge: the result was fitted on none of it."""
    folder = by_hand(tmp_path / "by-hand", weights[0].astype(np.float64), k=20)
    evaluation.lds(folder, store, JUDGE.replace(ceiling=False))
    found = evidence.read(results.read(folder)).lds
    assert found is not None
    assert (found.held_out, found.ceiling) == (100, None)
    kept = np.where(np.argsort(np.argsort(weights[0], axis=1), axis=1) >= 1417, weights[0], 0)
    kept += np.where(np.argsort(np.argsort(weights[0], axis=1), axis=1) < 20, weights[0], 0)
    everything = outcomes.read(store)
    expected = score_lds(everything.masks @ kept.T, everything.margins, bootstrap=1)
    assert found.methods["result"].mean == pytest.approx(expected.mean, abs=1e-4)
    assert any("the 20 kept either way; all others count as 0" in note for note in found.notes)


@pytest.mark.parametrize("span", [(40, 60), (0, 41), (99, 100), (39, 41)])
def test_models_that_the_fit_saw_may_not_judge(result: Path, store: str, span: tuple[int, int]) -> None:
    with pytest.raises(InfluenceError, match="saw the subsets of the models 40 to 99, and --models"):
        evaluation.lds(result, store, JUDGE.replace(models=span))
    assert not (result / "evidence").exists()


@pytest.mark.parametrize("changes", [{"retrain": 1}, {"alpha": 0.4}, {"seeds": "common"}])
def test_the_same_draws_under_another_name_are_leakage_too(
    result: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    """Other training seeds, another share or another learner do not make model 50's subset a fresh one."""
    other = QUICK.replace(learner=Mlp(width=4, epochs=1), subsets=SubsetConfig(**changes))
    outcomes.collect(other, str(tmp_path / "other"), 100)
    with pytest.raises(InfluenceError, match="saw the subsets of the models 40 to 99"):
        evaluation.lds(result, str(tmp_path / "other"), JUDGE.replace(models=(50, 100), ceiling=False))
    evaluation.lds(result, str(tmp_path / "other"), JUDGE.replace(ceiling=False))
    found = evidence.read(results.read(result)).lds
    assert found is not None
    assert found.config["models"] == [0, 40]


def test_a_store_of_other_draws_may_judge_as_a_whole(result: Path, tmp_path: Path) -> None:
    other = QUICK.replace(subsets=SubsetConfig(seed=7))
    outcomes.collect(other, str(tmp_path / "other"), 60)
    evaluation.lds(result, str(tmp_path / "other"), JUDGE.replace(ceiling=False))
    found = evidence.read(results.read(result)).lds
    assert found is not None
    assert found.held_out == 60


def test_leakage_would_have_shown(result: Path, store: str, weights: tuple[np.ndarray, np.ndarray]) -> None:
    """The reason for the refusal: on its own models, a fit looks far better than it is."""
    own, fresh = (
        score_lds((seen := outcomes.read(store, models)).masks @ weights[0].T, seen.margins, bootstrap=1).mean
        for models in (range(40, 100), range(40))
    )
    assert own > fresh + 0.3


def test_too_few_judges(result: Path, store: str) -> None:
    with pytest.raises(InfluenceError, match=r"has 9 finished model\(s\) that may judge .* at least 10: collect more"):
        evaluation.lds(result, store, JUDGE.replace(models=(0, 9)))
    with pytest.raises(InfluenceError, match="--models 90:101 must lie within the 100 models"):
        evaluation.lds(result, store, JUDGE.replace(models=(90, 101)))


def test_missing_seeds_for_the_ceiling(result: Path, store: str, tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nowhere")
    with pytest.raises(InfluenceError, match=r"noise ceiling needs .* there is no store of them .* --no-ceiling"):
        evaluation.lds(result, store, JUDGE, nowhere)
    with pytest.raises(InfluenceError, match="does not hold the same subsets"):
        evaluation.lds(result, store, JUDGE, store)
    few = QUICK.replace(subsets=SubsetConfig(repeat=1))
    outcomes.collect(few, str(tmp_path / "few"), 5)
    with pytest.raises(InfluenceError, match="has 5 of the models 0 to 39, and a noise ceiling needs at least 10"):
        evaluation.lds(result, store, JUDGE, str(tmp_path / "few"))


def test_other_data(result: Path, store: str, tmp_path: Path, houses: datasets.Dataset) -> None:
    tracin = homes.precomputed_home() / "california-housing" / "tracin"
    with pytest.raises(InfluenceError, match=r"is about california-housing, and .* is of digits"):
        evaluation.lds(tracin, store, JUDGE)
    part = QUICK.replace(train_size=200)
    outcomes.collect(part, str(tmp_path / "part"), 20)
    with pytest.raises(InfluenceError, match=r"scores 1,437 training examples of digits, and .* is of 200 others"):
        evaluation.lds(result, str(tmp_path / "part"), JUDGE)
    changed = by_hand(tmp_path / "changed", np.zeros((4, 1437)), dataset_hash="0" * 64)
    with pytest.raises(InfluenceError, match="another version of digits"):
        evaluation.lds(changed, store, JUDGE)


def test_features_are_trained_once_and_damaged_ones_again(results_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digits, trained = datasets.load("digits"), []
    real = Mlp.fit

    def count(self: Mlp, *arguments: Any) -> Any:
        trained.append(1)
        return real(self, *arguments)

    monkeypatch.setattr(Mlp, "fit", count)
    first, _ = neighbours_of(digits, QUICK, 2)
    again, what = neighbours_of(digits, QUICK, 2)
    assert len(trained) == 1
    assert "features of 2 models of the same learner" in what
    np.testing.assert_array_equal(first.rows(np.arange(3)), again.rows(np.arange(3)))
    (path,) = (results_home / ".trainings").iterdir()
    path.write_bytes(path.read_bytes()[:1000])
    mended, _ = neighbours_of(digits, QUICK, 2)
    assert len(trained) == 2
    np.testing.assert_allclose(first.rows(np.arange(3)), mended.rows(np.arange(3)), atol=1e-5)
    pixels, what = neighbours_of(digits, QUICK, 0)
    assert "cosine of pixels" in what
    assert not np.allclose(pixels.rows(np.arange(3)), first.rows(np.arange(3)))


# --- removal --------------------------------------------------------------------------------------------------------

FEW = RemovalConfig(targets=3, counts=(2, 20), seeds=2, feature_models=1)


def removed(result: Path) -> evidence.RemovalEvidence:
    found = evidence.read(results.read(result)).removal
    assert found is not None
    return found


def test_removal_by_hand(result: Path, store: str, weights: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    evaluation.removal(result, FEW, store, folder=tmp_path / "trainings")
    found = removed(result)
    digits = datasets.load("digits")
    effects = found.tables["effects"].set_index(["target", "choice", "count"])
    assert len(effects) == 3 * 3 * 2
    targets = found.tables["targets"].set_index("target")
    names = list(targets.index)
    for name in names:
        place = int(np.flatnonzero(digits.test.index == name)[0])
        order = np.argsort(-weights[0][place])
        row = effects.loc[(name, "helpful", 20)]
        assert row["predicted"] == pytest.approx(-weights[0][place][order[:20]].sum(), abs=1e-4)
        assert targets.loc[name, "support"] == predicted_support(weights[0][place], weights[1][place])
        assert targets.loc[name, "label"] == digits.test.labels[place]
        support = int(targets.loc[name, "support"])
        assert (support > 0) == np.isfinite(targets.loc[name, "output_at_support"])
    # One of them, trained again here.
    seeds = np.array(trial_seeds(FEW), np.uint64)
    place = int(np.flatnonzero(digits.test.index == names[0])[0])
    trainer = ClassifierTrainer(digits, QUICK.learner)
    masks = np.ones((2, 1437), bool)
    masks[:, np.argsort(-weights[0][place])[:20]] = False
    after = trainer.train(masks, seeds[:2])
    before = trainer.train(np.ones((10, 1437), bool), seeds)
    change = np.mean([each.outputs[place] for each in after]) - np.mean([each.outputs[place] for each in before])
    assert effects.loc[(names[0], "helpful", 20), "measured"] == pytest.approx(change, abs=1e-3)
    usual = np.bincount([int(each.predictions[place]) for each in before]).argmax()
    assert targets.loc[names[0], "prediction"] == usual
    flipped = np.mean([each.predictions[place] != usual for each in after])
    assert effects.loc[(names[0], "helpful", 20), "flipped"] == flipped


def test_removal_figures(result: Path, store: str, tmp_path: Path) -> None:
    evaluation.removal(result, FEW, store, folder=tmp_path / "trainings")
    found = removed(result)
    assert set(found.agreement) >= {"all", "helpful"}
    assert found.has_scale
    curves = found.tables["curves"].set_index(["choice", "count"])
    assert curves.index[0] == ("none", 0)
    effects = found.tables["effects"]
    rows = effects[(effects["choice"] == "random") & (effects["count"] == 2)]
    assert curves.loc[("random", 2), "measured"] == pytest.approx(rows["measured"].mean(), abs=1e-5)
    assert curves.loc[("random", 2), "measured_low"] <= curves.loc[("random", 2), "measured_high"]
    assert any("trained 2 times (mlp: epochs 2, width 8" in note for note in found.notes)
    assert found.support is not None


def test_random_removals_stay_within_the_class(result: Path, store: str, tmp_path: Path) -> None:
    """And are shared by the targets of a class: what they do does not depend on the target."""
    digits = datasets.load("digits")
    seen: list[np.ndarray] = []
    real = ClassifierTrainer.train

    def watch(self: ClassifierTrainer, masks: np.ndarray, seeds: np.ndarray) -> Any:
        seen.extend(np.flatnonzero(~mask) for mask in masks)
        return real(self, masks, seeds)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ClassifierTrainer, "train", watch)
        config = FEW.replace(choices=("random",), targets=40)
        evaluation.removal(result, config, None, folder=tmp_path / "trainings")
    of_size = [places for places in seen if len(places) == 20]
    assert len(of_size) == 2 * 10  # two draws a class
    assert all(len(set(digits.train.labels[places])) == 1 for places in of_size)
    assert len({tuple(places) for places in of_size}) == 20


def test_a_removal_that_was_stopped_goes_on(result: Path, store: str, tmp_path: Path) -> None:
    few = FEW.replace(counts=(2, 10))
    trained: list[int] = []
    real = ClassifierTrainer.train

    def stop_after(batches: int) -> Any:
        def train(self: ClassifierTrainer, masks: np.ndarray, seeds: np.ndarray) -> Any:
            if len(trained) == batches:
                raise KeyboardInterrupt
            trained.append(len(masks))
            return real(self, masks, seeds)

        return train

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Mlp, "batch", 5)
        patch.setattr(ClassifierTrainer, "train", stop_after(4))
        with pytest.raises(KeyboardInterrupt):
            evaluation.removal(result, few, None, folder=tmp_path / "trainings")
        assert not (result / "evidence").exists()
        patch.setattr(ClassifierTrainer, "train", stop_after(10**6))
        evaluation.removal(result, few, None, folder=tmp_path / "trainings")
    first = removed(result)
    total = sum(trained)
    evaluation.removal(result, few, None, folder=tmp_path / "whole")
    again = removed(result)
    for table in ("effects", "targets"):
        numbers = first.tables[table].select_dtypes("number")
        np.testing.assert_allclose(numbers, again.tables[table].select_dtypes("number"), atol=2e-3)
    config = few.replace(seeds=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ClassifierTrainer, "train", stop_after(10**6))
        evaluation.removal(result, config, None, folder=tmp_path / "trainings")
    assert sum(trained) - total < total  # more seeds train what is new alone


def test_common_seeds_compare_with_trainings_of_their_own(store: str, tmp_path: Path) -> None:
    common = SMALL.replace(outcomes=QUICK.replace(subsets=SubsetConfig(seeds="common")), ceiling=False)
    folder = run(common, tmp_path / "common", store=str(tmp_path / "store"))
    evaluation.removal(folder, FEW.replace(seeds=1), str(tmp_path / "store"))
    found = removed(folder)
    assert any("everything once, from the same initial weights" in note for note in found.notes)
    effects = found.tables["effects"]
    small = effects[(effects["choice"] == "random") & (effects["count"] == 2)]["measured"].abs().mean()
    large = effects[(effects["choice"] == "helpful") & (effects["count"] == 20)]["measured"].abs().mean()
    assert small < large


def test_some_targets_alone_can_judge(result: Path, store: str) -> None:
    found = {}
    for targets in (None, 40):
        evaluation.lds(result, store, JUDGE.replace(ceiling=False, targets=targets))
        judged = evidence.read(results.read(result)).lds
        assert judged is not None
        found[targets] = judged
    every, some = (found[targets].tables["targets"].set_index("target") for targets in (None, 40))
    assert len(some) == 40
    np.testing.assert_allclose(some["result"], every["result"].loc[some.index], atol=1e-6)
    assert found[40].methods["result"].mean == pytest.approx(some["result"].mean(), abs=1e-6)
    assert "On 40 of its 360 targets, drawn at random." in found[40].notes
    with pytest.raises(InfluenceError, match=r"--targets is 999, but .* has 360"):
        evaluation.lds(result, store, JUDGE.replace(ceiling=False, targets=999))
    with pytest.raises(InfluenceError, match="over all its targets: leave out"):
        JUDGE.replace(kept=True, targets=40)


def test_removal_from_the_kept_scores_alone(
    result: Path, store: str, weights: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    """Though all could be computed: what is known is predicted as from all scores, and what is not is no prediction."""
    few = FEW.replace(targets=10, counts=(2, 10))
    evaluation.removal(result, few.replace(kept=True), store, folder=tmp_path / "trainings")
    found = removed(result)
    effects = found.tables["effects"].set_index(["choice", "count"]).sort_index()
    stored = results.read(result).targets
    curves = pd.DataFrame(stored["removal"].to_list(), index=stored.index).to_numpy()
    places = np.searchsorted(stored.index, found.tables["targets"]["target"])
    for count in (2, 10):
        change = curves[places, count] - curves[places, 0]  # the counts of the first 50 are the numbers themselves
        np.testing.assert_allclose(effects.loc[("helpful", count), "predicted"], change, atol=1e-4)
    assert effects.loc[("random", 10), "predicted"].isna().all()
    assert effects.loc[("random", 10), "measured"].notna().all()
    assert set(found.agreement) <= {"all", "helpful", "neighbours"}
    targets = found.tables["targets"].set_index("target")
    assert list(targets["support"]) == list(stored["support"].loc[targets.index])
    assert list(targets["flipped_at_support"].notna()) == [0 < support <= 10 for support in targets["support"]]
    assert any("the 10 kept either way; all others count as 0, since computing" in note for note in found.notes)
    assert any("only the 10 highest and lowest scores are known" in note for note in found.notes)


def test_removal_together_serves_all_targets_with_one_training(
    result: Path, store: str, weights: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    config = FEW.replace(targets=4, counts=(20,), choices=("helpful", "harmful", "random"), together=True)
    evaluation.removal(result, config, store, folder=tmp_path / "trainings")
    found = removed(result)
    digits = datasets.load("digits")
    names = found.tables["targets"]["target"].to_numpy()
    rows = weights[0][np.searchsorted(digits.test.index, names)]
    order = np.argsort(-rows.mean(axis=0))
    effects = found.tables["effects"].set_index(["choice", "target"])["predicted"]
    for choice, members in (("helpful", order[:20]), ("harmful", order[-20:])):
        np.testing.assert_allclose(effects.loc[choice].loc[names], -rows[:, members].sum(axis=1), atol=1e-4)
    classes = len(set(digits.test.labels[np.searchsorted(digits.test.index, names)]))
    assert found.figures["trainings"] == 2 * (2 + classes)
    assert any("everything 2 times" in note for note in found.notes)
    assert any("one training serves all of them" in note for note in found.notes)
    assert found.support is None


def test_supports_beyond_what_is_kept_are_not_tried() -> None:
    row = np.zeros(50, np.float32)
    row[[7, 3, 30, 41]] = 0.4, 0.3, 0.2, -0.5
    support = np.array([3, 4, -1, 0])
    scores = Scores(lambda places: np.tile(row, (len(places), 1)), "made up", True, kept=3, support=support)
    plan = plan_supports(np.arange(4), [11, 12], scores)
    assert [one.count for one in plan] == [3, 4, -1, 0]
    assert [len(one.trainings) for one in plan] == [2, 0, 0, 0]
    assert [list(each.removed) for each in plan[0].trainings] == [[3, 7, 30]] * 2


def test_no_more_is_removed_than_is_known(result: Path) -> None:
    with pytest.raises(InfluenceError, match="remove at most 10, or let all be computed again with --all-scores"):
        evaluation.removal(result, FEW.replace(kept=True))
    with pytest.raises(InfluenceError, match=r"remove at most 10\."):
        evaluation.removal(result, FEW)  # its store is not at hand


def test_removal_does_with_less_where_trainings_take_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    digits = datasets.load("digits")
    usual = completed(RemovalConfig(), digits, False, None)
    assert (usual.targets, usual.counts, usual.seeds) == (100, (1, 2, 4, 8, 17, 34), 10)
    monkeypatch.setattr(REMOVAL, "MANY", 1000)
    large = completed(RemovalConfig(), digits, True, 25)
    assert (large.targets, large.counts, large.seeds) == (30, (5, 10, 25), 1)
    assert large.choices == ("helpful", "random")
    assert completed(RemovalConfig(), digits, False, None).seeds == 2
    asked = RemovalConfig(targets=7, counts=(20, 3), choices=("harmful",), seeds=4)
    assert completed(asked, digits, True, 25) == asked.replace(counts=(3, 20))


def test_only_a_prior_over_many_examples_takes_minutes(result: Path) -> None:
    read = results.read(result)
    assert not takes_minutes(read)
    assert not takes_minutes(results.read(homes.precomputed_home() / "digits" / "datamodels"))
    assert takes_minutes(results.read(homes.precomputed_home() / "cifar10" / "datamodels"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": 0}, "seeds is 0, but must be at least 1"),
        ({"targets": 0}, "targets is 0, but must be at least 1"),
        ({"choices": ("best",)}, "choice is 'best', but must be one of helpful, harmful, neighbours, random"),
        ({"epochs": 0}, "epochs is 0"),
    ],
)
def test_removal_settings_that_will_not_do(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InfluenceError, match=message):
        FEW.replace(**changes)


def test_counts_that_leave_nothing_of_a_class(result: Path) -> None:
    with pytest.raises(InfluenceError, match="--counts must lie between 1 and the 138 training examples"):
        evaluation.removal(result, FEW.replace(counts=(1, 139)))


def test_removal_of_a_method_that_nothing_here_trains(tmp_path: Path) -> None:
    folder = by_hand(tmp_path / "by-hand", np.random.default_rng(0).normal(size=(5, 1437)))
    with pytest.raises(InfluenceError, match="does not say how to train models like its own"):
        evaluation.removal(folder, FEW)


def test_removal_of_any_method_whose_config_names_its_learner(tmp_path: Path) -> None:
    """What is known of the scores are the kept ones: they rank, and what is not kept is predicted to do nothing."""
    scores = np.random.default_rng(0).normal(size=(20, 1437))
    config = {"learner": QUICK.learner.as_dict()}
    folder = by_hand(tmp_path / "by-hand", scores, k=30, config=config)
    evaluation.removal(folder, FEW.replace(choices=("helpful", "harmful")))
    found = removed(folder)
    digits = datasets.load("digits")
    assert not found.has_scale
    assert found.support is None
    assert (found.tables["targets"]["support"] == -2).all()
    effects = found.tables["effects"].set_index(["target", "choice", "count"])["predicted"]
    for name in found.tables["targets"]["target"]:
        rising = np.sort(scores[int(np.flatnonzero(digits.test.index == name)[0])])
        assert effects[name, "helpful", 20] == pytest.approx(-rising[-20:].sum(), rel=1e-5)
        assert effects[name, "harmful", 20] == pytest.approx(-rising[:20].sum(), rel=1e-5)


def test_houses(houses: datasets.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores of noise will do: it is about what is trained and kept."""

    def noise(places: np.ndarray) -> np.ndarray:
        return np.random.default_rng(0).normal(size=(len(places), len(houses.train)))

    made_up = Scores(noise, "made up", has_scale=False)
    monkeypatch.setattr(REMOVAL, "scores_of", lambda *_: made_up)
    monkeypatch.setattr(REMOVAL, "price_scores", lambda *_: noise)
    folder = tmp_path / "houses"
    shutil.copytree(homes.precomputed_home() / "california-housing" / "tracin", folder)
    config = RemovalConfig(targets=2, counts=(40,), choices=("helpful", "random"), seeds=1, epochs=1)
    evaluation.removal(folder, config)
    found = removed(folder)
    assert not found.has_scale
    assert found.support is None
    eleven = results.read(folder).groups[-1]["targets"]
    assert list(found.tables["targets"]["target"]) == eleven[:2]
    assert found.tables["effects"]["flipped"].isna().all()
    assert any("A shorter recipe than the result's own: 1 epochs" in note for note in found.notes)


# --- mislabels ------------------------------------------------------------------------------------------------------

LOOK = MislabelsConfig(learner=Mlp(width=16, epochs=6), models=2, checkpoints=2, subset_models=30)


@pytest.fixture(scope="module")
def mislabels(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    folder = tmp_path_factory.mktemp("mislabels")
    evaluation.mislabels(LOOK, folder / "digits", folder=folder / "trainings")
    return evidence.read_one(folder / "digits", "mislabels")


def test_mislabels_are_found(mislabels: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """Digits are easy: any of the rankings finds most of the flips in the first fifth; 0.2 is chance."""
    manifest, tables = mislabels
    found = evidence.MislabelsEvidence(manifest, tables).found
    assert set(found) == {"uniform", "adversarial"}
    for rankings in found.values():
        assert set(rankings) == set(evidence.RANKINGS)
        for figures in rankings.values():
            assert figures["at_20"].mean > 0.6
            assert figures["area"].low <= figures["area"].mean <= figures["area"].high
    assert sum("plain loss" in note for note in manifest["notes"]) == 2
    curves = tables["curves"]
    last = curves.groupby(["flips", "ranking"], observed=True)["found"].last()
    np.testing.assert_allclose(last, 1, atol=1e-6)


def test_what_was_flipped(mislabels: tuple[dict[str, Any], dict[str, Any]]) -> None:
    _, tables = mislabels
    digits = datasets.load("digits")
    for flips, rows in tables["examples"].groupby("flips", observed=True):
        assert list(rows["train"]) == list(digits.train.index)
        assert list(rows["true"]) == list(digits.train.labels)
        assert (rows["label"] != rows["true"]).sum() == (0 if flips == "none" else 144)
        assert rows[list(evidence.RANKINGS)].notna().all().all()


TINY = LOOK.replace(learner=Mlp(width=4, epochs=1), models=1, subset_models=20)
TINY_PATCHES = PatchNet(filters=8, patch=3, stride=1, grid=2, width=4, epochs=1, batch_size=50, flip=False)


@pytest.mark.parametrize(
    ("config", "present"),
    [
        (TINY.replace(classes=("3", "5")), {3, 5}),
        (TINY.replace(classes=("0", "9"), train_size=100), {0, 9}),
        (TINY.replace(classes=("9", "4", "6")), {4, 6, 9}),
        (TINY.replace(train_size=6), set(range(6))),  # the others have no example among the first six
        (TINY.replace(classes=("2", "7"), learner=TINY_PATCHES, train_size=200), {2, 7}),
        (TINY.replace(classes=("1", "8"), learner=ConvNet(width=4, epochs=1), train_size=100), {1, 8}),
        (TINY.replace(dataset="cifar10", classes=("bird", "ship"), learner=TINY_PATCHES, train_size=200), {2, 8}),
        (
            TINY.replace(dataset="cifar10", learner=TINY_PATCHES, train_size=60, classes=("cat", "deer", "truck")),
            {3, 4, 9},
        ),
    ],
    ids=lambda value: f"{value.dataset}-{value.learner.name}" if isinstance(value, MislabelsConfig) else None,
)
def test_labels_are_flipped_to_classes_that_training_examples_have(
    config: MislabelsConfig, present: set[int], tmp_path: Path
) -> None:
    if not datasets.is_present(config.dataset):
        pytest.skip(f"{config.dataset} is not in {homes.data_home()}: run `python -m influence data`")
    config = config.replace(share=0.4)
    evaluation.mislabels(config, tmp_path / "out", folder=tmp_path / "trainings")
    manifest, tables = evidence.read_one(tmp_path / "out", "mislabels")
    for flips, rows in tables["examples"].groupby("flips", observed=True):
        assert set(rows["true"]) == present
        assert set(rows["label"]) <= present, flips
        assert (rows["label"] != rows["true"]).sum() == (0 if flips == "none" else round(0.4 * len(rows)))
    names = [name for label, name in enumerate(datasets.facts(config.dataset).classes) if label in present]
    assert f"flipped among the classes {', '.join(names)}; " in manifest["notes"][0]


def test_the_likeliest_wrong_class_is_the_one_of_those_present(tmp_path: Path) -> None:
    """Against the model's own logits; the outputs of absent classes are the largest of an untrained model's, often."""
    config = TINY.replace(learner=Mlp(width=4, epochs=1, learning_rate=1e-6), classes=("1", "4", "8"), share=0.5)
    evaluation.mislabels(config, tmp_path / "out", folder=tmp_path / "trainings")
    rows = evidence.read_one(tmp_path / "out", "mislabels")[1]["examples"]
    rows = rows[(rows["flips"] == "adversarial") & (rows["label"] != rows["true"])]
    train = datasets.load("digits", config.classes).train
    seeds = np.array(derived(config.seed, 1, 1), np.uint64)
    logits = config.learner.fit(train, Subsets(np.ones((1, len(train)), bool), seeds)).logits(train.inputs)[0]
    assert (np.isin(logits.argmax(axis=1), (1, 4, 8), invert=True)).mean() > 0.2
    for row in rows.itertuples():
        own = logits[np.flatnonzero(train.index == row.train)[0]]
        assert row.label == max({1, 4, 8} - {row.true}, key=lambda label: own[label])


def test_trainings_kept_before_absent_classes_were_left_out_are_not_taken(tmp_path: Path) -> None:
    """What they call the likeliest wrong class may be one that nobody has."""
    config = TINY.replace(classes=("3", "5"))
    dataset = datasets.load("digits", config.classes)
    whole, part = (_Suspicions(data, config.learner, 2) for data in (datasets.load("digits"), dataset))
    assert whole.identity["says"] == "loss and self-influence over 2 checkpoints"
    assert part.identity["says"] != whole.identity["says"]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (TINY.replace(classes=("3",)), "training examples are of one class"),
        (TINY.replace(classes=("0",)), "training examples are of one class"),
        (TINY.replace(classes=("3", "3")), "training examples are of one class"),
        (TINY.replace(train_size=1), "training examples is none"),
        (TINY.replace(train_size=4), "training examples is none"),
    ],
)
def test_labels_that_can_not_be_flipped_are_refused_before_anything_is_trained(
    config: MislabelsConfig, message: str, tmp_path: Path
) -> None:
    with pytest.raises(InfluenceError, match=message):
        evaluation.mislabels(config, tmp_path / "out", folder=tmp_path / "trainings")
    assert list(tmp_path.iterdir()) == []


def test_mislabels_that_were_stopped_go_on(tmp_path: Path) -> None:
    config = LOOK.replace(learner=Mlp(width=4, epochs=1), subset_models=20)
    evaluation.mislabels(config, tmp_path / "first", folder=tmp_path / "trainings")
    with pytest.MonkeyPatch.context() as patch:

        def never(*_: object) -> None:
            raise AssertionError("everything is there")

        patch.setattr(ClassifierTrainer, "train", never)
        evaluation.mislabels(config, tmp_path / "second", folder=tmp_path / "trainings")
    first, second = (evidence.read_one(tmp_path / name, "mislabels")[1]["examples"] for name in ("first", "second"))
    assert first.equals(second)


def test_self_influence_is_the_gradients_squared_norm() -> None:
    """Against autograd, example by example."""
    import torch

    digits = datasets.load("digits")
    train = digits.train.take(np.arange(40))
    models = Mlp(width=6, epochs=1).fit(train, Subsets(np.ones((2, 40), bool), np.array([1, 2], np.uint64)))
    found = own_gradients(models, train.inputs, train.labels)
    x = (train.inputs.reshape(40, -1).astype(np.float64) - models.mean) / models.scale
    for model in range(2):
        weights = [layer[model].double().requires_grad_() for layer in (models.w1, models.w2)]
        for place in range(0, 40, 7):
            hidden = torch.relu(torch.tensor(np.append(x[place], 1)) @ weights[0])
            logits = torch.cat([hidden, torch.ones(1, dtype=torch.float64)]) @ weights[1]
            loss = torch.nn.functional.cross_entropy(logits, torch.tensor(train.labels[place]))
            norm = sum(float(g.square().sum()) for g in torch.autograd.grad(loss, weights))
            assert found[model, place] == pytest.approx(norm, rel=1e-3, abs=1e-6)


def test_a_learner_with_checkpoints_is_followed_by_them(tmp_path: Path) -> None:
    """Its self-influence is TracIn's, of the very checkpoints of its training."""
    import torch

    from influence.tracin.scores import Examples, TracInCP

    learner = PatchNet(filters=8, patch=3, stride=1, grid=2, width=4, epochs=4, batch_size=50, flip=False)
    config = LOOK.replace(learner=learner, models=1, checkpoints=2, subset_models=20, train_size=200)
    evaluation.mislabels(config, tmp_path / "digits", folder=tmp_path / "trainings")
    manifest, tables = evidence.read_one(tmp_path / "digits", "mislabels")
    rows = tables["examples"][tables["examples"]["flips"] == "uniform"]
    clean = datasets.load("digits", (), 200).train
    train = replace(clean, labels=rows["label"].to_numpy(clean.labels.dtype))
    traced = learner.trace(train, derived(config.seed, 1, 1)[0], 2)
    assert len(traced.checkpoints) == 2
    examples = Examples(torch.tensor(train.inputs), torch.tensor(train.labels))
    expected = TracInCP(traced.model, traced.checkpoints, cross_entropy).self_influence(examples)
    np.testing.assert_allclose(rows["self-influence"], expected, rtol=2e-3)
    traced.model.load_state_dict(traced.checkpoints[-1].state)
    loss = cross_entropy(traced.model(examples.inputs), examples.labels).detach()
    np.testing.assert_allclose(rows["loss"], loss, rtol=2e-3, atol=1e-5)
    assert any("all layers, about 2 checkpoints" in note for note in manifest["notes"])
    assert any("those of one model trained on everything" in note for note in manifest["notes"])


def test_mislabels_do_with_fewer_models_where_trainings_take_seconds() -> None:
    usual, large = (MislabelsConfig().completed(n_train) for n_train in (1437, 50_000))
    assert (usual.models, usual.checkpoints, usual.subset_models) == (10, 6, 500)
    assert (large.models, large.checkpoints, large.subset_models) == (1, 3, 48)
    assert LOOK.completed(50_000) == LOOK


def test_shortened_scores_are_close_and_keep_their_order() -> None:
    scores = np.sort(np.random.default_rng(0).lognormal(sigma=5, size=2000)) * 1e-3
    short = shortened(np.append(scores, 0.0))
    np.testing.assert_allclose(short[:-1], scores, rtol=1e-3)
    assert (np.diff(short[:-1]) >= 0).all()
    assert short[-1] == 0
    assert (shortened(-scores) == -short[:-1]).all()


def test_mislabels_refuse_what_has_no_classes(tmp_path: Path) -> None:
    with pytest.raises(InfluenceError, match="has no classes, and so no labels to flip"):
        evaluation.mislabels(LOOK.replace(dataset="california-housing"), tmp_path)


def test_mislabels_of_a_result_use_its_learner(result: Path) -> None:
    config = evaluation.mislabels_of(result, models=3)
    assert (config.dataset, config.learner, config.models) == ("digits", QUICK.learner, 3)


# --- sizes ----------------------------------------------------------------------------------------------------------


def test_sizes_are_the_scores_of_fits_on_the_first_models(store: str, result: Path) -> None:
    evaluation.sizes(
        result, store, SizesConfig(sizes=(20, 45, 1000), targets=360, lasso_targets=0, feature_models=1, bootstrap=20)
    )
    found = evidence.read(results.read(result)).sizes
    assert found is not None
    scores = found.scores.set_index(["estimator", "models"])
    sizes = {"ridge", "difference-in-means", "prior-informed"}
    assert {name for name, models in scores.index if models == 45} == sizes
    assert {(name, models) for name, models in scores.index if name not in sizes} == {
        ("random", 0),
        ("same-class", 0),
        ("neighbours", 0),
        ("guess", 16),
    }
    fitted, held_out = outcomes.read(store, range(40, 85)), outcomes.read(store, range(40))
    ridge = Ridge().fit(fitted.masks, fitted.margins).predict(held_out.masks)
    assert scores.loc[("ridge", 45), "mean"] == pytest.approx(score_lds(ridge, held_out.margins, 2).mean, abs=1e-6)
    whole = results.read(result).manifest["quality"]["lds"]["mean"]  # of all 60 models
    assert scores.loc[("ridge", 60), "mean"] == pytest.approx(whole, abs=1e-6)
    assert scores.loc[("prior-informed", 60), "mean"] > scores.loc[("ridge", 60), "mean"]
    assert abs(scores.loc[("random", 0), "mean"]) < 0.1


def test_the_lasso_is_judged_on_a_few_targets(store: str, result: Path) -> None:
    evaluation.sizes(
        result, store, SizesConfig(sizes=(20,), targets=30, lasso_targets=4, feature_models=1, bootstrap=20)
    )
    found = evidence.read(results.read(result)).sizes
    assert found is not None
    assert dict(found.scores.groupby("estimator", observed=True)["targets"].max()) == {
        **dict.fromkeys(("random", "same-class", "neighbours", "guess", "ridge"), 30),
        **dict.fromkeys(("difference-in-means", "prior-informed"), 30),
        "lasso": 4,
    }


def test_sizes_are_of_datamodels_and_their_own_store(store: str, result: Path, tmp_path: Path) -> None:
    with pytest.raises(InfluenceError, match="is no datamodel"):
        evaluation.sizes(by_hand(tmp_path / "other", np.random.default_rng(0).normal(size=(5, 1437))), store)
    other = str(tmp_path / "store")
    outcomes.collect(QUICK.replace(subsets=SubsetConfig(seed=9)), other, 10)
    with pytest.raises(InfluenceError, match="another config"):
        evaluation.sizes(result, other)
