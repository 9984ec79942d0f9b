"""A map of examples: the positions of targets and training examples, close together if their influences are alike.

The tables ``targets`` (``target``) and ``train`` (``train``) have ``map_x`` and ``map_y``, from -1 to 1; NaN of
training examples that help no target by a kept score.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import pandas as pd
import pyarrow as pa

from influence.evidence.base import Evidence, EvidenceManifest
from influence.results import Kind, Table
from influence.results.manifest import Record
from influence.results.tables import of_type, schema


class LayoutFigures(Record):
    """How good the map is.

    Attributes
    ----------
    targets, train, placed : int
        How many there are, and how many training examples have a position.
    directions : int
        How many the scores were reduced to.
    explained : float
        The share of the kept scores' variance in these directions.
    neighbours, chance : float
        The share of each target's ten nearest, by these directions, among its ten nearest on the map, and at random.
    """

    targets: int
    train: int
    placed: int
    directions: int
    explained: float
    neighbours: float
    chance: float


class LayoutManifest(EvidenceManifest):
    figures: LayoutFigures


_POSITIONS = of_type(pa.float32(), "map_x", "map_y")


@dataclass(frozen=True)
class LayoutEvidence(Evidence[LayoutManifest]):
    """The position of each example on the map."""

    name: ClassVar[str] = "layout"
    format: ClassVar[Kind[Any]] = Kind(
        LayoutManifest,
        {
            "targets": Table(schema(target=pa.int32(), **_POSITIONS)),
            "train": Table(schema(train=pa.int32(), **_POSITIONS)),
        },
    )

    @property
    def figures(self) -> LayoutFigures:
        return self.manifest.figures

    @property
    def targets(self) -> pd.DataFrame:
        """``map_x`` and ``map_y`` by target."""
        return self.tables["targets"].set_index("target")

    @property
    def train(self) -> pd.DataFrame:
        """``map_x`` and ``map_y`` by training example."""
        return self.tables["train"].set_index("train")
