"""TracIn of classes: the cross-entropy is the loss, and tables tell labels, predictions, losses and margins."""

from typing import Any

from influence.datasets import Dataset
from influence.errors import InfluenceError
from influence.learners.toolkit.outputs import cross_entropy, described
from influence.methods.tracin.seen import Seen
from influence.methods.tracin.task import Columns, Scored, Task


def _check(dataset: Dataset) -> None:
    """Refuse test labels above the training part's highest, for which the model has no output."""
    unknown = dataset.test.labels[dataset.test.labels > dataset.train.labels.max()]
    if len(unknown):
        name = dataset.classes[int(unknown[0])]
        raise InfluenceError(f"No training example is of class {name}, which the test part has: raise train_size.")


def _columns(dataset: Dataset, seen: Seen, scored: Scored) -> tuple[Columns, Columns]:
    return described(dataset.test, seen.test_outputs[None]), described(dataset.train, seen.train_outputs[None])


def _manifest(dataset: Dataset, seen: Seen, scored: Scored) -> dict[str, Any]:
    parts = {"train": (seen.train_outputs, dataset.train), "test": (seen.test_outputs, dataset.test)}
    accuracy = {name: float((logits.argmax(axis=1) == part.labels).mean()) for name, (logits, part) in parts.items()}
    return {"task": "classes", "classes": list(dataset.classes), "quality": {"accuracy": accuracy, "lds": None}}


CLASSES = Task(
    loss=cross_entropy,
    check=_check,
    groups=lambda dataset: [],
    has_reverse=True,
    is_short=True,
    columns=_columns,
    manifest=_manifest,
    units=lambda facts: (
        "reduction of the cross-entropy, in nats, to first order; losses in nats; margin: correct-class logit "
        "minus the log-sum-exp of the others; losses, margins and predictions of the last checkpoint"
    ),
)
