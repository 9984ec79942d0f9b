"""Figures with percentile bootstrap intervals."""

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np


@dataclass(frozen=True)
class Figure:
    """A statistic and its interval."""

    mean: float
    low: float
    high: float
    level: float

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


def resampled(
    statistic: Callable[[np.ndarray], np.ndarray],
    units: np.ndarray,
    times: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> list[Figure]:
    """One figure for each number that a statistic gives, with intervals over units that are drawn with replacement.

    Parameters
    ----------
    statistic : callable
        (r,) positions of rows -> (f,) numbers.
    units : (n,) int
        What each row belongs to (its target, say): the rows of a unit are drawn together.
    times : int
        Resamples.
    level : float
    seed : int
    """
    order = np.argsort(units, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(units[order])) + 1)
    rng = np.random.default_rng(seed)
    draws = (rng.integers(len(members), size=len(members)) for _ in range(times))
    alone = len(members) == len(order)  # every row is a unit: the draw is the rows
    samples = np.stack(
        [statistic(order[draw] if alone else np.concatenate([members[unit] for unit in draw])) for draw in draws]
    )
    low, high = np.nanquantile(samples, [(1 - level) / 2, (1 + level) / 2], axis=0)
    whole = statistic(np.arange(len(units)))
    return [Figure(float(m), float(lo), float(hi), level) for m, lo, hi in zip(whole, low, high, strict=True)]


def of_means(values: np.ndarray, times: int = 1000, level: float = 0.95, seed: int = 0) -> list[Figure]:
    """The mean over rows of (n, f) values, NaNs left out, with intervals over rows."""

    mean = np.nanmean if np.isnan(values).any() else np.mean  # the same number, sooner

    def means(rows: np.ndarray) -> np.ndarray:
        result: np.ndarray = mean(values[rows], axis=0)
        return result

    return resampled(means, np.arange(len(values)), times, level, seed)
