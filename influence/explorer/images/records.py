"""What the images page shows, worked out without Streamlit: frames and figures."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from influence.datasets import Dataset
from influence.errors import InfluenceError
from influence.evidence import Evaluated
from influence.explorer.images.filters import (
    ALL,
    HARD,
    INDEX,
    MISTAKES,
    NEAR_COPIES,
    ORDERS,
    PICTURED,
    QUALITIES,
    SORTS,
    Filters,
)
from influence.explorer.images.picks import Pick, Reach, Removal, Spread, removal_of, spread_of
from influence.explorer.images.sums import Sums
from influence.explorer.parts.pictures import Pictures
from influence.results import Result

_HARD = 0.75  # of the mean LDS
_CLASS_IS_ALL = 0.5  # share of the weights' variance between classes
_SHOWN = (  # columns of a download, as far as the result has them
    *("class", "named", "wrong", "loss", "margin", "margin_sd", "agreement", "correct", "lds", "error", "support"),
    *("nearest", "similarity", "between_classes"),
)


class Images:
    """A result on images, joined with the data set where its pixels are on this machine.

    Parameters
    ----------
    result : Result
    dataset : Dataset or None
        None where it is missing: then there are indices, classes and scores, and the pictures that ship.
    evaluated : Evaluated or None
        What is known of how far the result can be trusted, beside its manifest.
    near : pd.DataFrame or None
        Near-copies of test images among all training images, the most alike first: ``target``, ``train``,
        ``similarity``, ``mirrored``. None where nobody has looked for them.

    Attributes
    ----------
    classes : tuple of str
    test : pd.DataFrame
        One row a test image, indexed by its number: label, prediction (both class numbers), class, named (their
        names), wrong, margin, helped and hurt (its strongest score either way); nearest and similarity, where
        near-copies are known. Of datamodels also agreement, correct, margin_sd, lds, correlation, error, support,
        data_support, between_classes. Of a single training also loss, and lds where it was measured.
    train : pd.DataFrame
        One row a training image, indexed by its number: label, class. Of datamodels also own_class, other_classes; of
        a single training prediction, named, loss, margin; of TracIn also self_influence.
    sums : Sums
        Of scores over groups.

    Raises
    ------
    InfluenceError
        If the result was made from other data.
    """

    def __init__(
        self,
        result: Result[Any],
        dataset: Dataset | None,
        evaluated: Evaluated | None = None,
        near: pd.DataFrame | None = None,
    ) -> None:
        if dataset is not None and dataset.content_hash != result.manifest.dataset_hash:
            raise InfluenceError(
                f"The result {result.name} was made from another version of {dataset.name} than the one on this "
                "machine: compute it again."
            )
        self.result, self.sums = result, Sums(result)
        self.evaluated = evaluated or Evaluated()
        self.classes: tuple[str, ...] = result.manifest.classes
        self.test = self._described_test(near)
        names = np.array(self.classes)
        self.train = result.train.assign(**{"class": names[result.train["label"]]})
        if "prediction" in self.train:
            self.train["named"] = names[self.train["prediction"]]
        manifest = result.manifest
        self.picture = Pictures(dataset) if dataset else Pictures.shipped(manifest.dataset, manifest.dataset_hash)
        self.has_pixels = dataset is not None

    def _described_test(self, near: pd.DataFrame | None) -> pd.DataFrame:
        names, result = np.array(self.classes), self.result
        test = result.targets[result.targets.index >= 0].drop(
            columns=["nearest", "nearest_similarity"], errors="ignore"
        )
        test = test.assign(**{"class": names[test["label"]], "named": names[test["prediction"]]})
        test["wrong"] = test["label"] != test["prediction"]
        if "support" in test:
            test["data_support"] = test["support"].where(test["support"] >= 0, np.inf)
        if "lds" not in test and (measured := self.evaluated.lds):
            test["lds"] = measured.tables["targets"].set_index("target")["result"]
        strongest = result.influences[result.influences["rank"].isin((1, -1))]
        for name, rank in (("helped", 1), ("hurt", -1)):
            test[name] = strongest[strongest["rank"] == rank].set_index("target")["score"]
        if near is not None:
            first = near.drop_duplicates("target").set_index("target")
            test["nearest"], test["similarity"] = first["train"], first["similarity"]
        return test

    # --- the gallery ---

    @property
    def knows_near_copies(self) -> bool:
        """Whether anybody has looked for near-copies."""
        return "nearest" in self.test

    @property
    def knows_lds(self) -> bool:
        """Whether it was measured how well each test image is explained."""
        return "lds" in self.test

    @property
    def predicts_removal(self) -> bool:
        """Whether the result says what a test image's margin would be without some training images."""
        return "removal" in self.test

    @property
    def chips(self) -> tuple[str, ...]:
        """What the gallery can be narrowed down to at once."""
        return (
            ALL,
            MISTAKES,
            *((HARD,) if self.knows_lds else ()),
            *((NEAR_COPIES,) if self.knows_near_copies else ()),
            *((PICTURED,) if not self.has_pixels and self.picture else ()),
        )

    @property
    def first_chip(self) -> str:
        """The chip that the page opens with."""
        if PICTURED in self.chips:
            return PICTURED
        return MISTAKES if self.test["wrong"].any() else ALL

    @property
    def qualities(self) -> tuple[str, ...]:
        return tuple(QUALITIES) if self.knows_lds else (ALL,)

    @property
    def sorts(self) -> tuple[str, ...]:
        return tuple(sort for sort in SORTS if SORTS[sort][0] in ("", *self.test))

    def first_sort(self, chip: str) -> str:
        """The order that a chip begins with."""
        return next((sort for sort in ORDERS[chip] if sort in self.sorts), INDEX)

    def gallery(self, filters: Filters, sort: str = INDEX) -> list[int]:
        """The test images that pass, in order; what is not known comes last."""
        kept = self.test[self._passing(filters)].sort_index()
        column, rising = SORTS[sort]
        if column:
            kept = kept.sort_values(column, ascending=rising, kind="stable")
        return [int(target) for target in kept.index]

    def counts(self, filters: Filters) -> dict[str, dict[Any, int]]:
        """How many test images every option of a filter leaves, the other filters being as they are."""
        options: dict[str, Sequence[Any]] = {
            "show": self.chips,
            "label": (ALL, *self.classes),
            "prediction": (ALL, *self.classes),
            "quality": self.qualities,
        }
        return {
            name: {each: int(self._passing(replace(filters, **{name: each})).sum()) for each in options[name]}
            for name in options
        }

    def _passing(self, filters: Filters) -> np.ndarray:
        """(n,) bool, in the order of `test`."""
        test = self._columns
        keep: np.ndarray = np.ones(len(self.test), dtype=bool)
        if filters.quality != ALL:
            low, high = QUALITIES[filters.quality]
            keep &= (test["lds"] >= low) & (test["lds"] < high)
        for column, name in (("label", filters.label), ("prediction", filters.prediction)):
            if name != ALL:
                keep &= test[column] == self.classes.index(name)
        if filters.margin is not None:
            keep &= (test["margin"] >= filters.margin[0]) & (test["margin"] <= filters.margin[1])
        if filters.show == MISTAKES:
            keep &= test["wrong"]
        if filters.show == NEAR_COPIES:
            keep &= ~np.isnan(test["similarity"])
        if filters.show == HARD:
            keep &= test["lds"] < self.hard
        if filters.show == PICTURED:
            keep &= self._pictured
        return keep

    @cached_property
    def _columns(self) -> dict[str, np.ndarray]:
        names = ("label", "prediction", "wrong", "lds", "margin", "similarity")
        return {name: self.test[name].to_numpy() for name in names if name in self.test}

    @cached_property
    def _pictured(self) -> np.ndarray:
        return np.array([self.picture.has("test", int(target)) for target in self.test.index], dtype=bool)

    @cached_property
    def hard(self) -> float:
        """The LDS below which a test image counts as hard to explain."""
        return _HARD * self.mean_lds

    @cached_property
    def mean_lds(self) -> float:
        """The mean over all test images that have one; NaN where none was measured."""
        return float(self.test["lds"].mean()) if self.knows_lds else float("nan")

    @cached_property
    def margin_range(self) -> tuple[float, float]:
        """Where all margins lie, rounded outwards to halves."""
        low, high = self.test["margin"].min(), self.test["margin"].max()
        return float(np.floor(2 * low) / 2), float(np.ceil(2 * high) / 2)

    @cached_property
    def confusion(self) -> np.ndarray:
        """(classes, classes) int: how many test images of each class (row) get each prediction (column)."""
        found = np.zeros((len(self.classes),) * 2, int)
        np.add.at(found, (self._columns["label"], self._columns["prediction"]), 1)
        return found

    def shown(self, targets: list[int]) -> pd.DataFrame:
        """Test images as a table for download."""
        columns = [name for name in _SHOWN if name in self.test]
        return self.test.loc[targets, columns].rename(columns={"named": "prediction"}).reset_index()

    def default(self) -> int:
        """The test image shown first: the best explained of the mistakes, or of all; else the one of lowest margin."""
        chip = MISTAKES if self.test["wrong"].any() else ALL
        return self.gallery(Filters(chip), self.first_sort(MISTAKES))[0]

    def why_not(self, target: int) -> str | None:
        """Why a number is no test image, in one sentence; None if it is one."""
        if target in self.test.index:
            return None
        if target in self.train.index:
            return f"Image {target} is a training image: only test images are explained."
        return f"This result has no test image {target}."

    def why_not_train(self, train: int) -> str | None:
        """Why a number is no training image, in one sentence; None if it is one."""
        if train in self.train.index:
            return None
        if train in self.test.index:
            return f"Image {train} is a test image, not one that models were trained on."
        return f"This result has no training image {train}."

    # --- both ways ---

    @property
    def max_k(self) -> int:
        k: int = self.result.manifest.k
        return k

    def pick(self, target: int, k: int) -> Pick:
        """A test image with its k strongest training images either way."""
        row: pd.Series[Any] = self.test.loc[target]  # type: ignore[assignment]
        frame = _strongest(self.result.of(target), k)
        frame["class"] = self.train.loc[frame["train"], "class"].to_numpy()
        frame["same_class"] = frame["class"] == row["class"]
        frame = frame.drop(columns="target")[["rank", "score", "train", "class", "same_class"]]
        return Pick(target, row, *_sides(frame))

    def reach(self, train: int, k: int) -> Reach:
        """A training image with the k test images that it helps and hurts most."""
        row: pd.Series[Any] = self.train.loc[train]  # type: ignore[assignment]
        frame = _strongest(self.result.by(train), min(k, self.result.manifest.reverse_k))
        facts = self.test.loc[frame["target"]]
        for column, source in (("class", "class"), ("prediction", "named"), ("wrong", "wrong")):
            frame[column] = facts[source].to_numpy()
        frame["same_class"] = frame["class"] == row["class"]
        frame = frame.drop(columns="train")
        frame = frame[["rank", "score", "target", "class", "prediction", "wrong", "same_class"]]
        return Reach(train, row, *_sides(frame))

    def spread(self, target: int) -> Spread:
        """How all scores of a test image are spread, as far as that is known."""
        return spread_of(self.result.of(target), self.result.histogram(target), len(self.train))

    def between(self, target: int, low: float, high: float) -> pd.DataFrame:
        """The kept training images whose score lies in a range, most positive first; columns as in `Pick`."""
        pick = self.pick(target, self.max_k)
        both = pd.concat([pick.positive, pick.negative.iloc[::-1]], ignore_index=True)
        return both[both["score"].between(low, high)].reset_index(drop=True)

    def removal(self, target: int) -> Removal:
        """What is predicted for a test image when training images are taken away."""
        row: pd.Series[Any] = self.test.loc[target]  # type: ignore[assignment]
        return removal_of(row, np.array(self.result.manifest.removal_counts, dtype=np.int64), len(self.train))

    # --- what to say of a test image ---

    def near_copy(self, target: int) -> tuple[int, float, int | None] | None:
        """The most alike near-copy of a test image: its index, the correlation of their pixels, and its rank.

        The rank is None where it is not among those that are kept; the whole is None where there is no near-copy.
        """
        if not self.knows_near_copies or pd.isna(similarity := self.test["similarity"][target]):
            return None
        train, kept = int(self.test["nearest"][target]), self.result.of(target)
        rank = kept.loc[kept["train"] == train, "rank"]
        return train, float(similarity), None if rank.empty else int(rank.iloc[0])

    def share_of_class(self, target: int) -> float | None:
        """The share of the scores' variance that lies between classes, if it is most of it; else None."""
        if "between_classes" not in self.test:
            return None
        share = float(self.test["between_classes"][target])
        return share if share >= _CLASS_IS_ALL else None


def _strongest(ranked: pd.DataFrame, k: int) -> pd.DataFrame:
    return ranked[ranked["rank"].abs() <= k].sort_values("rank", key=abs, kind="stable")


def _sides(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The positive and the negative side, strongest first."""
    return tuple(frame[side].reset_index(drop=True) for side in (frame["rank"] > 0, frame["rank"] < 0))  # type: ignore[return-value]
