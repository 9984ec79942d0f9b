"""What the outliers page shows, worked out without Streamlit: training examples by every ranking that is known."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from influence.errors import InfluenceError
from influence.explorer.houses.records import Houses
from influence.explorer.outliers.rankings import RANKINGS
from influence.explorer.parts.pictures import Pictures
from influence.results import Result

ALL, AGREE, DISAGREE, ON_LIST = "all", "says the label", "says another", "on the fix list"
ORDERS = ("highest first", "lowest first", "by index")


@dataclass(frozen=True)
class Filters:
    """What the training examples are narrowed down to.

    Parameters
    ----------
    label : str
        A class’s name, or "all".
    agreement : str
        "all", whether the model’s prediction is the label, or "on the fix list".
    indices : str
        Numbers and ranges, such as "12, 100-200"; empty is all.
    """

    label: str = ALL
    agreement: str = ALL
    indices: str = ""


@dataclass(frozen=True)
class Known:
    """What other results and evidence on the same data say of the training examples.

    Parameters
    ----------
    judged : pd.DataFrame or None
        Of evidence about flipped labels, the data set as it is, indexed by training example: a column a ranking, as
        `influence.evidence.RANKINGS` calls them.
    judged_by : str
        Whose evidence it is.
    predictions : pd.Series or None
        Indexed by training example: the class that a model says.
    predicted_by : str
        Whose model it is.
    copies : pd.DataFrame or None
        Indexed by training example: the ``target`` that it is a near-copy of, their ``likeness``, and whether it is
        ``mirrored``. None where nobody has looked.
    copied_by : str
        Who has looked, as a clause.
    """

    judged: pd.DataFrame | None = None
    judged_by: str = ""
    predictions: "pd.Series[int] | None" = None
    predicted_by: str = ""
    copies: pd.DataFrame | None = None
    copied_by: str = ""


class Outliers:
    """The training examples of a result, ranked in every way that is known.

    Parameters
    ----------
    result : Result
    known : Known
    houses : Houses or None
        Of a result on houses.

    Attributes
    ----------
    table : pd.DataFrame
        Indexed by training example: label and suggested (words or dollars; none suggested is ""), agrees (bool), and a
        column a ranking.
    rankings : dict of str to str
        Those that are known, and where each comes from.
    """

    def __init__(self, result: Result[Any], known: Known | None = None, houses: Houses | None = None) -> None:
        self.result, self.houses, self.known = result, houses, known or Known()
        self.classes: tuple[str, ...] = result.manifest.classes
        train = result.train if houses is None else houses.train
        values, sources = self._own(train)
        for name, (value, source) in self._of_others(train.index).items():
            if name not in values:
                values[name], sources[name] = value, source
        self.rankings = {name: sources[name] for name in RANKINGS if name in values}
        self.table = pd.DataFrame(
            self._labels(train) | {name: values[name] for name in self.rankings}, index=train.index
        )

    def _own(self, train: pd.DataFrame) -> tuple[dict[str, "pd.Series[float]"], dict[str, str]]:
        """The rankings that the result itself holds, and their source."""
        known: dict[str, pd.Series[float]] = {}
        if "self_influence" in train:
            known["self-influence"] = train["self_influence"].astype(float)
        if "loss" in train:
            known["loss"] = train["loss"].astype(float)
        if "own_class" in train:
            known["against its class"] = -train["own_class"].astype(float)
        if "residual" in train:
            known["error"] = train["residual"].abs().astype(float)
        if len(kept := self._kept()):
            known["harm"] = -kept.groupby("train")["score"].sum().astype(float).reindex(train.index)
        return known, dict.fromkeys(known, "this result")

    def _kept(self) -> pd.DataFrame:
        """The kept scores of single targets."""
        influences = self.result.influences
        return influences[influences["target"] >= 0]

    def _of_others(self, index: pd.Index) -> dict[str, tuple["pd.Series[float]", str]]:
        found: dict[str, tuple[pd.Series[float], str]] = {}
        if self.known.judged is not None:
            source = f"the mislabels evidence of {self.known.judged_by}"
            for ranking in (each for each in RANKINGS.values() if each.evidence):
                values = self.known.judged[ranking.evidence].reindex(index)
                if values.notna().any():
                    found[ranking.name] = values.astype(float), source
        if self.known.copies is not None:
            found["likeness"] = self.known.copies["likeness"].reindex(index).astype(float), self.known.copied_by
        return found

    def _labels(self, train: pd.DataFrame) -> dict[str, Any]:
        if self.houses is not None:
            return {"label": train["price"], "suggested": "", "agrees": True}
        names = np.array(self.classes)
        label = names[train["label"]]
        said = self._predicted(train)
        if said is None:
            return {"label": label, "suggested": "", "agrees": True}
        named = names[said]
        return {"label": label, "suggested": np.where(named == label, "", named), "agrees": named == label}

    def _predicted(self, train: pd.DataFrame) -> np.ndarray | None:
        """(n,) classes that a model says: the result's own, or another's on the same data."""
        if "prediction" in train:
            return train["prediction"].to_numpy(int)
        others = None if self.known.predictions is None else self.known.predictions.reindex(train.index)
        return None if others is None or others.isna().any() else others.to_numpy(int)

    @cached_property
    def says(self) -> str:
        """Whose model says what the training examples are; empty where none does, or they have no classes."""
        if self.houses is not None or self._predicted(self.result.train) is None:
            return ""
        return "this result" if "prediction" in self.result.train else self.known.predicted_by

    def listed(self, filters: Filters, ranking: str, order: str = ORDERS[0], fixed: Sequence[int] = ()) -> list[int]:
        """The training examples that pass, in order; those without a score are left out of a ranking.

        Raises
        ------
        InfluenceError
            If the indices are no numbers and ranges.
        """
        kept = self.table.dropna(subset=[ranking]) if ranking == "likeness" else self.table
        if filters.label != ALL:
            kept = kept[kept["label"] == filters.label]
        if filters.agreement == ON_LIST:
            kept = kept[kept.index.isin(list(fixed))]
        elif filters.agreement != ALL:
            kept = kept[kept["agrees"] == (filters.agreement == AGREE)]
        if filters.indices.strip():
            kept = kept[within(kept.index.to_numpy(), filters.indices)]
        if order == "by index":
            return [int(train) for train in kept.sort_index().index]
        scores = kept[ranking].dropna().sort_values(ascending=order == "lowest first", kind="stable")
        return [int(train) for train in scores.index]

    @cached_property
    def _ranks(self) -> pd.DataFrame:
        """Each example’s place by every ranking, 1 the highest."""
        return self.table[list(self.rankings)].rank(ascending=False, method="min")

    def standing(self, train: int) -> pd.DataFrame:
        """Where an example is by every ranking: ranking, score, place, of how many."""
        rows = [
            (name, self.table.loc[train, name], self._ranks.loc[train, name], int(self.table[name].notna().sum()))
            for name in self.rankings
        ]
        return pd.DataFrame(rows, columns=["ranking", "score", "place", "of"]).astype({"place": "Int64"})

    def place(self, train: int, ranking: str) -> str:
        """Where an example is by one ranking: "3 of 1,437", or "not known"."""
        place = float(self._ranks[ranking].get(train, np.nan))
        return "not known" if np.isnan(place) else f"{int(place):,} of {int(self.table[ranking].notna().sum()):,}"

    def copied(self, train: int) -> tuple[int, str, float] | None:
        """The test image that an example is a near-copy of, its class, and their likeness; None if there is none."""
        copies = self.known.copies
        if copies is None or train not in copies.index:
            return None
        target, likeness = int(copies["target"][train]), float(copies["likeness"][train])
        return target, self.classes[int(self.result.targets["label"][target])], likeness

    def hurt(self, train: int) -> int:
        """How many targets keep an example among those that hurt them most."""
        return int(self._hurt.get(train, 0))

    @cached_property
    def _hurt(self) -> Mapping[int, int]:
        kept = self._kept()
        counts = kept.loc[kept["score"] < 0, "train"].value_counts()
        return dict(zip(counts.index.tolist(), counts.tolist(), strict=True))

    def targets(self, train: int, k: int) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The targets that an example helped and hurt most, strongest first: target, rank, score.

        Where a result keeps no table of them, those among whose kept training examples it is.
        """
        result = self.result
        if result.reverse is not None:
            rows = result.by(train)
        else:
            rows = result.influences[result.influences["train"] == train]
            rows = rows[rows["target"] >= 0]
        ordered = rows.sort_values("score", key=abs, ascending=False, kind="stable")[["target", "rank", "score"]]
        helped, hurt = (
            ordered[side].head(k).reset_index(drop=True) for side in (ordered["score"] > 0, ordered["score"] < 0)
        )
        return helped, hurt

    def most_telling(self, trains: Sequence[int], k: int, pictures: Pictures) -> int:
        """Of some training examples, the first with a picture of all that it helped and hurt, or of most of it."""
        if not pictures.are_some:
            return trains[0]

        def shown(train: int) -> float:
            targets = pd.concat(self.targets(train, k))["target"]
            return float(np.mean([pictures.has("test", int(target)) for target in targets])) if len(targets) else 0.0

        return max(trains, key=shown)


def within(index: np.ndarray, text: str) -> np.ndarray:
    """(n,) bool: which of the numbers a list such as "12, 100-200" names.

    Raises
    ------
    InfluenceError
        If it is no such list.
    """
    keep = np.zeros(len(index), dtype=bool)
    for part in filter(None, (each.strip() for each in text.split(","))):
        match = re.fullmatch(r"(\d{1,9})(?:\s*[-–]\s*(\d{1,9}))?", part)
        if match is None:
            raise InfluenceError(f"“{part}” is no index and no range: write 12, 100-200, say.")
        first, last = int(match[1]), int(match[2] or match[1])
        keep |= (index >= first) & (index <= last)
    return keep
