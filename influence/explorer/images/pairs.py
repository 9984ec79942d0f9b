"""Memorised training images and the test images that they help: what memory is good for (Feldman and Zhang 2020)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from influence.evidence import Evaluated
from influence.results import Result

_SHARES = (0.0, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)  # of all that lie below a threshold
MEMORISED_FROM, HELPED_FROM = 0.95, 0.9  # the thresholds to begin with


@dataclass(frozen=True)
class Memorised:
    """How much a model has learned each training image by heart.

    Attributes
    ----------
    values : pd.Series
        By training image.
    what : str
        What a value is, as a sentence.
    """

    values: "pd.Series[float]"
    what: str


def memorised(result: Result[Any], evaluated: Evaluated) -> Memorised | None:
    """The best that is known: an image's weight on its own margin, or else its self-influence; None without either."""
    if evaluated.mislabels is not None:
        examples = evaluated.mislabels.tables["examples"]
        own = examples[examples["flips"] == "none"].set_index("train")["own-weight"].reindex(result.train.index)
        return Memorised(
            own.astype(float),
            "Memorisation of a training image is how much its own margin rises when it is trained on, measured on "
            "small models (mislabels evidence).",
        )
    if "self_influence" in result.train:
        return Memorised(
            result.train["self_influence"].astype(float),
            "Memorisation of a training image is its self-influence here: the score of the image for itself.",
        )
    return None


class Pairs:
    """Pairs of a training image and a test image that it helps by a kept score.

    Parameters
    ----------
    result : Result
    memory : Memorised

    Attributes
    ----------
    table : pd.DataFrame
        train, target, score, memorised; the highest score first.
    """

    def __init__(self, result: Result[Any], memory: Memorised) -> None:
        kept = result.influences
        kept = kept[(kept["score"] > 0) & (kept["target"] >= 0)][["train", "target", "score"]]
        self.table = (
            kept.assign(memorised=memory.values.reindex(kept["train"]).to_numpy())
            .dropna()
            .sort_values("score", ascending=False, kind="stable")
            .reset_index(drop=True)
        )
        self.n_targets = int((result.targets.index >= 0).sum())
        self.memorised_steps = _steps(memory.values)
        self.score_steps = _steps(self.table["score"])

    def above(self, memorised: float, score: float) -> pd.DataFrame:
        """The pairs at and above both thresholds, the highest score first."""
        return self.table[(self.table["memorised"] >= memorised) & (self.table["score"] >= score)]

    def concerned(self, pairs: pd.DataFrame) -> float:
        """The share of all test images that are in these pairs."""
        return pairs["target"].nunique() / self.n_targets


def _steps(values: "pd.Series[float]") -> dict[str, float]:
    """Thresholds to choose from, rising, by how they are written, with the share of all values below each."""
    quantiles = np.quantile(values.dropna(), _SHARES)
    found = {f"{float(f'{value:.2g}'):g}": share for share, value in zip(_SHARES, quantiles, strict=True)}
    return dict(sorted(found.items(), key=lambda each: float(each[0])))


def start(steps: dict[str, float], share: float) -> str:
    """The threshold to begin with: the first with at least this share below it."""
    return next((value for value, below in steps.items() if below >= share), [*steps][-1])
