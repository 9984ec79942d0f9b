"""What a result folder of datamodels holds."""

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
from pydantic import Field

from influence.results.kind import Kind
from influence.results.kinds import HISTOGRAM, INFLUENCES, REVERSE, TARGETS, TRAIN
from influence.results.manifest import Interval, Record, ResultManifest
from influence.results.tables import FLOATS, Table, of_type, schema

if TYPE_CHECKING:  # learners and estimators, which lists of results do without
    from influence.methods.datamodels.config import DatamodelsConfig


class Quality(Record):
    """How well the fit predicts models that it never saw, beside its linear datamodeling score, which is evidence.

    Attributes
    ----------
    lds, random, ceiling : Interval or None
        The score of the weights, of random ones, and of a second training on the same subsets, in results of older
        versions: `influence.explorer.verdicts.judged` finds the score of old and new ones.
    correlation, error : float
        Mean Pearson correlation, and mean squared error as a share of the variance, over targets.
    fitted, held_out, diverged : int
        Numbers of models.
    accuracy : float
        Of these models, on the targets.
    """

    lds: Interval | None = None
    random: Interval | None = None
    ceiling: Interval | None = None
    correlation: float
    error: float
    fitted: int
    held_out: int
    diverged: int
    accuracy: float


class DatamodelsManifest(ResultManifest):
    """The manifest of a datamodels result.

    Attributes
    ----------
    removal_counts : tuple of int
        Numbers of removed training examples at the points of a target's removal curve.
    subset_size : int
        Training examples that each model saw.
    protocol : str
        What the models share, as sentences.
    estimator_settings : dict
        All settings of the estimator, defaults included; empty in manifests of older versions.
    """

    method: Literal["datamodels"]
    classes: tuple[str, ...]
    removal_counts: tuple[int, ...]
    reverse_k: int
    subset_size: int
    protocol: str
    quality: Quality
    estimator_settings: dict[str, Any] = Field(default_factory=dict)

    @cached_property
    def config(self) -> "DatamodelsConfig":
        """Everything that the result follows from; an `InfluenceError` if its learner or estimator is gone."""
        from influence.methods.datamodels.config import DatamodelsConfig

        return DatamodelsConfig.parse(self.settings)

    @property
    def estimator(self) -> str:
        """The estimator's name."""
        return str(self.settings["estimator"])

    @property
    def alpha(self) -> float:
        """The share of the training examples that each model saw."""
        return float(self.settings["outcomes"]["subsets"]["alpha"])

    @property
    def is_common(self) -> bool:
        """Whether the models share their initial weights and order of examples."""
        return bool(self.settings["outcomes"]["subsets"]["seeds"] == "common")

    @property
    def part(self) -> tuple[tuple[str, ...], int | None]:
        """The classes (none means all) and the training size of the part of the data set that the result is about."""
        outcomes = self.settings["outcomes"]
        return tuple(outcomes["classes"]), outcomes["train_size"]


KIND = Kind(
    DatamodelsManifest,
    {
        "influences": INFLUENCES,
        "targets": Table(
            schema(
                **TARGETS,
                **of_type(pa.int16(), "label", "prediction"),
                support=pa.int32(),
                removal=FLOATS,
                **of_type(pa.float32(), "agreement", "correct", "margin", "margin_sd"),
                **of_type(pa.float32(), "intercept", "weight_sum", "weight_sd", "lds", "correlation", "error"),
            ),
            schema(**HISTOGRAM, nearest=pa.int32(), **of_type(pa.float32(), "nearest_similarity", "between_classes")),
        ),
        "train": Table(schema(**TRAIN, label=pa.int16(), **of_type(pa.float32(), "own_class", "other_classes"))),
        "reverse": REVERSE,
    },
)
