"""What a result folder of TracIn holds: one kind for targets with classes, one for targets with values."""

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from influence.results.kind import Kind, OneOf
from influence.results.kinds import CLASSIFIED, HISTOGRAM, INFLUENCES, REVERSE, TARGETS, TRAIN
from influence.results.manifest import Accuracy, Group, Record, ResultManifest, Shares
from influence.results.tables import Table, of_type, schema

if TYPE_CHECKING:  # learners, which lists of results do without
    from influence.methods.tracin.config import TracInConfig


class ValuesQuality(Record):
    """The share of the values' variance that the model of the last checkpoint explains."""

    explained_variance: Shares


class TracInManifest(ResultManifest):
    """What the manifests of both kinds hold.

    Attributes
    ----------
    checkpoint_epochs : tuple of int
        Epochs after which the scored checkpoints were taken.
    loss_curve : dict
        By name, a value a checkpoint: epoch, train_loss, test_loss, and learning_rate where it changes.
    """

    method: Literal["tracin"]
    checkpoint_epochs: tuple[int, ...]
    loss_curve: dict[str, tuple[float | None, ...]]

    @property
    def is_of_last_layer(self) -> bool:
        """Whether the gradients of the last layer alone count."""
        return bool(self.settings.get("layers") == "last")

    @cached_property
    def config(self) -> "TracInConfig":
        """Everything that the result follows from; an `InfluenceError` if its learner is gone."""
        from influence.methods.tracin.config import TracInConfig

        return TracInConfig.parse(self.settings)


class TracInOfClasses(TracInManifest):
    """The manifest of TracIn on targets with classes."""

    task: Literal["classes"]
    classes: tuple[str, ...]
    reverse_k: int
    quality: Accuracy


class TracInOfValues(TracInManifest):
    """The manifest of TracIn on targets with values.

    Attributes
    ----------
    named_top_k : int
        Training examples, either way, of each member of a group, whose position and value the tables carry.
    groups : tuple of Group
    """

    task: Literal["values"]
    named_top_k: int
    groups: tuple[Group, ...]
    quality: ValuesQuality


def with_task(values: dict[str, Any]) -> dict[str, Any]:
    """Say the task of a manifest that was written before manifests held it: only targets with classes had some."""
    return {"task": "classes" if "classes" in values else "values"} | values


_VALUE = of_type(pa.float32(), "residual", "prediction")
_OF_FACTS = of_type(pa.float32(), "label", "price", "latitude", "longitude")  # what the data set declares

CLASSES = Kind(
    TracInOfClasses,
    {
        "influences": INFLUENCES,
        "targets": Table(schema(**TARGETS, **CLASSIFIED), schema(**HISTOGRAM)),
        "train": Table(schema(**TRAIN, self_influence=pa.float32(), **CLASSIFIED)),
        "reverse": REVERSE,
    },
)
VALUES = Kind(
    TracInOfValues,
    {
        "influences": INFLUENCES,
        "targets": Table(schema(**TARGETS, **_VALUE), schema(**HISTOGRAM, **_OF_FACTS)),
        "train": Table(schema(**TRAIN, self_influence=pa.float32(), **_VALUE), schema(**_OF_FACTS)),
    },
)
KIND = OneOf("task", {"classes": CLASSES, "values": VALUES}, with_task)
