"""What the houses page shows, worked out without Streamlit: frames, captions, file names."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from influence.datasets import Dataset, Split
from influence.errors import InfluenceError
from influence.methods.tracin.kind import TracInOfValues
from influence.ranking import PERCENTILES
from influence.results import Result

DOLLARS = 100_000  # one unit of price, prediction and residual
N_EXTREMES = 100  # houses on each self-influence map

FEATURES = {
    "MedInc": "Median income ($10,000)",
    "HouseAge": "House age (years)",
    "AveRooms": "Rooms a household",
    "AveBedrms": "Bedrooms a household",
    "Population": "Population",
    "AveOccup": "People a household",
    "Latitude": "Latitude",
    "Longitude": "Longitude",
}


@dataclass(frozen=True)
class Pick:
    """One explained target and its strongest training houses.

    Attributes
    ----------
    target : int
        A house's number, or a group's negative id.
    houses : pd.DataFrame
        The explained house or houses, as in `Houses.test`.
    proponents, opponents : pd.DataFrame
        Strongest first, of one sign (so there can be fewer than were asked for); columns rank, train, score, km (from
        the nearest explained house) and those of `Houses.train`.
    tails : (2 k,) float
        Every score that the result keeps.
    body : (2, m) float
        Scores, rising, and the share of all training houses below each: the stored percentiles between the tails.
    """

    target: int
    title: str
    houses: pd.DataFrame
    proponents: pd.DataFrame
    opponents: pd.DataFrame
    tails: np.ndarray
    body: np.ndarray

    @property
    def is_group(self) -> bool:
        return self.target < 0

    @cached_property
    def table(self) -> pd.DataFrame:
        """Both sides, most positive to most negative: what the two tables show, for download."""
        both = pd.concat([self.proponents, self.opponents.iloc[::-1]], ignore_index=True)[self.columns]
        both.insert(0, "target", self.title if self.is_group else str(self.target))
        return both

    @property
    def columns(self) -> list[str]:
        """The columns that tables show: the features only where the data set is there."""
        return ["rank", "score", "train", "price", "km", "prediction", *(f for f in FEATURES if f in self.proponents)]


class Houses:
    """A TracIn result on California housing, joined with the data set where that is on this machine.

    Parameters
    ----------
    result : Result
    dataset : Dataset or None
        None where it is missing: then only the houses that the result names have a place, price and prediction.

    Attributes
    ----------
    test, train : pd.DataFrame
        One row a house, indexed by its number: latitude, longitude, price, prediction, residual (all dollars), the
        features where the data set is there; ``train`` also self_influence.

    Raises
    ------
    InfluenceError
        If the result was made from other data.
    """

    def __init__(self, result: Result[TracInOfValues], dataset: Dataset | None) -> None:
        if dataset is not None and dataset.content_hash != result.manifest.dataset_hash:
            raise InfluenceError(
                f"The result {result.name} was made from another version of {dataset.name} than the one on this "
                "machine: compute it again."
            )
        self.result = result
        self.has_data = dataset is not None
        self.test = _join(result.targets.drop(columns="score_percentiles"), dataset.test if dataset else None)
        self.train = _join(result.train, dataset.train if dataset else None)
        (self.group_id,) = result.groups
        self.palo_alto = list(result.groups[self.group_id].targets)

    @property
    def max_k(self) -> int:
        """How many proponents can be shown: all that the result keeps, or those whose place it names."""
        k = self.result.manifest.k
        return k if self.has_data else min(k, self.result.manifest.named_top_k)

    @property
    def pickable(self) -> list[int]:
        """The test houses that can be picked: all, or without the data set those with a place."""
        return [int(house) for house in self.test.index[self.test["latitude"].notna()]]

    def default(self) -> int:
        """The house shown first."""
        return self.palo_alto[0]

    def why_not(self, house: int) -> str | None:
        """Why a number can't be picked, in one sentence; None if it can."""
        if house in self.test.index and house >= 0:
            if self.has_data or house in self.palo_alto:
                return None
            return f"The place and price of test house {house} are in the data set, which is not on this machine."
        if house in self.train.index:
            return f"House {house} is a training house: only test houses are explained."
        return f"There is no house {house}: they are numbered from 0 to 20639."

    def pick(self, target: int, k: int) -> Pick:
        """The k strongest training houses either way for a test house, or for a group's id."""
        if target in self.result.groups:
            group = self.result.groups[target]
            houses, title = self.test.loc[list(group.targets)], group.title
        else:
            houses, title = self.test.loc[[target]], f"house {target}"
        influences = self.result.of(target)
        shown = influences[influences["rank"].abs() <= k].drop(columns="target")
        shown = shown.merge(self.train, left_on="train", right_index=True)
        shown.insert(3, "km", nearest_km(shown, houses))
        shown = shown.sort_values("rank", key=abs, kind="stable")
        return Pick(
            target,
            title,
            houses,
            shown[(shown["rank"] > 0) & (shown["score"] > 0)].reset_index(drop=True),
            shown[(shown["rank"] < 0) & (shown["score"] < 0)].reset_index(drop=True),
            influences["score"].to_numpy(float),
            self._body(target, influences),
        )

    def _body(self, target: int, influences: pd.DataFrame) -> np.ndarray:
        """See `Pick`: from the weakest opponent that is kept to the weakest proponent."""
        scores, ranks = influences["score"].to_numpy(float), influences["rank"].to_numpy(int)
        percentiles = np.asarray(self.result.targets.loc[target, "score_percentiles"], dtype=float)
        k, n = (ranks > 0).sum(), len(self.train)
        if 2 * k >= n:  # the tails are all there is
            return np.zeros((2, 0))
        low, high = scores[ranks < 0].max(), scores[ranks > 0].min()
        share = PERCENTILES / 100
        inside = (share > k / n) & (share < 1 - k / n)
        knots = np.concatenate([[low], percentiles[inside], [high]])
        return np.stack([knots, np.concatenate([[k / n], share[inside], [1 - k / n]])])

    @cached_property
    def extremes(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The training houses with the highest and the lowest self-influence, each from its extreme inwards."""
        order = self.train.sort_values("self_influence", kind="stable")
        return order.iloc[: -N_EXTREMES - 1 : -1], order.iloc[:N_EXTREMES]


def provenance(result: Result[TracInOfValues]) -> str:
    """One line: from what, by what and when."""
    manifest = result.manifest
    config, epochs = manifest.config, manifest.checkpoint_epochs
    explained = manifest.quality.explained_variance.test
    return (
        f"{manifest.dataset} · {manifest.learner} · "
        f"{len(epochs)} checkpoints (epochs {epochs[0]} to {epochs[-1]}) · "
        f"seed {config.seed} · explained variance on test houses {explained:.2f} · "
        f"made {manifest.created[:10]} in {manifest.seconds:.0f} s · result “{result.name}”"
    )


def score_bins(pick: Pick, n_train: int, n_bins: int = 80) -> tuple[np.ndarray, np.ndarray]:
    """(n_bins + 1,) edges and (n_bins,) counts of all training houses' scores.

    The tails, which the result keeps, are counted. Between them the scores are taken as evenly spread from one stored
    percentile to the next, so those counts are approximate.
    """
    edges = np.linspace(pick.tails.min(), pick.tails.max(), n_bins + 1)
    counts = np.histogram(pick.tails, bins=edges)[0].astype(float)
    if pick.body.size:
        counts += n_train * np.diff(np.interp(edges, pick.body[0], pick.body[1]))
    return edges, counts


def _join(table: pd.DataFrame, split: Split | None) -> pd.DataFrame:
    frame = table.copy()
    if split is not None:
        features = pd.DataFrame(
            split.inputs, index=pd.Index(split.index, name=frame.index.name), columns=list(FEATURES)
        )
        frame[["latitude", "longitude"]] = features[["Latitude", "Longitude"]].reindex(frame.index)
        frame["price"] = pd.Series(split.labels, index=features.index).reindex(frame.index)
        frame["prediction"] = frame["price"] + frame["residual"]
        frame = frame.join(features)
    money = ["price", "prediction", "residual"]
    frame[money] = (frame[money].astype(float) * DOLLARS).round()
    return frame


def nearest_km(train: pd.DataFrame, houses: pd.DataFrame) -> np.ndarray:
    """(n,) great-circle distance in km from each training house to the nearest of ``houses``."""
    latitude, longitude = (np.radians(train[[axis]].to_numpy(float)) for axis in ("latitude", "longitude"))
    other_latitude, other_longitude = (np.radians(houses[axis].to_numpy(float)) for axis in ("latitude", "longitude"))
    haversine = (
        np.sin((latitude - other_latitude) / 2) ** 2
        + np.cos(latitude) * np.cos(other_latitude) * np.sin((longitude - other_longitude) / 2) ** 2
    )
    return np.asarray(2 * 6371.0 * np.arcsin(np.sqrt(haversine)).min(axis=1))
