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
from pydantic import Field

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
    """What the rankings found, by kind of flips and ranking; numbers of flips and of training examples.

    Attributes
    ----------
    found : dict of str to dict of str to Found
    more_than_loss : dict of str to dict of str to Interval
        How much more of the flips each ranking finds in the first 20 % than plain loss does; left out where a score is
        not finite. Evidence of older versions has none.
    flipped, train : int
    """

    found: dict[str, dict[str, Found]]
    more_than_loss: dict[str, dict[str, Interval]] = Field(default_factory=dict)
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
    def more_than_loss(self) -> dict[str, dict[str, Interval]]:
        """See `MislabelsFigures`; of evidence that has none, it is worked out once from the kept scores."""
        return self.figures.more_than_loss or {
            flips: {name: Interval(**figure) for name, figure in found.items()}
            for flips, found in more_than_loss(self.tables["examples"]).items()
        }


def more_than_loss(examples: pd.DataFrame) -> dict[str, dict[str, dict[str, float]]]:
    """How much more of the flips each ranking finds in the first 20 % than plain loss does, by kind of flips.

    Parameters
    ----------
    examples : pd.DataFrame
        The table of this name.
    """
    found = {}
    for flips in (each for each in FLIPS if each != "none" and each in set(examples["flips"])):
        rows = examples[examples["flips"] == flips]
        flipped, loss = (rows["label"] != rows["true"]).to_numpy(), rows["loss"].to_numpy(float)
        others = {name: rows[name].to_numpy(float) for name in RANKINGS if name != "loss"}
        found[flips] = {
            name: advantage(scores, loss, flipped).as_dict()
            for name, scores in others.items()
            if flipped.any() and np.isfinite(scores).all() and np.isfinite(loss).all()
        }
    return found
