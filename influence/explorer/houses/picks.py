"""What is picked: a house or a group with what helped and hurt it, or a training house and whom it helped and hurt."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from influence.explorer.houses.features import FEATURES
from influence.ranking import PERCENTILES


@dataclass(frozen=True)
class Pick:
    """One explained target and its strongest training houses.

    Attributes
    ----------
    target : int or None
        A house's number, or a group's negative id; None is an area that a reader drew.
    houses : pd.DataFrame
        The explained house or houses, as in `Houses.test`.
    proponents, opponents : pd.DataFrame
        Strongest first, of one sign (so there can be fewer than were asked for); columns rank, train, score, km (from
        the nearest explained house) and those of `Houses.train`. Of an area also ``of``, how many of its houses keep
        the training house among their strongest.
    tails : (2 k,) float
        Every score that the result keeps; of an area, none.
    body : (2, m) float
        Scores, rising, and the share of all training houses below each: the stored percentiles between the tails.
    histogram : (edges, counts) or None
        Of all training houses' scores, where the result has counted them.
    """

    target: int | None
    title: str
    houses: pd.DataFrame
    proponents: pd.DataFrame
    opponents: pd.DataFrame
    tails: np.ndarray
    body: np.ndarray
    histogram: tuple[np.ndarray, np.ndarray] | None = None

    @property
    def is_group(self) -> bool:
        return self.target is None or self.target < 0

    @property
    def is_whole(self) -> bool:
        """Whether the scores are whole, and not sums of what was kept."""
        return self.target is not None

    @cached_property
    def table(self) -> pd.DataFrame:
        """Both sides, most positive to most negative: what the two lists show, for download."""
        both = pd.concat([self.proponents, self.opponents.iloc[::-1]], ignore_index=True)[self.columns]
        both.insert(0, "target", self.title if self.is_group else str(self.target))
        return both

    @property
    def columns(self) -> list[str]:
        """The columns of the table: the features only where the data set is there."""
        counted = ["of"] if "of" in self.proponents else []
        features = [name for name in FEATURES if name in self.proponents]
        return ["rank", "score", *counted, "train", "price", "km", "prediction", *features]


@dataclass(frozen=True)
class Reach:
    """One training house and the test houses that keep it among their strongest.

    Attributes
    ----------
    train : int
    house : pd.Series
        As in `Houses.train`.
    everything : pd.DataFrame
        The most helped first, the most hurt last; columns target, score, rank (of the training house among those of the
        target), km and those of `Houses.test`.
    k : int
        How many of either side are shown.
    """

    train: int
    house: "pd.Series[float]"
    everything: pd.DataFrame
    k: int

    @cached_property
    def all_helped(self) -> pd.DataFrame:
        return self.everything[self.everything["score"] > 0].reset_index(drop=True)

    @cached_property
    def all_hurt(self) -> pd.DataFrame:
        return self.everything[self.everything["score"] < 0].iloc[::-1].reset_index(drop=True)

    @property
    def helped(self) -> pd.DataFrame:
        """The shown ones, strongest first."""
        return self.all_helped.head(self.k)

    @property
    def hurt(self) -> pd.DataFrame:
        """Likewise."""
        return self.all_hurt.head(self.k)

    @cached_property
    def table(self) -> pd.DataFrame:
        """Both sides, most positive to most negative, for download."""
        both = pd.concat([self.helped, self.hurt.iloc[::-1]], ignore_index=True)
        columns = ["target", "rank", "score", "price", "km", "prediction", *(f for f in FEATURES if f in both)]
        both = both[columns]
        both.insert(0, "train", self.train)
        return both


def kept_sums(influences: pd.DataFrame, targets: np.ndarray) -> pd.DataFrame:
    """Sums over some targets of the scores that are kept, strongest first.

    Returns
    -------
    pd.DataFrame
        Columns train, score, ``of`` (targets that keep the training example), and rank: from 1 for the most positive,
        from -1 for the most negative.
    """
    kept = influences[np.isin(influences["target"].to_numpy(), targets)]
    train, places = np.unique(kept["train"].to_numpy(), return_inverse=True)
    score = np.bincount(places, kept["score"].to_numpy(float), len(train))
    sums = pd.DataFrame({"train": train, "score": score, "of": np.bincount(places, minlength=len(train))})
    sums = sums.sort_values("score", ascending=False, kind="stable").reset_index(drop=True)
    positive, negative = int((score > 0).sum()), int((score < 0).sum())
    rank = np.zeros(len(sums), dtype=int)
    rank[:positive] = np.arange(1, positive + 1)
    rank[len(sums) - negative :] = -np.arange(negative, 0, -1)
    return sums.assign(rank=rank)


def between_tails(influences: pd.DataFrame, percentiles: np.ndarray, n_train: int) -> np.ndarray:
    """See `Pick.body`: from the weakest opponent that is kept to the weakest proponent."""
    scores, ranks = influences["score"].to_numpy(float), influences["rank"].to_numpy(int)
    k = int((ranks > 0).sum())
    if 2 * k >= n_train:  # the tails are all there is
        return np.zeros((2, 0))
    low, high = scores[ranks < 0].max(), scores[ranks > 0].min()
    share = PERCENTILES / 100
    inside = (share > k / n_train) & (share < 1 - k / n_train)
    knots = np.concatenate([[low], percentiles[inside], [high]])
    return np.stack([knots, np.concatenate([[k / n_train], share[inside], [1 - k / n_train]])])


def score_bins(pick: Pick, n_train: int, n_bins: int = 80) -> tuple[np.ndarray, np.ndarray]:
    """Edges and counts of all training houses' scores: the result's own histogram if it has one.

    Otherwise (n_bins + 1,) and (n_bins,): the tails, which every result keeps, are counted. Between them the scores are
    taken as evenly spread from one stored percentile to the next, so those counts are approximate.
    """
    if pick.histogram is not None:
        return pick.histogram
    edges = np.linspace(pick.tails.min(), pick.tails.max(), n_bins + 1)
    counts = np.histogram(pick.tails, bins=edges)[0].astype(float)
    if pick.body.size:
        counts += n_train * np.diff(np.interp(edges, pick.body[0], pick.body[1]))
    return edges, counts


def nearest_km(places: pd.DataFrame, houses: pd.DataFrame) -> np.ndarray:
    """(n,) great-circle distance in km from each place to the nearest of ``houses``."""
    latitude, longitude = (np.radians(places[[axis]].to_numpy(float)) for axis in ("latitude", "longitude"))
    other_latitude, other_longitude = (np.radians(houses[axis].to_numpy(float)) for axis in ("latitude", "longitude"))
    haversine = (
        np.sin((latitude - other_latitude) / 2) ** 2
        + np.cos(latitude) * np.cos(other_latitude) * np.sin((longitude - other_longitude) / 2) ** 2
    )
    return np.asarray(2 * 6371.0 * np.arcsin(np.sqrt(haversine)).min(axis=1))
