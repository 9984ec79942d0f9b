"""Removals of learners whose effects are known: additive ones, and least squares with its closed forms."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr

from influence.errors import InfluenceError
from influence.measures.removal import agreement, counts, crossing, measured, predicted_change, predicted_support
from influence.retraining.trainer import Retrained
from influence.retraining.trainings import Training, Trainings


@dataclass(frozen=True)
class LeastSquares:
    """Ridge regression without an intercept, as a trainer; nothing in it is random."""

    inputs: np.ndarray  # (n, d)
    labels: np.ndarray
    targets: np.ndarray  # (t, d)
    penalty: float = 0.1
    batch: int = 4

    @property
    def identity(self) -> dict[str, object]:
        return {"learner": {"name": "least squares"}, "labels": self.labels.tolist()}

    @property
    def n_train(self) -> int:
        return len(self.inputs)

    def weights(self, mask: np.ndarray) -> np.ndarray:
        x, y = self.inputs[mask], self.labels[mask]
        solution: np.ndarray = np.linalg.solve(x.T @ x + self.penalty * np.eye(x.shape[1]), x.T @ y)
        return solution

    def train(self, masks: np.ndarray, seeds: np.ndarray) -> list[Retrained]:
        nothing = np.empty(0, np.uint8)
        return [Retrained((self.targets @ self.weights(mask)).astype(np.float32), nothing) for mask in masks]


@dataclass(frozen=True)
class Additive:
    """Margins that are sums over the training examples, plus noise that follows from the seed; two classes."""

    effects: np.ndarray  # (t, n)
    intercept: np.ndarray  # (t,)
    noise: float = 0.0
    batch: int = 7

    @property
    def identity(self) -> dict[str, object]:
        return {"learner": {"name": "additive"}, "noise": self.noise}

    @property
    def n_train(self) -> int:
        return self.effects.shape[1]

    def train(self, masks: np.ndarray, seeds: np.ndarray) -> list[Retrained]:
        found = []
        for mask, seed in zip(masks, seeds, strict=True):
            noise = np.random.default_rng(int(seed)).normal(size=len(self.intercept))
            margins = self.intercept + self.effects @ mask + self.noise * noise
            found.append(Retrained(margins.astype(np.float32), (margins < 0).astype(np.uint8)))
        return found


@pytest.fixture
def least_squares() -> LeastSquares:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 5))
    return LeastSquares(x, x @ rng.normal(size=5) + rng.normal(size=40), rng.normal(size=(6, 5)))


def leave_one_out(problem: LeastSquares) -> np.ndarray:
    """(t, n), closed form: what each example adds to each prediction, x_t' A^-1 x_i e_i / (1 - h_i)."""
    x = problem.inputs
    inverse = np.linalg.inv(x.T @ x + problem.penalty * np.eye(x.shape[1]))
    leverage = np.einsum("nd,de,ne->n", x, inverse, x)
    residual = problem.labels - x @ problem.weights(np.ones(len(x), bool))
    effects: np.ndarray = problem.targets @ inverse @ x.T * (residual / (1 - leverage))
    return effects


def changes(trainings: Trainings, removals: list[np.ndarray], target: int) -> list[float]:
    everything = [Training(np.empty(0, np.int32), 0)]
    wanted = [Training(np.sort(removed).astype(np.int32), 0) for removed in removals]
    trainings.complete([*everything, *wanted], lambda done, total: None)
    before = np.array([trainings.read(everything)[0].outputs[target]])
    return [measured(before, said.outputs[target : target + 1]).change for said in trainings.read(wanted)]


def test_the_closed_form_of_least_squares_predicts_single_removals_exactly(
    least_squares: LeastSquares, tmp_path: Path
) -> None:
    effects = leave_one_out(least_squares)
    removals = [np.array([place]) for place in range(40)]
    trainings = Trainings(least_squares, tmp_path)
    for target in range(6):
        predicted = np.array([predicted_change(effects[target], removed) for removed in removals])
        observed = np.array(changes(trainings, removals, target))
        np.testing.assert_allclose(predicted, observed, atol=2e-6)
        figures = agreement(predicted, observed, np.arange(40), bootstrap=20)
        assert figures is not None
        for name in ("spearman", "pearson", "slope"):
            assert figures[name].mean == pytest.approx(1, abs=1e-3)
            assert figures[name].low == pytest.approx(1, abs=1e-2)


def test_groups_of_least_squares_are_those_of_woodbury(least_squares: LeastSquares, tmp_path: Path) -> None:
    """Removing S changes a prediction by -x_t' A^-1 X_S' (I - H_SS)^-1 e_S: not the sum of single effects."""
    problem, rng = least_squares, np.random.default_rng(1)
    removals = [rng.choice(40, 8, replace=False) for _ in range(20)]
    inverse = np.linalg.inv(problem.inputs.T @ problem.inputs + problem.penalty * np.eye(5))
    residual = problem.labels - problem.inputs @ problem.weights(np.ones(40, bool))
    exact, summed = [], []
    for removed in removals:
        x = problem.inputs[removed]
        inner = np.linalg.solve(np.eye(8) - x @ inverse @ x.T, residual[removed])
        exact.append(-problem.targets[2] @ inverse @ x.T @ inner)
        summed.append(predicted_change(leave_one_out(problem)[2], removed))
    observed = changes(Trainings(problem, tmp_path), removals, 2)
    np.testing.assert_allclose(observed, exact, atol=2e-6)
    assert not np.allclose(observed, summed, atol=1e-3)
    assert pearsonr(observed, summed).statistic > 0.9


