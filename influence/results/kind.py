"""A kind of folder: the class of its manifest and the schemas of its tables, with one reader and one writer."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import pandas as pd
import pyarrow as pa

from influence.errors import InfluenceError
from influence.results.folder import through_replacements
from influence.results.manifest import Manifest
from influence.results.manifest_file import has_digest, is_unchanged
from influence.results.tables import SCHEMA_VERSION, Table, read_table, write_tables

M = TypeVar("M", bound=Manifest)
AGAIN = "compute this result again"
Upgrade = Callable[[dict[str, Any]], dict[str, Any]]


def _as_it_is(values: dict[str, Any]) -> dict[str, Any]:
    return values


@dataclass(frozen=True)
class Kind(Generic[M]):
    """What a valid folder of one kind is.

    Parameters
    ----------
    manifest : type of Manifest
    tables : mapping of str to Table
        What the folder's tables hold, by their names.
    upgrade : callable
        From the values of a manifest that an older version wrote to those of today, in memory: it adds what can be
        told from the rest, and gives back what is up to date as it is.
    """

    manifest: type[M]
    tables: Mapping[str, Table]
    upgrade: Upgrade = _as_it_is

    def of(self, values: dict[str, Any]) -> "Kind[M]":
        """The kind of a folder whose manifest holds these values: this one."""
        return self

    def parse(self, values: dict[str, Any], path: Path, remedy: str = AGAIN) -> M:
        """The manifest of what `load` gives; the file and the remedy are for messages."""
        return self.manifest.of(self.upgrade(values), path, remedy)

    def read(self, folder: Path, remedy: str = AGAIN) -> tuple[M, dict[str, pd.DataFrame]]:
        """Manifest and tables of a folder, checked.

        Parameters
        ----------
        folder : Path
        remedy : str
            What to do about a damaged folder, as the end of a sentence.

        Raises
        ------
        InfluenceError
            If it is no such folder, has another schema version, or anything in it is missing or damaged.
        """
        return through_replacements(folder, lambda: self.read_once(folder, load(folder, remedy), remedy))

    def read_once(self, folder: Path, values: dict[str, Any], remedy: str) -> tuple[M, dict[str, pd.DataFrame]]:
        """Read like `read`, with the manifest's values at hand, and without a second try if the folder is replaced."""
        manifest = self.parse(values, folder / "manifest.json", remedy)
        hashes = {name: facts.sha256 for name, facts in manifest.tables.items()}
        return manifest, {
            name: read_table(folder / f"{name}.parquet", hashes.get(name), table, remedy)
            for name, table in self.tables.items()
        }

    def write(self, folder: Path, values: Mapping[str, Any], tables: Mapping[str, pa.Table]) -> None:
        """Write a manifest and tables that `read` accepts.

        Parameters
        ----------
        folder : Path
            From `influence.results.writing`.
        values : mapping
            The manifest but for schema version and tables.
        tables : mapping of str to pa.Table

        Raises
        ------
        ValueError
            If a table or a column is missing or of another type.
        InfluenceError
            If a value of the manifest is, or the folder can't be written to.
        """
        filled = {"schema_version": SCHEMA_VERSION, **values, "tables": {}}
        self.parse(filled, folder / "manifest.json")
        for name, wanted in self.tables.items():
            if name not in tables:
                raise ValueError(f"the table {name} is missing")
            if fault := wanted.fault(tables[name]):
                raise ValueError(f"the table {name} {fault}")
        write_tables(folder, values, tables)


@dataclass(frozen=True)
class OneOf:
    """The kinds of a method whose folders differ by a value that the manifest holds.

    Parameters
    ----------
    key : str
        The manifest's key.
    kinds : mapping of str to Kind
        By the key's values.
    upgrade : callable
        Like `Kind.upgrade`, before the key is looked at.
    """

    key: str
    kinds: Mapping[str, Kind[Any]]
    upgrade: Upgrade = _as_it_is

    def of(self, values: dict[str, Any]) -> Kind[Any]:
        """The kind of a folder whose manifest holds these values; the first, whose check then fails, if none fits."""
        found = self.upgrade(values).get(self.key)
        first, *_ = self.kinds.values()
        kind = self.kinds.get(found, first) if isinstance(found, str) else first
        return replace(kind, upgrade=self.upgrade)


def load(folder: Path, remedy: str = AGAIN) -> dict[str, Any]:
    """What a folder's manifest holds, checked for its schema version and its digest."""
    path = folder / "manifest.json"
    try:
        content = path.read_bytes()
        manifest: dict[str, Any] = json.loads(content)
    except FileNotFoundError as error:
        raise InfluenceError(f"{folder} is not a result folder: it has no manifest.json.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise InfluenceError(f"{path} can't be read ({error}): {remedy}.") from error
    version = manifest.get("schema_version") if isinstance(manifest, dict) else None
    if version != SCHEMA_VERSION:
        raise InfluenceError(
            f"{folder} has schema version {version}, and this program reads version {SCHEMA_VERSION}: compute it "
            "again with the settings in its manifest, or use the version of the program that made it."
        )
    if has_digest(manifest) and not is_unchanged(content):
        raise InfluenceError(
            f"{path} is damaged (the SHA-256 at its end is not that of what stands before it): {remedy}."
        )
    return manifest
