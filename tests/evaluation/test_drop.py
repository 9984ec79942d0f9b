"""Random examples left out of one training, against trainings and scores by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from influence import evidence, jobs, results
from influence.errors import InfluenceError
from influence.evaluation.drop import DropConfig
from influence.learners.base import margins
from influence.learners.mlp import Mlp
from influence.methods.unrolled.config import UnrolledConfig
from influence.methods.unrolled.passing import seeds
from influence.methods.unrolled.run import run
from influence.unrolled.trajectory import Trajectory
from tests.evaluation.made import subject_of

LEARNER = Mlp(width=16, epochs=8, learning_rate=0.01, batch_size=20)
WHOLE = UnrolledConfig(train_size=120, learner=LEARNER, k=10, reverse_k=5)
FEW = DropConfig(shares=(0.05, 0.2), retrainings=24, targets=15, feature_models=0, bootstrap=20)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(WHOLE, tmp_path_factory.mktemp("drop") / "whole")


def found_by(result: Path, config: DropConfig, folder: Path) -> Any:
    jobs.evaluate("drop", result, config, trainings=folder)
    return evidence.read(results.read(result)).others["drop"]


@pytest.fixture(scope="module")
def found(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return found_by(whole, FEW, tmp_path_factory.mktemp("trainings"))


def test_figures_are_those_of_trainings_by_hand(whole: Path, found: Any) -> None:
    """Every example that is left out gets weight 0 in the training of all; nothing else is changed."""
    subject = subject_of(whole)
    dataset, names = subject.dataset, found.tables["targets"]["target"].unique()
    positions = np.searchsorted(dataset.test.index, names)
    scores = subject.scores().rows(positions)
    for number, count in enumerate((6, 24)):
        predicted, observed = [], []
        for repeat in range(FEW.retrainings):
            stream = np.random.default_rng([FEW.seed, 1, count, repeat])
            weights = np.ones(120)
            weights[stream.choice(120, count, replace=False)] = 0
            training = LEARNER.training(dataset.train, seeds(WHOLE, 120)[0], weights, 120)
            logits = training.outputs(Trajectory(training).final, training.seen(dataset.test.inputs)).numpy()
            observed.append(margins(logits[None], dataset.test.labels)[0, positions])
            predicted.append(-scores[:, weights == 0].sum(axis=1))
        both = np.array(predicted, np.float64), np.array(observed, np.float64)
        pairs = list(zip(both[0].T, both[1].T, strict=True))
        figures = found.figures.shares[number]
        assert figures.removed == count
        assert figures.spearman["result"].mean == pytest.approx(
            np.mean([stats.spearmanr(*each).statistic for each in pairs]), abs=1e-6
        )
        lines = [stats.linregress(*each) for each in pairs]
        assert figures.pearson.mean == pytest.approx(np.mean([line.rvalue for line in lines]), abs=1e-5)
        assert figures.slope.mean == pytest.approx(np.mean([line.slope for line in lines]), abs=1e-5)


def test_derivatives_predict_what_is_left_out_and_others_less(found: Any) -> None:
    few, many = found.figures.shares
    for each in (few, many):
        assert each.spearman["result"].mean > 0.85
        assert each.spearman["result"].mean > each.spearman["same-class"].mean + 0.05
        assert abs(each.spearman["random"].mean) < 0.3
        assert 0.8 < each.slope.mean < 1.4
    assert many.spearman["result"].low < many.spearman["result"].high
    assert len(found.tables["targets"]) == 2 * 15
    assert found.figures.has_scale
    assert "5% of the training examples" in " ".join(found.notes)  # which the page on quality shows


def test_each_share_has_a_centre_of_its_own(whole: Path, found: Any, tmp_path: Path) -> None:
    centre = run(WHOLE.replace(weight=0.8, whole_steps=True), tmp_path / "centre")
    judged = found_by(centre, FEW.replace(shares=(0.2,)), tmp_path)
    (own,) = judged.figures.shares
    assert own.spearman["result"].mean > 0.85
    assert abs(own.slope.mean - 1) < abs(found.figures.shares[1].slope.mean - 1)
    with pytest.raises(InfluenceError, match="is the centre of leaving out 20%"):
        jobs.evaluate("drop", centre, FEW, trainings=tmp_path)


def test_a_run_that_was_stopped_goes_on(
    whole: Path, found: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = FEW.replace(shares=(0.05,))
    first = found_by(whole, config, tmp_path).figures
    monkeypatch.setattr("influence.retraining.ordered.OrderedTrainer.train", None)
    again = found_by(whole, config, tmp_path).figures
    assert again == first


def test_too_few_trainings_are_refused() -> None:
    with pytest.raises(InfluenceError, match="retrainings is 9, but must be at least 10"):
        DropConfig(retrainings=9)


@pytest.mark.parametrize(
    ("shares", "match"),
    [
        ((0.001,), "which of 120 training examples is 0"),
        ((0.05, 1.0), "has 1, which of 120 training examples is 120"),
        ((-0.1,), "has -0.1, which"),
        ((), "--shares is empty"),
    ],
)
def test_shares_that_leave_out_nothing_or_everything(whole: Path, shares: tuple[float, ...], match: str) -> None:
    with pytest.raises(InfluenceError, match=match):
        jobs.evaluate("drop", whole, FEW.replace(shares=shares))


def test_any_ranking_can_be_judged(result: Path, tmp_path: Path) -> None:
    """A datamodel's, say, whose models are those of subsets."""
    judged = found_by(result, FEW.replace(shares=(0.1,), retrainings=10), tmp_path)
    assert -1 <= judged.figures.shares[0].spearman["result"].mean <= 1
