"""What a TracIn result holds that depends on the data set's task."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from influence.datasets import Dataset, Facts
from influence.learners.toolkit.outputs import Loss
from influence.methods.tracin.seen import Seen

Columns = dict[str, Any]
"""Columns of a table, by their names: arrays, or `pa.Array`."""


@dataclass(frozen=True)
class Target:
    """A group of test examples that is a target of its own.

    Parameters
    ----------
    id : int
        -1, -2, ...
    title : str
    positions : (m,) int
        The members, in the test part.
    """

    id: int
    title: str
    positions: np.ndarray


@dataclass(frozen=True)
class Scored:
    """What scoring leaves; targets are the groups first, then all test examples.

    Parameters
    ----------
    names : (n_targets,) int32
        Ids of the groups and indices of the test examples.
    influences : pa.Table
    spread : dict of str to pa.Array
        The columns that tell how all scores of every target are spread.
    self_influence : (n_train,) float32
    groups : list of Target
    reverse : pa.Table or None
        The strongest targets of every training example, where they are kept.
    """

    names: np.ndarray
    influences: pa.Table
    spread: dict[str, pa.Array]
    self_influence: np.ndarray
    groups: list[Target]
    reverse: pa.Table | None


@dataclass(frozen=True)
class Task:
    """What differs between classes and values.

    Parameters
    ----------
    loss : Loss
    check : callable
        Raises an `InfluenceError` if the data set lacks what its task needs.
    groups : callable
        The data set's groups that are targets.
    has_reverse : bool
        Whether the strongest targets of every training example are kept.
    is_short : bool
        Whether scores are kept with 11 significant bits.
    columns : callable
        (data set, seen, scored) -> the columns of targets and of training examples.
    manifest : callable
        (data set, seen, scored) -> what the manifest holds beside what all results of TracIn do.
    units : callable
    """

    loss: Loss
    check: Callable[[Dataset], None]
    groups: Callable[[Dataset], list[Target]]
    has_reverse: bool
    is_short: bool
    columns: Callable[[Dataset, Seen, Scored], tuple[Columns, Columns]]
    manifest: Callable[[Dataset, Seen, Scored], dict[str, Any]]
    units: Callable[[Facts], str]
