"""What a result folder of derivatives through training holds."""

from functools import cached_property
from typing import TYPE_CHECKING, Literal

import pyarrow as pa

from influence.results.kind import Kind
from influence.results.kinds import INFLUENCES, REVERSE, TARGETS, TRAIN
from influence.results.manifest import Record, ResultManifest
from influence.results.tables import Table, of_type, schema

if TYPE_CHECKING:  # learners, which lists of results do without
    from influence.methods.unrolled.config import UnrolledConfig


class Shares(Record):
    """A share of the training part and of the test part."""

    train: float
    test: float


class Quality(Record):
    """The share of examples that the models predict rightly, on average."""

    accuracy: Shares


class UnrolledManifest(ResultManifest):
    """The manifest.

    Attributes
    ----------
    weight : float
        The weight of every training example in the trainings.
    trainings : int
        How many were differentiated.
    steps : int
        Steps of each, all of which are followed back.
    """

    method: Literal["unrolled"]
    classes: tuple[str, ...]
    reverse_k: int
    weight: float
    trainings: int
    steps: int
    quality: Quality

    @cached_property
    def config(self) -> "UnrolledConfig":
        """Everything that the result follows from; an `InfluenceError` if its learner is gone."""
        from influence.methods.unrolled.config import UnrolledConfig

        return UnrolledConfig.parse(self.settings)


_IMAGE = {**of_type(pa.int16(), "label", "prediction"), **of_type(pa.float32(), "loss", "margin")}

KIND = Kind(
    UnrolledManifest,
    {
        "influences": INFLUENCES,
        "targets": Table(schema(**TARGETS, **_IMAGE)),
        "train": Table(schema(**TRAIN, **_IMAGE)),
        "reverse": REVERSE,
    },
)
