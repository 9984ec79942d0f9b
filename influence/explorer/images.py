"""What the images page shows, worked out without Streamlit: frames, sentences, pictures."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from influence import datasets
from influence.datasets import Dataset
from influence.errors import InfluenceError
from influence.evidence import Evaluated
from influence.explorer.image_records import ALL, Filters, Pick, Removal, Walk
from influence.explorer.image_words import WORDS
from influence.explorer.parts.pictures import Pictures
from influence.ranking import PERCENTILES
from influence.results import Result

QUALITIES = {
    ALL: (-np.inf, np.inf),
    "0.7 and more": (0.7, np.inf),
    "0.5 to 0.7": (0.5, 0.7),
    "0.3 to 0.5": (0.3, 0.5),
    "below 0.3": (-np.inf, 0.3),
}
NEAR_COPIES, HARD = "near-copies", "hard to explain"
VIEWS = {ALL: ("", True), NEAR_COPIES: ("nearest_similarity", False), HARD: ("lds", True)}  # and the order of each
# Correlation of pixels from which two pictures are near-copies: most pairs above it are, by eye. All digits look alike.
_HARD = 0.75  # of the mean LDS
_CLASS_IS_ALL = 0.5  # share of the weights' variance between classes
SORTS = {
    "index": ("", True),
    "lowest margin first": ("margin", True),
    "highest margin first": ("margin", False),
    "best explained first": ("lds", False),
    "worst explained first": ("lds", True),
    "highest loss first": ("loss", False),
    "most disputed first": ("agreement", True),
    "smallest data support first": ("data_support", True),
    "most like a training image first": ("nearest_similarity", False),
    "class explains most first": ("between_classes", False),
}
_SHOWN = (  # columns of a download, as far as the result has them
    *("class", "named", "wrong", "loss", "margin", "margin_sd", "agreement", "correct", "lds", "error", "support"),
    *("nearest", "nearest_similarity", "between_classes"),
)


class Images:
    """A result of either method, joined with the data set where its pixels are on this machine.

    Parameters
    ----------
    result : Result
    dataset : Dataset or None
        None where it is missing: then there are indices, classes and scores, and the pictures that ship.
    evaluated : Evaluated or None
        What is known of how far the result can be trusted, beside its manifest.

    Attributes
    ----------
    words : Words
        What the page says of the method's scores.
    classes : tuple of str
    test : pd.DataFrame
        One row a test image, indexed by its number: label, prediction (both class numbers), class, named (their
        names), wrong, margin. Of datamodels also agreement, correct, margin_sd, lds, correlation, error, support,
        data_support, and in newer results nearest, nearest_similarity, between_classes. Of TracIn also loss, and lds
        where it was measured.
    train : pd.DataFrame
        One row a training image, indexed by its number: label, class. Of datamodels also own_class, other_classes; of
        TracIn prediction, named, loss, margin, self_influence.

    Raises
    ------
    InfluenceError
        If the result was made from other data.
    """

    def __init__(self, result: Result[Any], dataset: Dataset | None, evaluated: Evaluated | None = None) -> None:
        if dataset is not None and dataset.content_hash != result.manifest.dataset_hash:
            raise InfluenceError(
                f"The result {result.name} was made from another version of {dataset.name} than the one on this "
                "machine: compute it again."
            )
        self.result = result
        self.words = WORDS[result.manifest.method]
        self.evaluated = evaluated or Evaluated()
        self.classes: tuple[str, ...] = result.manifest.classes
        names = np.array(self.classes)
        self.test = result.targets.assign(**{"class": names[result.targets["label"]]})
        self.test["named"] = names[self.test["prediction"]]
        self.test["wrong"] = self.test["label"] != self.test["prediction"]
        if "support" in self.test:
            self.test["data_support"] = self.test["support"].where(self.test["support"] >= 0, np.inf)
        if "lds" not in self.test and (measured := self.evaluated.lds):
            self.test["lds"] = measured.tables["targets"].set_index("target")["result"]
        self.train = result.train.assign(**{"class": names[result.train["label"]]})
        if "prediction" in self.train:
            self.train["named"] = names[self.train["prediction"]]
        manifest = result.manifest
        self.picture = Pictures(dataset) if dataset else Pictures.shipped(manifest.dataset, manifest.dataset_hash)

    # --- the gallery ---

    @property
    def knows_nearest(self) -> bool:
        """Whether the result tells near-copies, and what class explains; older ones don't."""
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
    def alike(self) -> float:
        """The correlation of pixels from which two pictures count as near-copies."""
        return datasets.facts(self.result.manifest.dataset).near_copy

    @property
    def views(self) -> tuple[str, ...]:
        known = {NEAR_COPIES: self.knows_nearest, HARD: self.knows_lds}
        return tuple(view for view in VIEWS if known.get(view, True))

    @property
    def qualities(self) -> tuple[str, ...]:
        return tuple(QUALITIES) if self.knows_lds else (ALL,)

    @property
    def sorts(self) -> tuple[str, ...]:
        return tuple(sort for sort in SORTS if SORTS[sort][0] in ("", *self.test))

    def gallery(self, filters: Filters, sort: str = "index") -> list[int]:
        """The test images that pass, in order; sorted by index, a view has its own order."""
        kept = self.test[self._passing(filters)].sort_index()
        column, rising = SORTS[sort]
        if sort == "index":
            column, rising = VIEWS[filters.view]
        if column:
            kept = kept.sort_values(column, ascending=rising, kind="stable")
        return [int(target) for target in kept.index]

    def counts(self, filters: Filters) -> dict[str, dict[Any, int]]:
        """How many test images every option of a filter leaves, the other filters being as they are."""
        options: dict[str, Sequence[Any]] = {
            "label": (ALL, *self.classes),
            "prediction": (ALL, *self.classes),
            "mistakes": (False, True),
            "quality": self.qualities,
            "view": self.views,
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
        if filters.mistakes:
            keep &= test["wrong"]
        if filters.margin is not None:
            keep &= (test["margin"] >= filters.margin[0]) & (test["margin"] <= filters.margin[1])
        if filters.view == NEAR_COPIES:
            keep &= test["nearest_similarity"] >= self.alike
        if filters.view == HARD:
            keep &= test["lds"] < self.hard
        return keep

    @cached_property
    def _columns(self) -> dict[str, np.ndarray]:
        names = ("label", "prediction", "wrong", "lds", "margin", "nearest_similarity")
        return {name: self.test[name].to_numpy() for name in names if name in self.test}

    @cached_property
    def hard(self) -> float:
        """The LDS below which a test image counts as hard to explain."""
        measured = self.evaluated.lds
        own = self.words.lds_of_fit(self.result.manifest)
        mean = own.mean if own else measured.methods["result"].mean if measured else 0.0
        return _HARD * mean

    @cached_property
    def margin_range(self) -> tuple[float, float]:
        """Where all margins lie, rounded outwards to halves."""
        low, high = self.test["margin"].min(), self.test["margin"].max()
        return float(np.floor(2 * low) / 2), float(np.ceil(2 * high) / 2)

    @cached_property
    def by_class(self) -> pd.DataFrame:
        """How many test images every class has, are named so, and are wrong; and their mean LDS, where it is known."""
        grouped = self.test.groupby("class")
        frame = pd.DataFrame(
            {
                "images": grouped.size(),
                "named so": self.test.groupby("named").size(),
                "wrong": grouped["wrong"].sum(),
            }
        )
        if self.knows_lds:
            frame["LDS"] = grouped["lds"].mean()
        return frame.reindex([name for name in self.classes if name in frame.index])

    def shown(self, targets: list[int]) -> pd.DataFrame:
        """Test images as a table for download."""
        columns = [name for name in _SHOWN if name in self.test]
        return self.test.loc[targets, columns].rename(columns={"named": "prediction"}).reset_index()

    def default(self) -> int:
        """The test image shown first: the best explained of the mistakes, or of all; else the one of lowest margin."""
        wrong = self.test[self.test["wrong"]]
        test = self.test if wrong.empty else wrong
        place = test["lds"].argmax() if self.knows_lds else test["margin"].argmin()
        return int(test.index[int(place)])

    def near_copy(self, target: int) -> tuple[int, float] | None:
        """The training image that is almost the same picture, and the correlation of their pixels; None without one."""
        if not self.knows_nearest:
            return None
        row: pd.Series[Any] = self.test.loc[target]  # type: ignore[assignment]
        similarity = float(row["nearest_similarity"])
        return (int(row["nearest"]), similarity) if similarity >= self.alike else None

    def note_on_class(self, target: int) -> str | None:
        """What to say of a test image's weights if class is most of what they know; None if it is not."""
        if not self.knows_nearest or (share := float(self.test.loc[target, "between_classes"])) < _CLASS_IS_ALL:  # type: ignore[arg-type]
            return None
        return (
            f"{share:.0%} of the variance of its weights lies between classes: they tell little more than which class "
            "a training image has."
        )

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

    def walk(self, train: int, k: int) -> Walk:
        """A training image with the k test images that it helps and hurts most."""
        row: pd.Series[Any] = self.train.loc[train]  # type: ignore[assignment]
        frame = _strongest(self.result.by(train), min(k, self.result.manifest.reverse_k))
        facts = self.test.loc[frame["target"]]
        for column, source in (("class", "class"), ("prediction", "named"), ("wrong", "wrong")):
            frame[column] = facts[source].to_numpy()
        frame["same_class"] = frame["class"] == row["class"]
        frame = frame.drop(columns="train")
        frame = frame[["rank", "score", "target", "class", "prediction", "wrong", "same_class"]]
        return Walk(train, row, *_sides(frame))

    def quantiles(self, target: int) -> np.ndarray:
        """(2, m) float: weights, rising, and the share of all training images below each.

        The stored percentiles, and in both tails every weight that the result keeps.
        """
        influences = self.result.of(target)
        percentiles = np.asarray(self.test.loc[target, "score_percentiles"], dtype=float)
        last = len(self.train) - 1
        rank = influences["rank"].to_numpy(int)
        kept = np.stack([influences["score"].to_numpy(float), np.where(rank < 0, -rank - 1, last - (rank - 1)) / last])
        body = np.stack([percentiles, PERCENTILES / 100])
        body = body[:, (body[1] > kept[1][rank < 0].max()) & (body[1] < kept[1][rank > 0].min())]
        both = np.concatenate([kept, body], axis=1)
        ordered: np.ndarray = both[:, np.lexsort(both[::-1])]
        return ordered

    def bins(self, target: int, n_bins: int = 60) -> pd.DataFrame:
        """How the weights of all training images are spread: left, right, images (about), and how many are kept."""
        scores, below = self.quantiles(target)
        edges = np.linspace(scores[0], scores[-1], n_bins + 1)
        share = np.diff(np.interp(edges, scores, below))
        kept, _ = np.histogram(self.result.of(target)["score"], bins=edges)
        return pd.DataFrame(
            {"left": edges[:-1], "right": edges[1:], "images": np.maximum(share * len(self.train), kept), "kept": kept}
        )

    def between(self, target: int, low: float, high: float) -> pd.DataFrame:
        """The kept training images whose weight lies in a range, most positive first; columns as in `Pick`."""
        pick = self.pick(target, self.max_k)
        both = pd.concat([pick.positive, pick.negative.iloc[::-1]], ignore_index=True)
        return both[both["score"].between(low, high)].reset_index(drop=True)

    def removal(self, target: int) -> Removal:
        """What the datamodel predicts for a test image when training images are taken away."""
        row: pd.Series[Any] = self.test.loc[target]  # type: ignore[assignment]
        counts = np.array(self.result.manifest.removal_counts, dtype=np.int64)
        n = len(self.train)
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

    # --- how far to trust it ---

    @property
    def provenance(self) -> str:
        return self.words.provenance(self.result)

    @property
    def trust(self) -> str:
        return self.words.trust(self.result, self.evaluated.lds)


def _strongest(ranked: pd.DataFrame, k: int) -> pd.DataFrame:
    return ranked[ranked["rank"].abs() <= k].sort_values("rank", key=abs, kind="stable")


def _sides(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The positive and the negative side, strongest first."""
    return tuple(frame[side].reset_index(drop=True) for side in (frame["rank"] > 0, frame["rank"] < 0))  # type: ignore[return-value]
