"""Removal: what a ranking says would happen without some training examples, against what does happen.

A removal is predicted by the sum of its members' scores (Ilyas et al. 2022, section 4.1): the output falls by that
much. It is measured by training again without them, several times, against trainings on everything.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from influence.errors import InfluenceError
from influence.measures.bootstrap import Figure, resampled

LEAST_SEEDS = 2


@dataclass(frozen=True)
class Effect:
    """A measured change.

    Parameters
    ----------
    change : float
        Mean output without the examples, less that with all of them.
    error : float
        Its standard error, over the trainings of both sides; NaN if there is one alone on either.
    flipped : float
        Share of the trainings without them that predict another class than ``prediction``; NaN without classes.
    """

    change: float
    error: float
    flipped: float


def counts(largest: int, steps: int = 6) -> tuple[int, ...]:
    """How many examples to remove: from 1 to ``largest``, in about equal ratios."""
    if largest < 1:
        raise InfluenceError(f"At most {largest} examples would be removed: there are too few of a class.")
    return tuple(np.unique(np.geomspace(1, largest, steps).round().astype(int)).tolist())


def predicted_change(scores: np.ndarray, removed: np.ndarray) -> float:
    """Predict the change of a target's output from its (n_train,) scores and the positions of what is removed."""
    return -float(scores[removed].sum(dtype=np.float64))


def predicted_support(scores: np.ndarray, intercept: float) -> int:
    """The fewest removals, highest scores first, after which the predicted margin is negative; -1 if it never is.

    Parameters
    ----------
    scores : (n_train,)
        A datamodel's weights: the margin is predicted as ``intercept`` plus the weights of what is left.
    intercept : float
    """
    falling = np.sort(scores.astype(np.float64))[::-1]
    left = intercept + falling.sum() - np.concatenate([[0.0], falling.cumsum()])
    below = np.flatnonzero(left < 0)
    return int(below[0]) if len(below) else -1


def measured(
    before: np.ndarray, after: np.ndarray, predictions: np.ndarray | None = None, prediction: int = -1
) -> Effect:
    """Compare one target's outputs with and without the removed examples.

    Parameters
    ----------
    before, after : (s,) and (r,)
        Outputs of trainings with and without the examples; those that are not finite are left out.
    predictions : (r,) int or None
        Classes that the models without them predict.
    prediction : int
        The class that those with them mostly predict.
    """
    kept = np.isfinite(after)
    first, second = before[np.isfinite(before)].astype(np.float64), after[kept].astype(np.float64)
    if min(len(first), len(second)) < 1:
        raise InfluenceError("All trainings of a removal diverged: lower the learner's learning rate.")
    both = min(len(first), len(second)) >= LEAST_SEEDS
    error = np.sqrt(sum(part.var(ddof=1) / len(part) for part in (first, second))) if both else np.nan
    flipped = np.nan if predictions is None else float((predictions[kept] != prediction).mean())
    return Effect(float(second.mean() - first.mean()), float(error), flipped)


def crossing(removed: Sequence[int], margins: np.ndarray) -> float:
    """Find where the margin first becomes negative, by linear interpolation between the removals that were tried.

    Parameters
    ----------
    removed : (c,) int
        Rising.
    margins : (c,)

    Returns
    -------
    float
        NaN if it never does.
    """
    below = np.flatnonzero(np.asarray(margins) < 0)
    if not len(below):
        return float("nan")
    at = int(below[0])
    if at == 0:
        return float(removed[0])
    high, low = margins[at - 1], margins[at]
    return float(removed[at - 1] + (removed[at] - removed[at - 1]) * high / (high - low))


def agreement(
    predicted: np.ndarray, observed: np.ndarray, targets: np.ndarray, bootstrap: int = 1000, seed: int = 0
) -> dict[str, Figure] | None:
    """Spearman's and Pearson's correlation of predicted and measured changes, and the slope of the second on the first.

    Parameters
    ----------
    predicted, observed, targets : (n,)
        A removal each, and the target that it was for: the intervals are over targets.

    Returns
    -------
    dict or None
        ``spearman``, ``pearson``, ``slope``; None where there are fewer than three removals or one side is constant.
    """
    if len(predicted) < 3 or np.ptp(predicted) == 0 or np.ptp(observed) == 0:
        return None

    from scipy.stats import rankdata  # a second that a command line which only lists settings need not wait

    def statistic(rows: np.ndarray) -> np.ndarray:
        x, y = predicted[rows].astype(np.float64), observed[rows].astype(np.float64)
        spearman, _ = _correlation(rankdata(x), rankdata(y))
        return np.array([spearman, *_correlation(x, y)])

    return dict(zip(("spearman", "pearson", "slope"), resampled(statistic, targets, bootstrap, seed=seed), strict=True))


def _correlation(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Pearson's, and the slope of y on x; NaN where either is constant."""
    x, y = x - x.mean(), y - y.mean()
    xx, yy, xy = x @ x, y @ y, x @ y
    if xx == 0 or yy == 0:
        return float("nan"), float("nan")
    return float(xy / np.sqrt(xx * yy)), float(xy / xx)
