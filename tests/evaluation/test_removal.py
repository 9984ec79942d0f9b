"""Removal: what is removed and trained, what is predicted, and that it goes on where it was stopped."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from influence import datasets, evidence, homes, results
from influence.datamodels.subsets import SubsetConfig
from influence.errors import InfluenceError
from influence.evaluation.removal import RemovalConfig
from influence.evaluation.removal.config import completed
from influence.evaluation.removal.plan import plan_supports, trial_seeds
from influence.evaluation.scores import Scores
from influence.learners.mlp import Mlp
from influence.measures.removal import predicted_support
from influence.methods.datamodels.run import run
from influence.methods.tracin.scores import TracInSubject
from influence.retraining.trainer import ClassifierTrainer
from tests.evaluation.made import FEW, QUICK, SMALL, by_hand, remove


def removed(result: Path) -> evidence.RemovalEvidence:
    found = evidence.read(results.read(result)).removal
    assert found is not None
    return found


def test_removal_by_hand(result: Path, store: str, weights: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    remove(result, FEW, store, folder=tmp_path / "trainings")
    found = removed(result)
    digits = datasets.load("digits")
    effects = found.tables["effects"].set_index(["target", "choice", "count"])
    assert len(effects) == 3 * 3 * 2
    targets = found.tables["targets"].set_index("target")
    names = list(targets.index)
    for name in names:
        position = int(np.flatnonzero(digits.test.index == name)[0])
        order = np.argsort(-weights[0][position])
        row = effects.loc[(name, "helpful", 20)]
        assert row["predicted"] == pytest.approx(-weights[0][position][order[:20]].sum(), abs=1e-4)
        assert targets.loc[name, "support"] == predicted_support(weights[0][position], weights[1][position])
        assert targets.loc[name, "label"] == digits.test.labels[position]
        support = int(targets.loc[name, "support"])
        assert (support > 0) == np.isfinite(targets.loc[name, "output_at_support"])
    # One of them, trained again here.
    seeds = np.array(trial_seeds(FEW), np.uint64)
    position = int(np.flatnonzero(digits.test.index == names[0])[0])
    trainer = ClassifierTrainer(digits, QUICK.learner)
    masks = np.ones((2, 1437), bool)
    masks[:, np.argsort(-weights[0][position])[:20]] = False
    after = trainer.train(masks, seeds[:2])
    before = trainer.train(np.ones((10, 1437), bool), seeds)
    change = np.mean([each.outputs[position] for each in after]) - np.mean([each.outputs[position] for each in before])
    assert effects.loc[(names[0], "helpful", 20), "measured"] == pytest.approx(change, abs=1e-3)
    usual = np.bincount([int(each.predictions[position]) for each in before]).argmax()
    assert targets.loc[names[0], "prediction"] == usual
    flipped = np.mean([each.predictions[position] != usual for each in after])
    assert effects.loc[(names[0], "helpful", 20), "flipped"] == flipped


def test_removal_figures(result: Path, store: str, tmp_path: Path) -> None:
    remove(result, FEW, store, folder=tmp_path / "trainings")
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
    assert found.figures.is_common is False


def test_agreement_is_told_within_each_number_removed(result: Path, store: str, tmp_path: Path) -> None:
    """Pooled, removals of 2 and of 20 agree for being few and many."""
    remove(result, FEW.replace(targets=6, choices=("helpful", "random")), store, folder=tmp_path / "trainings")
    found = removed(result)
    assert found.counts == [2, 20]
    effects = found.tables["effects"]
    for count in found.counts:
        of = found.agreement_of(count)
        assert set(of) == {"all", "helpful", "random"}
        rows = effects[(effects["count"] == count) & (effects["choice"] == "helpful")]
        expected = rows["predicted"].corr(rows["measured"], method="spearman")
        assert of["helpful"].spearman.mean == pytest.approx(expected)
        assert of["helpful"].spearman.low <= expected <= of["helpful"].spearman.high
    assert found.agreement_of(3) == {}


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
        remove(result, config, None, folder=tmp_path / "trainings")
    of_size = [positions for positions in seen if len(positions) == 20]
    assert len(of_size) == 2 * 10  # two draws a class
    assert all(len(set(digits.train.labels[positions])) == 1 for positions in of_size)
    assert len({tuple(positions) for positions in of_size}) == 20


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
            remove(result, few, None, folder=tmp_path / "trainings")
        assert not evidence.place(result, "removal").exists()
        patch.setattr(ClassifierTrainer, "train", stop_after(10**6))
        remove(result, few, None, folder=tmp_path / "trainings")
    first = removed(result)
    total = sum(trained)
    remove(result, few, None, folder=tmp_path / "whole")
    again = removed(result)
    for table in ("effects", "targets"):
        numbers = first.tables[table].select_dtypes("number")
        np.testing.assert_allclose(numbers, again.tables[table].select_dtypes("number"), atol=2e-3)
    config = few.replace(seeds=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ClassifierTrainer, "train", stop_after(10**6))
        remove(result, config, None, folder=tmp_path / "trainings")
    assert sum(trained) - total < total  # more seeds train what is new alone


def test_common_seeds_compare_with_trainings_of_their_own(store: str, tmp_path: Path) -> None:
    common = SMALL.replace(outcomes=QUICK.replace(subsets=SubsetConfig(seeds="common")), ceiling=False)
    folder = run(common, tmp_path / "common", store=str(tmp_path / "store"))
    remove(folder, FEW.replace(seeds=1), str(tmp_path / "store"))
    found = removed(folder)
    assert any("everything once, from the same initial weights" in note for note in found.notes)
    effects = found.tables["effects"]
    small = effects[(effects["choice"] == "random") & (effects["count"] == 2)]["measured"].abs().mean()
    large = effects[(effects["choice"] == "helpful") & (effects["count"] == 20)]["measured"].abs().mean()
    assert small < large


def test_removal_from_the_kept_scores_alone(
    result: Path, store: str, weights: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    """Though all could be computed: what is known is predicted as from all scores, and what is not is no prediction."""
    few = FEW.replace(targets=10, counts=(2, 10))
    remove(result, few.replace(kept=True), store, folder=tmp_path / "trainings")
    found = removed(result)
    effects = found.tables["effects"].set_index(["choice", "count"]).sort_index()
    stored = results.read(result).targets
    curves = pd.DataFrame(stored["removal"].to_list(), index=stored.index).to_numpy()
    positions = np.searchsorted(stored.index, found.tables["targets"]["target"])
    for count in (2, 10):
        change = (
            curves[positions, count] - curves[positions, 0]
        )  # the counts of the first 50 are the numbers themselves
        np.testing.assert_allclose(effects.loc[("helpful", count), "predicted"], change, atol=1e-4)
    assert effects.loc[("random", 10), "predicted"].isna().all()
    assert effects.loc[("random", 10), "measured"].notna().all()
    assert set(found.agreement) <= {"all", "helpful", "neighbours"}
    targets = found.tables["targets"].set_index("target")
    assert list(targets["support"]) == list(stored["support"].loc[targets.index])
    assert list(targets["flipped_at_support"].notna()) == [0 < support <= 10 for support in targets["support"]]
    assert any("the 10 kept either way" in note for note in found.notes)
    assert any("only the 10 highest and lowest scores are known" in note for note in found.notes)


def test_removal_together_serves_all_targets_with_one_training(
    result: Path, store: str, weights: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    config = FEW.replace(targets=4, counts=(20,), choices=("helpful", "harmful", "random"), together=True)
    remove(result, config, store, folder=tmp_path / "trainings")
    found = removed(result)
    digits = datasets.load("digits")
    names = found.tables["targets"]["target"].to_numpy()
    rows = weights[0][np.searchsorted(digits.test.index, names)]
    order = np.argsort(-rows.mean(axis=0))
    effects = found.tables["effects"].set_index(["choice", "target"])["predicted"]
    for choice, members in (("helpful", order[:20]), ("harmful", order[-20:])):
        np.testing.assert_allclose(effects.loc[choice].loc[names], -rows[:, members].sum(axis=1), atol=1e-4)
    classes = len(set(digits.test.labels[np.searchsorted(digits.test.index, names)]))
    assert found.figures.trainings == 2 * (2 + classes)
    assert any("everything 2 times" in note for note in found.notes)
    assert any("one training serves all of them" in note for note in found.notes)
    assert found.support is None


def test_supports_beyond_what_is_kept_are_not_tried() -> None:
    row = np.zeros(50, np.float32)
    row[[7, 3, 30, 41]] = 0.4, 0.3, 0.2, -0.5
    support = np.array([3, 4, -1, 0])
    scores = Scores(lambda positions: np.tile(row, (len(positions), 1)), "made up", True, kept=3, support=support)
    plan = plan_supports(np.arange(4), [11, 12], scores)
    assert [one.count for one in plan] == [3, 4, -1, 0]
    assert [len(one.trainings) for one in plan] == [2, 0, 0, 0]
    assert [list(each.removed) for each in plan[0].trainings] == [[3, 7, 30]] * 2


def test_no_more_is_removed_than_is_known(result: Path) -> None:
    with pytest.raises(InfluenceError, match=r"at most 10, .* --all-scores"):
        remove(result, FEW.replace(kept=True))
    with pytest.raises(InfluenceError, match=r"remove at most 10\."):
        remove(result, FEW)  # its store is not at hand


def test_removal_does_with_less_where_trainings_take_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    digits = datasets.load("digits")
    usual = completed(RemovalConfig(), digits, False, None)
    assert (usual.targets, usual.counts, usual.seeds) == (100, (1, 2, 4, 8, 17, 34), 10)
    monkeypatch.setattr("influence.evaluation.removal.config.MANY", 1000)
    large = completed(RemovalConfig(), digits, True, 25)
    assert (large.targets, large.counts, large.seeds) == (30, (5, 10, 25), 1)
    assert large.choices == ("helpful", "random")
    assert completed(RemovalConfig(), digits, False, None).seeds == 2
    asked = RemovalConfig(targets=7, counts=(20, 3), choices=("harmful",), seeds=4)
    assert completed(asked, digits, True, 25) == asked.replace(counts=(3, 20))


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
        remove(result, FEW.replace(counts=(1, 139)))


def test_removal_of_a_method_that_nothing_here_trains(tmp_path: Path) -> None:
    folder = by_hand(tmp_path / "by-hand", np.random.default_rng(0).normal(size=(5, 1437)))
    with pytest.raises(InfluenceError, match="does not say how to train models like its own"):
        remove(folder, FEW)


def test_removal_of_any_method_whose_config_names_its_learner(tmp_path: Path) -> None:
    """What is known of the scores are the kept ones: they rank, and what is not kept is predicted to do nothing."""
    scores = np.random.default_rng(0).normal(size=(20, 1437))
    config = {"learner": QUICK.learner.as_dict()}
    folder = by_hand(tmp_path / "by-hand", scores, k=30, config=config)
    remove(folder, FEW.replace(choices=("helpful", "harmful")))
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

    def noise(positions: np.ndarray) -> np.ndarray:
        return np.random.default_rng(0).normal(size=(len(positions), len(houses.train)))

    made_up = Scores(noise, "made up", has_scale=False)
    monkeypatch.setattr(TracInSubject, "scores", lambda *_: made_up)
    monkeypatch.setattr(TracInSubject, "output_scores", lambda *_: noise)
    folder = tmp_path / "houses"
    shutil.copytree(homes.precomputed_home() / "california-housing" / "tracin", folder)
    config = RemovalConfig(targets=2, counts=(40,), choices=("helpful", "random"), seeds=1, epochs=1)
    remove(folder, config)
    found = removed(folder)
    assert not found.has_scale
    assert found.support is None
    eleven = results.read(folder).groups[-1].targets
    assert tuple(found.tables["targets"]["target"]) == eleven[:2]
    assert found.tables["effects"]["flipped"].isna().all()
    assert any("A shorter recipe than the result's own: 1 epochs" in note for note in found.notes)
