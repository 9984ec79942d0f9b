"""One result: its manifest, its tables, and what they say of one target or one training example."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Generic

import numpy as np
import pandas as pd
from typing_extensions import TypeVar

from influence.errors import InfluenceError
from influence.results.folder import through_replacements
from influence.results.kind import AGAIN, Kind, load
from influence.results.kinds import HISTOGRAM, PLAIN, kind_of
from influence.results.manifest import Group, ResultManifest

R = TypeVar("R", bound=ResultManifest, default=Any)


@dataclass(frozen=True)
class Result(Generic[R]):
    """One validated result folder.

    Attributes
    ----------
    name : str
        The folder's name; of those that ship, "shipped", or "shipped-" and what sets it apart.
    path : Path
    manifest : ResultManifest
    influences, targets, train : pd.DataFrame
        The tables; ``targets`` and ``train`` are indexed by example.
    reverse : pd.DataFrame or None
        The strongest targets of every training example, where the method keeps them.
    """

    name: str
    path: Path
    manifest: R
    influences: pd.DataFrame
    targets: pd.DataFrame
    train: pd.DataFrame
    reverse: pd.DataFrame | None = None

    @cached_property
    def _of_target(self) -> "_Sorted":
        return _Sorted(self.influences, "target")

    @cached_property
    def _by_train(self) -> "_Sorted":
        if self.reverse is None:
            raise ValueError(f"results of {self.manifest.method} keep no reverse table")
        return _Sorted(self.reverse, "train")

    def of(self, target: int) -> pd.DataFrame:
        """The influences on one target (or group), sorted by rank: from -k to -1, then from 1 to k."""
        return self._of_target[target]

    def by(self, train: int) -> pd.DataFrame:
        """The influences of one training example on the targets that it hurts and helps most, sorted by rank."""
        return self._by_train[train]

    def histogram(self, target: int) -> tuple[np.ndarray, np.ndarray] | None:
        """How all scores of one target (or group) are spread: (n + 1,) float64 edges and (n,) int64 counts of them.

        None in results of older versions, which counted none.
        """
        if "histogram" not in self.targets:
            return None
        low, high, counts = (np.asarray(self.targets[name].at[target]).astype(np.float64) for name in HISTOGRAM)
        return np.linspace(low, high, len(counts) + 1), counts.astype(np.int64)

    @property
    def groups(self) -> dict[int, Group]:
        """Groups of targets by their (negative) id."""
        return {group.id: group for group in self.manifest.groups}


class _Sorted:
    """A table sorted by a column: the rows of one value."""

    def __init__(self, frame: pd.DataFrame, column: str) -> None:
        self._frame = frame
        self._values, self._starts = np.unique(frame[column].to_numpy(), return_index=True)

    def __getitem__(self, value: int) -> pd.DataFrame:
        position = int(np.searchsorted(self._values, value))
        if position == len(self._values) or self._values[position] != value:
            raise KeyError(value)
        stop = self._starts[position + 1] if position + 1 < len(self._starts) else len(self._frame)
        return self._frame.iloc[self._starts[position] : stop]


def read_manifest(folder: Path) -> ResultManifest:
    """Read a result's manifest and check it, but not the tables."""

    def reading() -> ResultManifest:
        values = load(folder)
        manifest: ResultManifest = _kind(values, folder).parse(values, folder / "manifest.json")
        return manifest

    return through_replacements(folder, reading)


def read(folder: Path, name: str | None = None) -> Result[Any]:
    """Read and check a result folder.

    Raises
    ------
    InfluenceError
        If it is no result folder, has another schema version, or a table is missing, damaged or incomplete.
    """
    return through_replacements(folder, lambda: _read(folder, name))


def _kind(values: dict[str, Any], folder: Path) -> Kind[Any]:
    """The kind that the manifest's method has; what all results share is checked first."""
    return kind_of(PLAIN.parse(values, folder / "manifest.json").method).of(values)


def _read(folder: Path, name: str | None) -> Result[Any]:
    values = load(folder)
    manifest, tables = _kind(values, folder).read_once(folder, values, AGAIN)
    _check_names(folder, tables)
    return Result(
        name or folder.name,
        folder,
        manifest,
        tables["influences"],
        tables["targets"].set_index("target"),
        tables["train"].set_index("train"),
        tables.get("reverse"),
    )


def _check_names(folder: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    """Raise unless rankings are sorted and all tables speak of the same targets and training examples."""
    targets, train = tables["targets"], tables["train"]
    for table, first in (("influences", "target"), ("reverse", "train")):
        if table not in tables:
            continue
        ranked = tables[table]
        order = ranked[first].to_numpy(np.int64) * 2**16 + ranked["rank"].to_numpy(np.int64)
        if (np.diff(order) <= 0).any():
            raise InfluenceError(f"{folder}: {table}.parquet is not sorted by {first}, then rank: compute it again.")
        unknown = set(ranked["target"].unique()) - set(targets["target"])
        if unknown:
            raise InfluenceError(f"{folder}: {table}.parquet names target {min(unknown)}, which targets.parquet lacks.")
        if not np.isin(ranked["train"].to_numpy(), train["train"].to_numpy()).all():
            raise InfluenceError(f"{folder}: {table}.parquet names training examples that train.parquet lacks.")
    if "nearest" in targets and not targets["nearest"].isin(train["train"]).all():
        raise InfluenceError(f"{folder}: targets.parquet names training examples that train.parquet lacks.")
