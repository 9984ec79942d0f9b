"""Evidence from flipped labels: which ranking of the training examples finds them.

curves
    A row a point: ``flips`` (see `FLIPS`), ``ranking`` (see `RANKINGS`), share ``inspected``, share of the flips
    ``found``.
examples
    A row a (``flips``, training example ``train``): ``label`` as trained on, ``true`` as the data set has it, and its
    score by every ranking, the higher the more suspect. Rows with flips "none" are the data set as it is.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa

from influence.evidence.base import Evidence, EvidenceManifest
from influence.measures.mislabels import advantage
from influence.results import Interval, Kind, Table
from influence.results.manifest import Record
from influence.results.tables import CATEGORY, of_type, schema

FLIPS = {
    "none": "labels as the data set has them",
    "uniform": "another class, drawn at random",
    "adversarial": "the wrong class that a model trained on the true labels scores highest",
}
RANKINGS = {
    "self-influence": "TracIn's influence of an example on itself",
    "own-weight": "datamodel weight of an example on its own margin, by difference in means",
    "loss": "loss of models that were trained on it",
    "held-out-loss": "loss of models that were not trained on it",
}


class Found(Record):
    """How many flips a ranking finds.

    Attributes
    ----------
    area : Interval
        Area under the curve of the share found over the share inspected.
    at_20 : Interval
        Share found in the first 20 %.
    """

    area: Interval
    at_20: Interval


class MislabelsFigures(Record):
    """What the rankings found, by kind of flips and ranking; numbers of flips and of training examples."""

    found: dict[str, dict[str, Found]]
    flipped: int
    train: int


class MislabelsManifest(EvidenceManifest):
    figures: MislabelsFigures


@dataclass(frozen=True)
class MislabelsEvidence(Evidence[MislabelsManifest]):
    """How many flipped labels a ranking finds."""

    name: ClassVar[str] = "mislabels"
    format: ClassVar[Kind[Any]] = Kind(
        MislabelsManifest,
        {
            "curves": Table(
                schema(**of_type(CATEGORY, "flips", "ranking"), **of_type(pa.float32(), "inspected", "found"))
            ),
            "examples": Table(
                schema(
                    flips=CATEGORY,
                    **of_type(pa.int32(), "train", "label", "true"),
                    **of_type(pa.float32(), *RANKINGS),
                )
            ),
        },
    )

    @property
    def figures(self) -> MislabelsFigures:
        return self.manifest.figures

    @property
    def found(self) -> dict[str, dict[str, Found]]:
        """What every ranking found, by kind of flips and ranking."""
        return self.figures.found

    @cached_property
    def more_than_loss(self) -> dict[str, dict[str, Interval | None]]:
        """By kind of flips and ranking: how much more of the flips it finds in the first 20 % than plain loss does.

        Worked out once from the kept scores. None for the loss itself, and where a score is not finite.
        """
        examples = self.tables["examples"]
        return {
            flips: {name: _more_than_loss(examples[examples["flips"] == flips], name) for name in rankings}
            for flips, rankings in self.figures.found.items()
        }


def _more_than_loss(examples: pd.DataFrame, ranking: str) -> Interval | None:
    flipped = (examples["label"] != examples["true"]).to_numpy()
    scores, loss = examples[ranking].to_numpy(float), examples["loss"].to_numpy(float)
    if ranking == "loss" or not flipped.any() or not np.isfinite(scores).all() or not np.isfinite(loss).all():
        return None
    return Interval(**advantage(scores, loss, flipped).as_dict())
