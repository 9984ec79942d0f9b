"""What a result folder of derivatives through training holds."""

from functools import cached_property
from typing import TYPE_CHECKING, Literal

from influence.results.kind import Kind
from influence.results.kinds import CLASSIFIED, HISTOGRAM, INFLUENCES, REVERSE, TARGETS, TRAIN
from influence.results.manifest import Accuracy, ResultManifest
from influence.results.tables import Table, schema

if TYPE_CHECKING:  # learners, which lists of results do without
    from influence.methods.unrolled.config import UnrolledConfig


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
    quality: Accuracy

    @cached_property
    def config(self) -> "UnrolledConfig":
        """Everything that the result follows from; an `InfluenceError` if its learner is gone."""
        from influence.methods.unrolled.config import UnrolledConfig

        return UnrolledConfig.parse(self.settings)


KIND = Kind(
    UnrolledManifest,
    {
        "influences": INFLUENCES,
        "targets": Table(schema(**TARGETS, **CLASSIFIED), schema(**HISTOGRAM)),
        "train": Table(schema(**TRAIN, **CLASSIFIED)),
        "reverse": REVERSE,
    },
)
