"""Sums of kept scores over groups of images."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from influence.results import Result

TEST, TRAIN = "test", "training"


@dataclass(frozen=True)
class Answer:
    """What some test images were helped and hurt by most, or what some training images helped and hurt most.

    Attributes
    ----------
    helped, hurt : pd.DataFrame
        Strongest first: ``other``, the index of the image, ``score``, the sum of the kept scores, and ``of``, how many
        of the group are kept with it.
    """

    helped: pd.DataFrame
    hurt: pd.DataFrame


class Sums:
    """The kept scores of a result, to be summed; all others count as 0."""

    def __init__(self, result: Result[Any]) -> None:
        self._result = result

    @cached_property
    def _kept(self) -> pd.DataFrame:
        """Every score that the result keeps, once: target, train, score."""
        tables = [each for each in (self._result.influences, self._result.reverse) if each is not None]
        kept = pd.concat([each[["target", "train", "score"]] for each in tables])
        return kept.drop_duplicates(["target", "train"]).reset_index(drop=True)

    def answer(self, part: str, members: np.ndarray, k: int) -> Answer:
        """The k images of the other part with the greatest and the least sums over some images of a part."""
        own, other = ("target", "train") if part == TEST else ("train", "target")
        mask = np.zeros(int(self._kept[own].max()) + 1, bool)
        mask[members[members < len(mask)]] = True
        rows = self._kept[mask[self._kept[own].to_numpy()]]
        sums = rows.groupby(other)["score"].agg(["sum", "size"]).reset_index()
        sums.columns = pd.Index(["other", "score", "of"])
        rising = sums.sort_values("score", kind="stable")
        helped, hurt = rising[rising["score"] > 0].iloc[::-1], rising[rising["score"] < 0]
        return Answer(*(side.head(k).reset_index(drop=True) for side in (helped, hurt)))
