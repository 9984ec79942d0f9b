"""What the images page asks for and gets: filters, an explained test image, a training image's reach, a removal."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

ALL = "all"


@dataclass(frozen=True)
class Filters:
    """What the gallery is narrowed down to.

    Parameters
    ----------
    label, prediction : str
        A class's name, or "all".
    mistakes : bool
        Only images whose majority vote is wrong.
    quality : str
        One of `QUALITIES`, of the image's own LDS.
    margin : (float, float) or None
    view : str
        One of `VIEWS`: near-copies of a training image, or images whose LDS is below three quarters of the mean.
    """

    label: str = ALL
    prediction: str = ALL
    mistakes: bool = False
    quality: str = ALL
    margin: tuple[float, float] | None = None
    view: str = ALL


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
    row: pd.Series
    positive: pd.DataFrame
    negative: pd.DataFrame

    @property
    def table(self) -> pd.DataFrame:
        """Both sides, most positive to most negative, for download."""
        both = pd.concat([self.positive, self.negative.iloc[::-1]], ignore_index=True)
        both.insert(0, "target", self.target)
        return both


@dataclass(frozen=True)
class Walk:
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
    row: pd.Series
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
    """What the datamodel predicts when training images are taken away.

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
        place = int(np.searchsorted(self.counts, count))
        return float(self.without[place]), float(self.at_random[place]), float(self.spread[place])