def test_an_additive_learner_is_predicted_whatever_is_removed(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    problem = Additive(rng.normal(0.1, 1, size=(5, 60)), np.full(5, 0.5))
    trainings = Trainings(problem, tmp_path)
    for target in range(5):
        scores = problem.effects[target]
        order = np.argsort(-scores)
        removals = [order[:count] for count in range(1, 31)]
        predicted = [predicted_change(scores, removed) for removed in removals]
        observed = changes(trainings, removals, target)
        np.testing.assert_allclose(predicted, observed, atol=1e-5)
        support = predicted_support(scores, 0.5)
        margins = 0.5 + scores.sum() + np.array([0, *observed])
        brute = np.flatnonzero(margins < 0)
        assert support == brute[0] if len(brute) else support > 30 or support == -1
        if support > 0:
            assert support - 1 <= crossing(range(31), margins) <= support


def test_support_that_never_comes() -> None:
    assert predicted_support(np.array([1.0, 2.0]), 5.0) == -1
    assert predicted_support(np.array([1.0, 2.0]), -4.0) == 0
    assert predicted_support(np.array([3.0, -1.0, 2.0]), 0.5) == 2


def test_crossing_is_where_the_line_is_zero() -> None:
    assert crossing([0, 10, 20], np.array([3.0, 1.0, -1.0])) == 15
    assert crossing([0, 10], np.array([-1.0, -2.0])) == 0
    assert np.isnan(crossing([0, 10], np.array([2.0, 1.0])))


def test_a_measured_change_has_its_standard_error_and_flips() -> None:
    rng = np.random.default_rng(3)
    errors, off = [], []
    for _ in range(300):
        before, after = rng.normal(2, 1, size=20), rng.normal(1, 1, size=5)
        effect = measured(before, after, np.array([0, 0, 1, 1, 1]), 0)
        assert effect.flipped == pytest.approx(0.6)
        errors.append(effect.error)
        off.append(effect.change + 1)
    assert np.std(off) == pytest.approx(np.sqrt(1 / 20 + 1 / 5), rel=0.15)
    assert np.mean(errors) == pytest.approx(np.std(off), rel=0.15)


def test_one_training_on_a_side_has_no_standard_error() -> None:
    assert np.isnan(measured(np.array([1.0]), np.array([0.5])).error)
    assert np.isnan(measured(np.array([1.0, 2.0]), np.array([0.5])).error)
    assert measured(np.array([1.0, 2.0]), np.array([0.5, 0.5])).error == pytest.approx(0.5)


def test_models_that_diverged_are_left_out() -> None:
    effect = measured(np.array([1.0, np.nan]), np.array([np.inf, 3.0]), np.array([1, 0]), 1)
    assert (effect.change, effect.flipped) == (2, 1)
    with pytest.raises(InfluenceError, match="All trainings of a removal diverged"):
        measured(np.array([1.0]), np.array([np.nan]))


def test_agreement_is_scipys_and_its_interval_is_over_targets() -> None:
    rng = np.random.default_rng(4)
    targets = np.repeat(np.arange(30), 4)
    common = np.repeat(rng.normal(size=30), 4)
    x, y = common + 0.1 * rng.normal(size=120), 2 * common + 0.1 * rng.normal(size=120)
    figures = agreement(x, y, targets, bootstrap=200)
    assert figures is not None
    assert figures["spearman"].mean == pytest.approx(spearmanr(x, y).statistic)
    assert figures["pearson"].mean == pytest.approx(pearsonr(x, y).statistic)
    assert figures["slope"].mean == pytest.approx(np.polyfit(x, y, 1)[0])
    noise = rng.normal(size=30)
    clustered = agreement(np.repeat(noise, 4), np.repeat(rng.normal(size=30), 4), targets, bootstrap=200)
    single = agreement(rng.normal(size=120), rng.normal(size=120), np.arange(120), bootstrap=200)
    assert clustered is not None
    assert single is not None
    widths = [figures["pearson"].high - figures["pearson"].low for figures in (clustered, single)]
    assert widths[0] > 1.4 * widths[1]  # 30 targets, not 120 removals: twice as wide


def test_nothing_to_compare() -> None:
    assert agreement(np.zeros(5), np.arange(5.0), np.arange(5)) is None
    assert agreement(np.arange(2.0), np.arange(2.0), np.arange(2)) is None


def test_counts_rise_from_one() -> None:
    assert counts(36) == (1, 2, 4, 9, 18, 36)
    assert counts(1) == (1,)
    with pytest.raises(InfluenceError, match="too few of a class"):
        counts(0)
