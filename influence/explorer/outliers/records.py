"""What the outliers page shows, worked out without Streamlit: suspicious training examples, and a list to fix."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from influence.errors import InfluenceError
from influence.explorer.houses.records import Houses
from influence.library import Entry
from influence.results import Result

ALL, AGREE, DISAGREE = "all", "says the label", "says another"
ORDERS = ("highest first", "lowest first", "by index")
RANKINGS = {
    "self-influence": "TracIn’s influence of an example on itself, the squared length of its gradient summed over "
    "checkpoints. High: its error stayed large, or it is unlike the others.",
    "memorisation": "How much larger its own margin is in models that saw it than in models that did not (its own "
    "datamodel weight, by difference in means). High: learned by heart, not from others.",
    "held-out loss": "The loss of models that were not trained on it. High: all others speak against its label, so "
    "that it may be wrong.",
    "loss": "The loss of the model, or models, that were trained on it: the plain ranking that the others should beat.",
    "against its class": "Minus its mean datamodel weight on test images of its own class. High: training on it "
    "lowered their margins.",
    "error": "How far the model that was trained on it misses its price.",
}
# The rankings that flipped labels were searched by, and what they are called here.
_OF_EVIDENCE = {
    "self-influence": "self-influence",
    "own-weight": "memorisation",
    "held-out-loss": "held-out loss",
    "loss": "loss",
}


@dataclass(frozen=True)
class Filters:
    """What the training examples are narrowed down to.

    Parameters
    ----------
    label : str
        A class’s name, or "all".
    agreement : str
        "all", or whether the model’s prediction is the label.
    indices : str
        Numbers and ranges, such as "12, 100-200"; empty is all.
    """

    label: str = ALL
    agreement: str = ALL
    indices: str = ""


@dataclass(frozen=True)
class Judgement:
    """Scores of the data set as it is, which evidence about flipped labels holds.

    Parameters
    ----------
    examples : pd.DataFrame
        Indexed by training example: a column a ranking, as `influence.evidence.RANKINGS` calls them.
    source : str
        Whose evidence it is.
    """

    examples: pd.DataFrame
    source: str


class Outliers:
    """The training examples of a result, ranked in every way that is known.

    Parameters
    ----------
    result : Result
    judgement : Judgement or None
        From evidence on the same data, where there is some.
    houses : Houses or None
        Of a result on houses.

    Attributes
    ----------
    table : pd.DataFrame
        Indexed by training example: label and suggested (words or dollars), agrees (bool), and a column a ranking.
    rankings : dict of str to str
        Those that are known, and where each comes from.
    """

    def __init__(self, result: Result[Any], judgement: Judgement | None = None, houses: Houses | None = None) -> None:
        self.result, self.houses = result, houses
        self.classes: tuple[str, ...] = result.manifest.classes
        train = result.train if houses is None else houses.train
        known, sources = self._own(train)
        if judgement is not None:
            for column, name in _OF_EVIDENCE.items():
                values = judgement.examples[column].reindex(train.index)
                if name not in known and values.notna().any():
                    known[name], sources[name] = values.astype(float), f"the mislabels evidence of {judgement.source}"
        self.rankings = {name: sources[name] for name in RANKINGS if name in known}
        self.table = pd.DataFrame(
            self._labels(train) | {name: known[name] for name in self.rankings}, index=train.index
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
        return known, dict.fromkeys(known, "this result")

    def _labels(self, train: pd.DataFrame) -> dict[str, Any]:
        if self.houses is not None:
            return {
                "label": train["price"],
                "suggested": pd.Series(np.nan, index=train.index),
                "agrees": pd.Series(True, index=train.index),
            }
        names = np.array(self.classes)
        label = names[train["label"]]
        if "prediction" not in train:
            return {"label": label, "suggested": "", "agrees": True}
        said = names[train["prediction"]]
        return {"label": label, "suggested": np.where(said == label, "", said), "agrees": said == label}

    @property
    def knows_predictions(self) -> bool:
        """Whether it is known what a model says of the training examples’ classes."""
        return self.houses is None and "prediction" in self.result.train

    def listed(self, filters: Filters, ranking: str, order: str = ORDERS[0]) -> list[int]:
        """The training examples that pass, in order; those without a score are left out of a ranking.

        Raises
        ------
        InfluenceError
            If the indices are no numbers and ranges.
        """
        kept = self.table
        if filters.label != ALL:
            kept = kept[kept["label"] == filters.label]
        if filters.agreement != ALL:
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

    def fix_list(self, chosen: Sequence[int], ranking: str) -> pd.DataFrame:
        """For export: index, label, suggested_label (empty where none is known), score, reason."""
        rows = self.table.loc[list(chosen)]
        places, n = self._ranks.loc[list(chosen), ranking], int(self.table[ranking].notna().sum())
        reasons = [
            f"{ranking}: not known" if np.isnan(place) else f"{ranking}: {int(place)} of {n}, highest first"
            for place in places
        ]
        said = [
            f"{reason}; the model says {name}" if name else reason
            for reason, name in zip(reasons, self._said(rows), strict=True)
        ]
        return pd.DataFrame(
            {
                "index": rows.index,
                "label": rows["label"].to_numpy(),
                "suggested_label": rows["suggested"].to_numpy(),
                "score": rows[ranking].to_numpy(float),
                "reason": said,
            }
        )

    def _said(self, rows: pd.DataFrame) -> list[str]:
        return [name if isinstance(name, str) else "" for name in rows["suggested"]]


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


def indices(text: str, known: pd.Index) -> tuple[list[int], list[str]]:
    """The examples that a fix list names, each once, in its order; and what of it names none."""
    found: dict[int, None] = {}
    unknown = []
    for part in filter(None, (each.strip() for each in text.split(","))):
        if re.fullmatch(r"\d{1,9}", part) and int(part) in known:
            found[int(part)] = None
        else:
            unknown.append(part)
    return list(found), unknown


def changed(text: str, trains: Sequence[int], on: bool) -> str:
    """A fix list with training examples put at its end, or taken off."""
    names = [str(train) for train in trains]
    kept = [part for each in text.split(",") if (part := each.strip()) and part not in names]
    return ",".join([*kept, *(names if on else [])])


def first_shown(found: dict[str, Entry]) -> str:
    """The result that the page opens with: one that knows self-influence, if possible on digits (its pictures ship)."""

    def order(id_: str) -> tuple[bool, bool, bool]:
        one = found[id_]
        return one.method != "tracin", one.dataset != "digits", not one.has_classes

    return min(found, key=order)
