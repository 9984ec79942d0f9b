"""What a data set says of itself, so that nothing else needs to know its name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

if TYPE_CHECKING:
    from influence.datasets.base import Split


@dataclass(frozen=True)
class Classification:
    """Labels are whole numbers, positions in ``classes``; the explained output is the correct-class margin."""

    classes: tuple[str, ...]
    what: ClassVar[str] = "classes"
    learner: ClassVar[str] = "mlp"


@dataclass(frozen=True)
class Regression:
    """Labels are numbers of this name and unit; the explained output is the predicted value.

    Parameters
    ----------
    label, unit : str
    column : str
        What tables of results call the labels.
    cap : float or None
        Where the source cut the labels off: all above it are the same number, slightly above it.
    """

    label: str
    unit: str
    column: str = "label"
    cap: float | None = None
    what: ClassVar[str] = "values"
    learner: ClassVar[str] = "regression"


@dataclass(frozen=True)
class Group:
    """A named group of test examples that are also explained together.

    Parameters
    ----------
    title : str
        What lists call it.
    members : callable
        Split -> (n,) bool.
    place : str
        Where on a map they all are; empty where that has no name.
    """

    title: str
    members: "Callable[[Split], np.ndarray]"
    place: str = ""


@dataclass(frozen=True)
class Facts:
    """The constant ``FACTS`` of every data set's module.

    Parameters
    ----------
    name : str
        What commands and manifests call the data set.
    task : Classification or Regression
    noun : str
        What an example is called: "image", "house", "row".
    brings : str
        What is possible once its files are on this machine; `influence doctor` says it.
    columns : tuple of str
        The names of the input's columns, where it has some.
    roles : tuple of (role, column)
        Which columns have a part in the explorer: ``latitude`` and ``longitude`` put examples on a map.
    groups : tuple of Group
    learner : str
        The learner that the command line takes by default; empty means the usual one of the task.
    is_quick : bool
        Whether a model is trained within a second, so that a run from the sidebar needs no estimate first.
    near_copy : float
        The correlation of the pixels of two pictures from which they are called near-copies.
    mirrors : bool
        Whether the mirror image of a picture, left to right, shows the same: near-copies are then sought among mirror
        images too.
    title : str
        What the explorer calls the data set; empty means ``name``.
    """

    name: str
    task: Classification | Regression
    noun: str = "example"
    brings: str = "training on it"
    columns: tuple[str, ...] = ()
    roles: tuple[tuple[str, str], ...] = ()
    groups: tuple[Group, ...] = ()
    learner: str = ""
    is_quick: bool = False
    near_copy: float = 0.95
    mirrors: bool = False
    title: str = ""

    def __post_init__(self) -> None:
        if not self.learner:
            object.__setattr__(self, "learner", self.task.learner)  # the class is frozen
        if not self.title:
            object.__setattr__(self, "title", self.name)

    @property
    def classes(self) -> tuple[str, ...]:
        """What the labels stand for; empty where they are values."""
        return self.task.classes if isinstance(self.task, Classification) else ()

    def column(self, role: str) -> int:
        """The position of the column that has this role; a `KeyError` where none has."""
        return self.columns.index(dict(self.roles)[role])
