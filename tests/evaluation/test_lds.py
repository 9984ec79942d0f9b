"""The linear datamodeling score: what it is, which models may judge, and what it is compared with."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from influence import datasets, evidence, homes, results
from influence.datamodels import outcomes
from influence.datamodels.subsets import SubsetConfig
from influence.errors import InfluenceError
from influence.evaluation.neighbours import neighbours_of
from influence.explorer import verdicts
from influence.learners.mlp import Mlp
from influence.measures.lds import lds as score_lds
from influence.methods.datamodels.run import run
from tests.evaluation.made import JUDGE, QUICK, SMALL, by_hand, judge


def test_lds_of_a_datamodel_by_hand(result: Path, store: str, weights: tuple[np.ndarray, np.ndarray]) -> None:
    own = evidence.read(results.read(result)).lds
    judge(result, store, JUDGE)
    found = evidence.read(results.read(result)).lds
    assert own is not None
    assert found is not None
    held_out = outcomes.read(store, range(40))
    expected = score_lds(held_out.masks @ weights[0].T, held_out.margins, bootstrap=1)
    assert found.methods["result"].mean == pytest.approx(expected.mean, abs=1e-4)
    np.testing.assert_allclose(found.tables["targets"]["result"], expected.per_target, atol=5e-3)
    assert found.methods["result"].mean == pytest.approx(own.methods["result"].mean, abs=1e-4)
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


def test_the_fits_own_score_is_that_of_the_refit(result: Path, store: str, tmp_path: Path) -> None:
    other = Path(shutil.copytree(result, tmp_path / "other"))
    judge(other, store, JUDGE)
    computed = evidence.read(results.read(other)).lds
    fit = evidence.read(results.read(result)).lds
    judge(result, store, JUDGE.replace(kept=True))
    kept = evidence.read(results.read(result)).lds
    assert fit is not None
    assert computed is not None
    assert kept is not None
    own = kept.methods["result"]
    assert own == fit.methods["result"]
    assert own.mean == pytest.approx(computed.methods["result"].mean, abs=1e-4)
    ours, theirs = kept.tables["targets"], computed.tables["targets"]
    np.testing.assert_allclose(ours["result"], theirs["result"], atol=5e-3)
    assert ours.drop(columns="result").equals(theirs.drop(columns="result"))
    assert any("as the fit measured it" in note for note in kept.notes)


def test_the_fits_own_score_is_of_no_other_models(result: Path, store: str, tmp_path: Path) -> None:
    other = str(tmp_path / "other")
    outcomes.collect(QUICK.replace(subsets=SubsetConfig(seed=7)), other, 40)
    for place, models in ((other, None), (store, (0, 30))):
        with pytest.raises(InfluenceError, match="it has no score on them: let all scores be computed again"):
            judge(result, place, JUDGE.replace(kept=True, ceiling=False, models=models))
    judge(result, store, JUDGE.replace(ceiling=False, models=(0, 30)))  # which takes the place of the fit's own
    with pytest.raises(InfluenceError, match="it has no score on them: let all scores be computed again"):
        judge(result, store, JUDGE.replace(kept=True, ceiling=False))


def test_the_score_of_a_result_of_an_older_version_is_in_its_manifest(result: Path, store: str) -> None:
    own = evidence.read(results.read(result)).lds
    assert own is not None
    shutil.rmtree(result / "evidence")
    values = json.loads((result / "manifest.json").read_bytes())
    score = own.methods["result"].model_dump()
    values["quality"] |= {"lds": score, "random": score, "ceiling": None}
    (result / "manifest.json").write_bytes(results.to_bytes(values))
    known = verdicts.judged(results.read_manifest(result), None)
    assert known is not None
    assert known.own == own.methods["result"]
    judge(result, store, JUDGE.replace(kept=True, ceiling=False))
    kept = evidence.read(results.read(result)).lds
    assert kept is not None
    assert kept.methods["result"] == own.methods["result"]


def test_how_repeatable_training_is_from_common_seeds(tmp_path: Path) -> None:
    """Where a few members are others, a model says almost the same; where most are, it says something else."""
    common = SMALL.replace(outcomes=QUICK.replace(subsets=SubsetConfig(seeds="common")), ceiling=False)
    place = str(tmp_path / "store")
    folder = run(common, tmp_path / "common", store=place)
    config = JUDGE.replace(ceiling=False, swapped=5, swapped_models=12)
    judge(folder, place, config, folder=tmp_path / "trainings")
    found = evidence.read(results.read(folder)).lds
    assert found is not None
    assert found.repeatable is not None
    assert 0.7 < found.repeatable.low <= found.repeatable.mean < 1
    judge(folder, place, config.replace(swapped=400), folder=tmp_path / "trainings")
    found = evidence.read(results.read(folder)).lds
    assert found is not None
    assert found.repeatable is not None
    assert found.repeatable.mean < 0.4
    assert any("12 of these models, trained again" in note and "400 of the 718" in note for note in found.notes)
    with pytest.raises(InfluenceError, match="--swapped is 718, but must be below the 718"):
        judge(folder, place, config.replace(swapped=718))


def test_swapping_is_for_common_seeds(result: Path, store: str) -> None:
    with pytest.raises(InfluenceError, match="these have seeds of their own"):
        judge(result, store, JUDGE.replace(swapped=5))
    with pytest.raises(InfluenceError, match="swapped_models is 3, but must be at least 10"):
        JUDGE.replace(swapped=5, swapped_models=3)


def test_lds_of_a_result_of_any_method(store: str, tmp_path: Path, weights: tuple[np.ndarray, np.ndarray]) -> None:
    """Only the kept scores are known, and all of the store may judge: the result was fitted on none of it."""
    folder = by_hand(tmp_path / "by-hand", weights[0].astype(np.float64), k=20)
    judge(folder, store, JUDGE.replace(ceiling=False))
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
    before = (evidence.place(result, "lds") / "manifest.json").read_bytes()
    with pytest.raises(InfluenceError, match="saw the subsets of the models 40 to 99, and --models"):
        judge(result, store, JUDGE.replace(models=span))
    assert (evidence.place(result, "lds") / "manifest.json").read_bytes() == before


@pytest.mark.parametrize("changes", [{"retrain": 1}, {"alpha": 0.4}, {"seeds": "common"}])
def test_the_same_draws_under_another_name_are_leakage_too(
    result: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    """Other training seeds, another share or another learner do not make model 50's subset a fresh one."""
    other = QUICK.replace(learner=Mlp(width=4, epochs=1), subsets=SubsetConfig(**changes))
    outcomes.collect(other, str(tmp_path / "other"), 100)
    with pytest.raises(InfluenceError, match="saw the subsets of the models 40 to 99"):
        judge(result, str(tmp_path / "other"), JUDGE.replace(models=(50, 100), ceiling=False))
    judge(result, str(tmp_path / "other"), JUDGE.replace(ceiling=False))
    found = evidence.read(results.read(result)).lds
    assert found is not None
    assert found.config["models"] == [0, 40]


