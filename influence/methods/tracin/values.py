"""TracIn of values: the squared error is the loss, and tables tell residuals, values and places on the map."""

from typing import Any

import numpy as np
import pyarrow as pa
from sklearn.metrics import explained_variance_score

from influence.datasets import Dataset, Facts, Regression, Split
from influence.learners.toolkit.outputs import squared_error
from influence.methods.tracin.seen import Seen
from influence.methods.tracin.task import Columns, Scored, Target, Task

NAMED_TOP_K = 20  # training examples either way, of each member of a group, whose place and value a result carries
NAMED_SELF_INFLUENCES = 100  # likewise, with the highest and the lowest self-influence


def _groups(dataset: Dataset) -> list[Target]:
    """The groups that have members in the test part."""
    members = [(group.title, np.flatnonzero(group.members(dataset.test))) for group in dataset.facts.groups]
    return [Target(-1 - number, *each) for number, each in enumerate(members) if len(each[1])]


def _columns(dataset: Dataset, seen: Seen, scored: Scored) -> tuple[Columns, Columns]:
    named = np.ones(len(dataset.test), bool)
    if scored.groups:
        named = np.isin(np.arange(len(dataset.test)), np.concatenate([group.positions for group in scored.groups]))
    targets = _of_part(dataset.facts, dataset.test, seen.test_outputs[:, 0], named)
    rows = len(scored.groups)  # which come first, and have none of these
    targets = {name: pa.concat_arrays([pa.nulls(rows, each.type), each]) for name, each in targets.items()}
    return targets, _of_part(dataset.facts, dataset.train, seen.train_outputs[:, 0], _named_train(dataset, scored))


def _named_train(dataset: Dataset, scored: Scored) -> np.ndarray:
    """(n_train,) bool: the training examples that the explorer's default view names; all where there is no group."""
    if not scored.groups:
        return np.ones(len(dataset.train), bool)
    frame = scored.influences.to_pandas()
    members = (dataset.test.index[group.positions] for group in scored.groups)
    shown = np.concatenate([[group.id for group in scored.groups], *members])
    top = frame[frame["target"].isin(shown) & (frame["rank"].abs() <= NAMED_TOP_K)]
    order = np.argsort(scored.self_influence, kind="stable")
    extremes = np.concatenate([order[:NAMED_SELF_INFLUENCES], order[-NAMED_SELF_INFLUENCES:]])
    return np.isin(dataset.train.index, np.concatenate([top["train"], dataset.train.index[extremes]]))


def _of_part(facts: Facts, split: Split, predictions: np.ndarray, named: np.ndarray) -> dict[str, pa.Array]:
    """Give every example its residual, and the named ones their value, prediction and place on the map."""
    places = [role for role in ("latitude", "longitude") if role in dict(facts.roles)]
    values = {_task(facts).column: split.labels, "prediction": predictions}
    values |= {role: split.inputs[:, facts.column(role)] for role in places}
    residual = pa.array((predictions - split.labels).astype(np.float32))
    return {"residual": residual} | {
        name: pa.array(column.astype(np.float32), mask=~named) for name, column in values.items()
    }


def _manifest(dataset: Dataset, seen: Seen, scored: Scored) -> dict[str, Any]:
    parts = {"train": (seen.train_outputs, dataset.train), "test": (seen.test_outputs, dataset.test)}
    explained = {
        name: float(explained_variance_score(part.labels.astype(np.float32), values[:, 0]))
        for name, (values, part) in parts.items()
    }
    groups = [
        {"id": group.id, "title": group.title, "targets": dataset.test.index[group.positions].tolist()}
        for group in scored.groups
    ]
    quality = {"explained_variance": explained, "lds": None}
    return {"task": "values", "named_top_k": NAMED_TOP_K, "groups": groups, "quality": quality}


def _units(facts: Facts) -> str:
    task = _task(facts)
    return (
        f"reduction of the squared error, in units of ({task.unit})^2, to first order; residuals, {task.column}s and "
        f"predictions in units of {task.unit}, residual = prediction - {task.column}"
    )


def _task(facts: Facts) -> Regression:
    assert isinstance(facts.task, Regression)
    return facts.task


VALUES = Task(
    loss=squared_error,
    check=lambda dataset: None,
    groups=_groups,
    has_reverse=False,
    is_short=False,
    columns=_columns,
    manifest=_manifest,
    units=_units,
)
