"""What every data set gives: two splits of named examples, and a hash of all that they hold."""

import hashlib
from dataclasses import InitVar, dataclass
from functools import cached_property

import numpy as np

from influence import homes
from influence.datasets.facts import Classification, Facts, Regression
from influence.errors import InfluenceError


@dataclass(frozen=True)
class Split:
    """The examples of one part of a data set.

    Parameters
    ----------
    index : (n,) int32
        The name of each example: its position in the data set's own canonical order.
    inputs : (n, ...) float or uint8
    labels : (n,) float or int
    """

    index: np.ndarray
    inputs: np.ndarray
    labels: np.ndarray

    def __post_init__(self) -> None:
        if not len(self.index) == len(self.inputs) == len(self.labels):
            raise ValueError(f"{len(self.index)} names, {len(self.inputs)} inputs and {len(self.labels)} labels")

    def __len__(self) -> int:
        return len(self.index)

    def take(self, rows: np.ndarray) -> "Split":
        """Some of the examples, under their own names; ``rows`` is a mask or positions."""
        return Split(self.index[rows], self.inputs[rows], self.labels[rows])


@dataclass(frozen=True)
class Dataset:
    """A named data set with a fixed split into training and test part.

    Parameters
    ----------
    facts : Facts
    train, test : Split
    known_hash : str or None
        ``content_hash``, where somebody has verified it already; what is made from this data set computes its own.

    Raises
    ------
    InfluenceError
        If an input or a label is NaN or infinite; the message names the example.
    """

    facts: Facts
    train: Split
    test: Split
    known_hash: InitVar[str | None] = None

    def __post_init__(self, known_hash: str | None) -> None:
        if known_hash is not None:
            self.__dict__["content_hash"] = known_hash  # where cached_property looks first
        for part, split in (("training", self.train), ("test", self.test)):
            flat = split.inputs.reshape(len(split), -1)
            bad = ~(_finite_rows(flat) & _finite_rows(split.labels[:, None]))
            if bad.any():
                row = int(np.flatnonzero(bad)[0])
                columns = np.flatnonzero(~np.isfinite(flat[row]))
                where = "its label"
                if len(columns):
                    where = self.facts.columns[columns[0]] if self.facts.columns else f"feature {columns[0]}"
                raise InfluenceError(
                    f"{self.name}: {where} of {part} example {split.index[row]} is not a finite number "
                    f"({int(bad.sum())} such example(s)): repair or drop them first."
                )

    @property
    def name(self) -> str:
        return self.facts.name

    @property
    def task(self) -> Classification | Regression:
        return self.facts.task

    @property
    def classes(self) -> tuple[str, ...]:
        """What the labels stand for; empty where they are values."""
        return self.facts.classes

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 over names, inputs and labels of both parts, in order: equal hashes mean equal data."""
        digest = hashlib.sha256()
        for split in (self.train, self.test):
            for array in (split.index, split.inputs, split.labels):
                digest.update(f"{array.dtype.str}{array.shape}".encode())
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


def _finite_rows(values: np.ndarray) -> np.ndarray:
    """(n,) bool: which rows hold finite numbers alone; whole numbers always do, so they are not read."""
    if not np.issubdtype(values.dtype, np.inexact):
        return np.ones(len(values), dtype=bool)
    finite: np.ndarray = np.isfinite(values).all(axis=1)
    return finite


def missing(name: str) -> InfluenceError:
    """The error for a data set that is not on this machine."""
    return InfluenceError(
        f"The data set {name} is not in {homes.data_home()}: run `python -m influence data {name}`, "
        "or set INFLUENCE_DATA_DIR to the folder that has it."
    )
