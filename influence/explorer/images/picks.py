"""What the images page shows of one image: a test image, a training image, and predicted removals."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Pick:
    """One explained test image.

    Attributes
    ----------
    target : int
    row : pd.Series
        Its row of `Images.test`.
    positive, negative : pd.DataFrame
        The training images, strongest first; columns rank, score, train, class, same_class.
    """

    target: int
    row: "pd.Series[Any]"
    positive: pd.DataFrame
    negative: pd.DataFrame

    @property
    def table(self) -> pd.DataFrame:
        """Both sides, most positive to most negative, for download."""
        both = pd.concat([self.positive, self.negative.iloc[::-1]], ignore_index=True)
        both.insert(0, "target", self.target)
        return both


@dataclass(frozen=True)
class Reach:
    """One training image, and the test images that it helps and hurts most.

    Attributes
    ----------
    train : int
    row : pd.Series
        Its row of `Images.train`.
    helped, hurt : pd.DataFrame
        Strongest first; columns rank, score, target, class, prediction, wrong, same_class.
    """

    train: int
    row: "pd.Series[Any]"
    helped: pd.DataFrame
    hurt: pd.DataFrame

    @property
    def table(self) -> pd.DataFrame:
        """Both sides, most helped to most hurt, for download."""
        both = pd.concat([self.helped, self.hurt.iloc[::-1]], ignore_index=True)
        both.insert(0, "train", self.train)
        return both


@dataclass(frozen=True)
class Removal:
    """What the scores predict when training images are taken away.

    Attributes
    ----------
    counts : (c,) int
    without : (c,) float
        The margin without so many of the most positive images.
    at_random, spread : (c,) float
        The margin without so many images chosen at random, on average, and its standard deviation over the choice.
    support : int or None
        How many of the most positive make it negative; None if all positive ones together don't.
    """

    counts: np.ndarray
    without: np.ndarray
    at_random: np.ndarray
    spread: np.ndarray
    support: int | None

    def at(self, count: int) -> tuple[float, float, float]:
        """Margin without the most positive, at random, and the latter's spread, for one of `counts`."""
        position = int(np.searchsorted(self.counts, count))
        return float(self.without[position]), float(self.at_random[position]), float(self.spread[position])


@dataclass(frozen=True)
class Spread:
    """How all scores of one test image are spread, as far as the result knows.

    Attributes
    ----------
    bars : pd.DataFrame
        ``left``, ``right``, ``images``: how many training images have a score between them, and ``kept``: how many of
        these are kept, and can be shown.
    is_whole : bool
        Whether every training image is counted in a bar. If not, those that are not kept are all between the two inner
        ``edges``.
    edges : (float, float)
        The lowest and the highest score of those that are not kept.
    between : int
        How many are not kept.
    """

    bars: pd.DataFrame
    is_whole: bool
    edges: tuple[float, float]
    between: int


def removal_of(row: "pd.Series[Any]", counts: np.ndarray, n: int) -> Removal:
    """What is predicted for a test image, from its row of `Images.test`, ``counts`` and the ``n`` training images."""
    variance = counts * (n - counts) / max(n - 1, 1) * float(row["weight_sd"]) ** 2
    everything = float(row["intercept"]) + float(row["weight_sum"])
    support = int(row["support"])
    return Removal(
        counts,
        np.asarray(row["removal"], dtype=float),
        everything - counts * (float(row["weight_sum"]) / n),
        np.sqrt(variance),
        support if support >= 0 else None,
    )


def spread_of(kept: pd.DataFrame, histogram: tuple[np.ndarray, np.ndarray] | None, n: int, n_bins: int = 60) -> Spread:
    """Count the scores of a test image in bars of one width.

    Parameters
    ----------
    kept : pd.DataFrame
        Its kept scores, as `Result.of` gives them.
    histogram : (edges, counts) or None
        Of all scores, as `Result.histogram` gives it; None where the result has none.
    n : int
        How many training images there are.
    n_bins : int
        How many bars there are without a histogram.
    """
    scores, rank = kept["score"].to_numpy(float), kept["rank"].to_numpy(int)
    edges, counts = histogram or (np.linspace(scores.min(), scores.max(), n_bins + 1), None)
    shown, _ = np.histogram(scores, bins=edges)
    bars = pd.DataFrame({"left": edges[:-1], "right": edges[1:], "images": shown if counts is None else counts})
    bars["kept"] = shown
    inner = float(scores[rank < 0].max()), float(scores[rank > 0].min())
    return Spread(bars, histogram is not None, inner, n - len(scores))