def test_a_store_of_other_draws_may_judge_as_a_whole(result: Path, tmp_path: Path) -> None:
    other = QUICK.replace(subsets=SubsetConfig(seed=7))
    outcomes.collect(other, str(tmp_path / "other"), 60)
    judge(result, str(tmp_path / "other"), JUDGE.replace(ceiling=False))
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
    with pytest.raises(InfluenceError, match=r"9 finished model\(s\) .* at least 10"):
        judge(result, store, JUDGE.replace(models=(0, 9)))
    with pytest.raises(InfluenceError, match="--models 90:101 must lie within the 100 models"):
        judge(result, store, JUDGE.replace(models=(90, 101)))


def test_missing_seeds_for_the_ceiling(result: Path, store: str, tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nowhere")
    with pytest.raises(InfluenceError, match=r"there is no store of them .* --no-ceiling"):
        judge(result, store, JUDGE, nowhere)
    with pytest.raises(InfluenceError, match="does not hold the same subsets"):
        judge(result, store, JUDGE, store)
    few = QUICK.replace(subsets=SubsetConfig(repeat=1))
    outcomes.collect(few, str(tmp_path / "few"), 5)
    with pytest.raises(InfluenceError, match=r"5 of the models 0 to 39, .* at least 10"):
        judge(result, store, JUDGE, str(tmp_path / "few"))


def test_other_data(result: Path, store: str, tmp_path: Path, houses: datasets.Dataset) -> None:
    tracin = homes.precomputed_home() / "california-housing" / "tracin"
    with pytest.raises(InfluenceError, match=r"is about california-housing, and .* is of digits"):
        judge(tracin, store, JUDGE)
    part = QUICK.replace(train_size=200)
    outcomes.collect(part, str(tmp_path / "part"), 20)
    with pytest.raises(InfluenceError, match=r"1,437 training examples of digits, .* 200 others"):
        judge(result, str(tmp_path / "part"), JUDGE)
    changed = by_hand(tmp_path / "changed", np.zeros((4, 1437)), dataset_hash="0" * 64)
    with pytest.raises(InfluenceError, match="another version of digits"):
        judge(changed, store, JUDGE)


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


def test_some_targets_alone_can_judge(result: Path, store: str) -> None:
    found = {}
    for targets in (None, 40):
        judge(result, store, JUDGE.replace(ceiling=False, targets=targets))
        judged = evidence.read(results.read(result)).lds
        assert judged is not None
        found[targets] = judged
    every, some = (found[targets].tables["targets"].set_index("target") for targets in (None, 40))
    assert len(some) == 40
    np.testing.assert_allclose(some["result"], every["result"].loc[some.index], atol=1e-6)
    assert found[40].methods["result"].mean == pytest.approx(some["result"].mean(), abs=1e-6)
    assert "On 40 of its 360 targets, drawn at random." in found[40].notes
    with pytest.raises(InfluenceError, match=r"--targets is 999, but .* has 360"):
        judge(result, store, JUDGE.replace(ceiling=False, targets=999))
    with pytest.raises(InfluenceError, match="over all its targets: leave out"):
        JUDGE.replace(kept=True, targets=40)
