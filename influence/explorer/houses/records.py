"""A TracIn result on houses, joined with the data set: what the houses page picks from."""

from functools import cached_property

import numpy as np
import pandas as pd

from influence import datasets
from influence.datasets import Dataset, Facts, Split
from influence.errors import InfluenceError
from influence.explorer.houses.features import Comparison
from influence.explorer.houses.picks import Pick, Reach, between_tails, kept_sums, nearest_km
from influence.explorer.parts.areas import Corner, inside
from influence.methods.tracin.kind import TracInOfValues
from influence.results import Result
from influence.results.kinds import SPREAD

DOLLARS = 100_000  # one unit of price, prediction and residual
N_EXTREMES = 100  # houses of the highest and of the lowest self-influence that are listed


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
    group : Group or None
        The houses that are also explained together.
    place : str
        Where they are.

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
        self.facts = datasets.facts(result.manifest.dataset)
        test, train = (dataset.test, dataset.train) if dataset else (None, None)
        self.test = _join(result.targets.drop(columns=list(SPREAD), errors="ignore"), test, self.facts)
        self.train = _join(result.train, train, self.facts)
        self.group = next(iter(result.groups.values()), None)
        places = {each.title: each.place for each in self.facts.groups}
        self.place = places.get(self.group.title, "") if self.group else ""

    @property
    def members(self) -> list[int]:
        """The numbers of the group's houses."""
        return list(self.group.targets) if self.group else []

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
        return self.members[0] if self.group else self.pickable[0]

    def why_not(self, house: int) -> str | None:
        """Why a number can't be picked, in one sentence; None if it can."""
        if house in self.test.index and house >= 0:
            if self.has_data or house in self.members:
                return None
            return f"the place and price of test house {house} are in the data set, which is not on this machine."
        if house in self.train.index:
            return f"house {house} is a training house, and only test houses are explained."
        last = max(self.test.index.max(), self.train.index.max())
        return f"there is no house {house}: they are numbered from 0 to {last}."

    def pick(self, target: int, k: int) -> Pick:
        """The k strongest training houses either way for a test house, or for a group's id."""
        if target in self.result.groups:
            group = self.result.groups[target]
            houses, title = self.test.loc[list(group.targets)], group.title
        else:
            houses, title = self.test.loc[[target]], f"house {target}"
        influences = self.result.of(target)
        percentiles = np.asarray(self.result.targets.loc[target, "score_percentiles"], dtype=float)
        return Pick(
            target,
            title,
            houses,
            *self._sides(influences.drop(columns="target"), houses, k),
            influences["score"].to_numpy(float),
            between_tails(influences, percentiles, len(self.train)),
            self.result.histogram(target),
        )

    def within(self, corners: list[Corner], k: int) -> Pick | None:
        """Likewise for the test houses of an area, by the sums of their kept scores; None where there are none."""
        houses = self.test.loc[inside(corners, self.test)]
        if houses.empty:
            return None
        sums = kept_sums(self.result.influences, houses.index.to_numpy())
        title = f"{len(houses)} houses that you drew around" if len(houses) > 1 else "the house that you drew around"
        return Pick(None, title, houses, *self._sides(sums, houses, k), np.zeros(0), np.zeros((2, 0)))

    def reach(self, train: int, k: int) -> Reach:
        """The k test houses either way that a training house influences most, of those that keep it."""
        house = self.train.loc[[train]]
        kept = self._by_train.loc[[train]] if train in self._by_train.index else self._by_train.iloc[:0]
        kept = kept.merge(self.test, left_on="target", right_index=True).dropna(subset=["latitude"])
        kept.insert(3, "km", nearest_km(kept, house))
        return Reach(train, house.iloc[0], kept.sort_values("score", ascending=False, kind="stable"), k)

    @cached_property
    def extremes(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The training houses with the highest and the lowest self-influence, each from its extreme inwards."""
        order = self.train.sort_values("self_influence", kind="stable")
        return order.iloc[: -N_EXTREMES - 1 : -1], order.iloc[:N_EXTREMES]

    @cached_property
    def comparison(self) -> Comparison | None:
        """Ranks of houses among all houses; None without the data set."""
        return Comparison(pd.concat([self.test, self.train])) if self.has_data else None

    @cached_property
    def _by_train(self) -> pd.DataFrame:
        """The kept scores of single houses, indexed and sorted by training house."""
        influences = self.result.influences
        return influences[influences["target"] >= 0].sort_values("train", kind="stable").set_index("train")

    def _sides(self, ranked: pd.DataFrame, houses: pd.DataFrame, k: int) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The k strongest of either sign, with what is known of each."""
        shown = ranked[ranked["rank"].abs() <= k].merge(self.train, left_on="train", right_index=True)
        shown.insert(3, "km", nearest_km(shown, houses))
        shown = shown.sort_values("rank", key=abs, kind="stable")
        positive, negative = ((shown["rank"] * sign > 0) & (shown["score"] * sign > 0) for sign in (1, -1))
        return shown[positive].reset_index(drop=True), shown[negative].reset_index(drop=True)


def _join(table: pd.DataFrame, split: Split | None, facts: Facts) -> pd.DataFrame:
    frame = table.copy()
    if split is not None:
        index = pd.Index(split.index, name=frame.index.name)
        features = pd.DataFrame(split.inputs, index=index, columns=list(facts.columns))
        places = dict(facts.roles)
        for role in ("latitude", "longitude"):
            frame[role] = features[places[role]].reindex(frame.index)
        frame["price"] = pd.Series(split.labels, index=features.index).reindex(frame.index)
        frame["prediction"] = frame["price"] + frame["residual"]
        frame = frame.join(features)
    money = ["price", "prediction", "residual"]
    frame[money] = (frame[money].astype(float) * DOLLARS).round()
    return frame
