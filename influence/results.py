"""Result folders: what a job leaves and the explorer reads.

A result is a folder::

    manifest.json         what was computed, from what, how, and how far it can be trusted
    influences.parquet    target int32, train int32, rank int16, score float32; sorted by target, then rank
    targets.parquet       one row a target:           target int32, score_percentiles list<float32>[101], ...
    train.parquet         one row a training example: train int32, ...
    reverse.parquet       train, target, rank, score: the strongest targets of every training example (images)
    checkpoints/          the weights that the scores come from (TracIn)
    evidence/             how far the scores can be trusted, where that was measured: see `influence.evidence`

Rank 1, 2, ... are the most positive training examples, -1, -2, ... the most negative; positive helps. A negative target
is a group of targets, listed under ``groups`` in the manifest: its scores are the sums of its members'. Of images,
scores and their percentiles are rounded to 11 significant bits, removal curves to 16 (`jobs.base.shortened`).

A folder is written aside and renamed when complete, so a reader never sees half of one. The manifest holds every
table's SHA-256 and, as its last value, that of its own bytes before it, so what is damaged is noticed. Manifests from
before there was this last value are read, too: see `influence.manifests`.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from influence import manifests
from influence.errors import InfluenceError, explain_write_errors

SCHEMA_VERSION = 1
SHIPPED = "shipped"
PERCENTILES = np.arange(101)

_COLUMNS = {
    "influences": {"target": "int32", "train": "int32", "rank": "int16", "score": "float32"},
    "targets": {"target": "int32", "score_percentiles": "object"},
    "train": {"train": "int32"},
}
_MANIFEST: dict[str, type | tuple[type, ...]] = {
    "dataset": str,
    "dataset_hash": str,
    "method": str,
    "title": str,
    "learner": str,
    "config": dict,
    "caveat": str,
    "created": str,
    "seconds": (int, float),
    "quality": dict,
    "tables": dict,
    "k": int,
}


_PATIENCE = 1.0  # seconds that a reader waits for a replacement, whose two renames are an instant apart

_T = TypeVar("_T")


@dataclass(frozen=True)
class _Method:
    """What the results of one method hold beside what all do."""

    manifest: dict[str, type]
    columns: dict[str, dict[str, str]]
    optional: dict[str, dict[str, str]] = field(default_factory=dict)  # columns that older results lack


_HOUSE = dict.fromkeys(("residual", "price", "prediction", "latitude", "longitude"), "float32")
_IMAGE = {**dict.fromkeys(("label", "prediction"), "int16"), **dict.fromkeys(("loss", "margin"), "float32")}
_REVERSE = {"train": "int32", "target": "int32", "rank": "int16", "score": "float32"}
_METHODS = {
    "tracin": _Method(
        manifest={"checkpoint_epochs": list, "named_top_k": int, "groups": list, "loss_curve": dict},
        columns={"targets": _HOUSE, "train": {"self_influence": "float32", **_HOUSE}},
    ),
    "datamodels": _Method(
        manifest={"classes": list, "removal_counts": list, "reverse_k": int, "subset_size": int, "protocol": str},
        columns={
            "targets": {
                **dict.fromkeys(("label", "prediction"), "int16"),
                "support": "int32",
                "removal": "object",
                **dict.fromkeys(
                    ("agreement", "correct", "margin", "margin_sd", "intercept", "weight_sum", "weight_sd"), "float32"
                ),
                **dict.fromkeys(("lds", "correlation", "error"), "float32"),
            },
            "train": {"label": "int16", "own_class": "float32", "other_classes": "float32"},
            "reverse": _REVERSE,
        },
        optional={
            "targets": {"nearest": "int32", "nearest_similarity": "float32", "between_classes": "float32"},
        },
    ),
    "tracin on images": _Method(
        manifest={"checkpoint_epochs": list, "classes": list, "reverse_k": int, "loss_curve": dict},
        columns={"targets": _IMAGE, "train": {"self_influence": "float32", **_IMAGE}, "reverse": _REVERSE},
    ),
}


def precomputed_home() -> Path:
    """The results that ship with the project."""
    return Path(__file__).parent.parent / "precomputed"


def results_home() -> Path:
    """The user's own results: ``$INFLUENCE_RESULTS_DIR``, or ``results/`` in the current folder."""
    return Path(os.environ.get("INFLUENCE_RESULTS_DIR", "results"))


@dataclass(frozen=True)
class Result:
    """One validated result folder.

    Attributes
    ----------
    name : str
        The folder's name; of those that ship, "shipped", or "shipped-" and what sets it apart.
    manifest : dict
    influences, targets, train : pd.DataFrame
        The tables; ``targets`` and ``train`` are indexed by example.
    reverse : pd.DataFrame or None
        Likewise, of the methods that keep it: the strongest targets of every training example.
    """

    name: str
    path: Path
    manifest: dict[str, Any]
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
            raise ValueError(f"results of {self.manifest['method']} keep no reverse table")
        return _Sorted(self.reverse, "train")

    def of(self, target: int) -> pd.DataFrame:
        """The influences on one target (or group), sorted by rank: most negative first, most positive last."""
        return self._of_target[target]

    def by(self, train: int) -> pd.DataFrame:
        """The influences of one training example on the targets that it hurts and helps most, sorted by rank."""
        return self._by_train[train]

    @property
    def groups(self) -> dict[int, dict[str, Any]]:
        """Groups of targets by their (negative) id, each with a title and its targets."""
        return {int(group["id"]): group for group in self.manifest.get("groups", [])}


class _Sorted:
    """A table sorted by a column: the rows of one value."""

    def __init__(self, frame: pd.DataFrame, column: str) -> None:
        self._frame = frame
        self._values, self._starts = np.unique(frame[column].to_numpy(), return_index=True)

    def __getitem__(self, value: int) -> pd.DataFrame:
        place = int(np.searchsorted(self._values, value))
        if place == len(self._values) or self._values[place] != value:
            raise KeyError(value)
        stop = self._starts[place + 1] if place + 1 < len(self._starts) else len(self._frame)
        return self._frame.iloc[self._starts[place] : stop]


@dataclass(frozen=True)
class Entry:
    """A result folder in a list: its manifest has been read, its tables have not."""

    name: str
    path: Path
    created: str

    @property
    def is_shipped(self) -> bool:
        return precomputed_home() in self.path.parents


@contextmanager
def writing(folder: Path, replace: bool = False) -> Iterator[Path]:
    """A temporary folder beside ``folder``, which takes its place when the block ends well.

    If the block raises or is interrupted, nothing is left. If the process is killed, a hidden folder remains that no
    reader sees; the next write beside it sweeps it away.

    Raises
    ------
    InfluenceError
        If ``folder`` exists and ``replace`` is false, is something else than a result, or can't be written to.
    """
    folder = Path(os.path.abspath(folder))
    with _explain_write_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        sweep(folder.parent)
        if os.path.lexists(folder) and not replace:
            raise _taken(f"{folder} exists already: choose another folder", ", or add --replace")
        if os.path.lexists(folder) and not _is_replaceable(folder):
            raise _taken(f"{folder} is not a result folder, so it is not replaced: choose another folder")
        partial = folder.parent / f".partial-{uuid.uuid4().hex}"
        partial.mkdir()
    with _locked(partial):
        try:
            yield partial
            with _explain_write_errors(folder):
                _rename_into_place(partial, folder, replace)
        except InfluenceError as error:  # the hidden folder's name says nothing to anyone
            raise error.reworded(str(partial), str(folder)) from error
        finally:
            _remove(partial)


def _taken(what: str, more: str = "") -> InfluenceError:
    """The error for a folder that can't be written because of what is there."""
    return InfluenceError(f"{what}.", f"{what} with --out{more}.")


def _explain_write_errors(folder: Path) -> AbstractContextManager[None]:
    """As `explain_write_errors`, of what the user chose a place for."""
    return explain_write_errors(folder, "--out", "INFLUENCE_RESULTS_DIR")


def _is_replaceable(folder: Path) -> bool:
    """Whether a folder is empty or a result of any schema version: anything else may be dear to someone."""
    if not folder.is_dir() or not any(folder.iterdir()):
        return folder.is_dir()
    try:
        return "schema_version" in json.loads((folder / "manifest.json").read_text())
    except (OSError, ValueError, TypeError, RecursionError):
        return False


def _rename_into_place(partial: Path, folder: Path, replace: bool) -> None:
    sweep(folder.parent)  # another writer may have been killed while this one worked
    if not os.path.lexists(folder):
        partial.rename(folder)
        return
    if not replace:
        raise _taken(f"{folder} appeared while this was running: run this again with another folder")
    previous = folder.parent / f".previous-{folder.name}"
    with _locked(folder):
        folder.rename(previous)
        try:
            partial.rename(folder)
        except BaseException:
            previous.rename(folder)
            raise
        _remove(previous)


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Hold a folder's lock, which ends with the process however that ends; yields whether it was free.

    The lock belongs to the folder, not to its name, so it stays through a rename.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        free = True
    except OSError:
        free = False
    try:
        yield free
    finally:
        os.close(descriptor)


def sweep(parent: Path) -> None:
    """Remove what killed writers left below ``parent``; put back a result whose replacement was cut short."""
    for leftover in parent.glob(".partial-*"):
        if re.fullmatch(r"\.partial-[0-9a-f]{32}", leftover.name):
            with suppress(OSError), _locked(leftover) as free:
                if free:
                    _remove(leftover)
    for leftover in parent.glob(".previous-*"):
        name = leftover.name.removeprefix(".previous-")
        with suppress(OSError), _locked(leftover) as free:
            if free and not (parent / name).exists():
                leftover.rename(parent / name)
            elif free:
                _remove(leftover)


def _remove(folder: Path) -> None:
    """Delete a folder, or the link where it is one, as far as that is possible."""
    if folder.is_symlink():
        folder.unlink(missing_ok=True)
    else:
        shutil.rmtree(folder, ignore_errors=True)


def write_tables(folder: Path, manifest: dict[str, Any], tables: dict[str, pa.Table]) -> None:
    """Write the tables, then the manifest with their hashes."""
    with _explain_write_errors(folder):
        _write_tables(folder, manifest, tables)


def _write_tables(folder: Path, manifest: dict[str, Any], tables: dict[str, pa.Table]) -> None:
    files = {}
    for name, table in tables.items():
        path = folder / f"{name}.parquet"
        # Scores are noise to a compressor until their bytes are split into streams.
        floats = [field.name for field in table.schema if pa.types.is_float32(field.type)]
        floats += [
            f"{field.name}.list.element"
            for field in table.schema
            if pa.types.is_fixed_size_list(field.type) and pa.types.is_float32(field.type.value_type)
        ]
        pq.write_table(
            table,
            path,
            compression="zstd",
            compression_level=9,
            use_dictionary=[field.name for field in table.schema if field.name not in floats],
            use_byte_stream_split=floats,
            row_group_size=1 << 20,
        )
        files[name] = {"rows": table.num_rows, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    complete = {"schema_version": SCHEMA_VERSION, **manifest, "tables": files}
    (folder / "manifest.json").write_bytes(manifests.to_bytes(complete))


def add_digest(folder: Path) -> bool:
    """Give a manifest that was written before there were digests its own, and change nothing else.

    The folder is a result's or a piece of evidence's; its tables are compared with the manifest first.

    Returns
    -------
    bool
        False if it has a digest already.

    Raises
    ------
    InfluenceError
        If the manifest or a table is damaged, or the manifest can't be written.
    """
    manifest, path = _load_manifest(folder), folder / "manifest.json"
    if manifests.has_digest(manifest):
        return False
    for table in manifest["tables"]:
        _read_table(folder, table, manifest, {}, {})
    partial = folder / f".partial-{uuid.uuid4().hex}"
    with explain_write_errors(path):
        try:
            partial.write_bytes(manifests.to_bytes(manifest))
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    return True


def read_manifest(folder: Path) -> dict[str, Any]:
    """A result's manifest, checked for schema version and required keys."""
    return _through_replacements(folder, lambda: _read_manifest(folder))


def _through_replacements(folder: Path, reading: Callable[[], _T]) -> _T:
    """What ``reading`` gives; it is tried again where the folder was replaced, or is being replaced, meanwhile."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        before = _identity(folder)
        try:
            return reading()
        except InfluenceError:
            is_absent = before is None and not os.path.lexists(folder.parent / f".previous-{folder.name}")
            if time.monotonic() > deadline or (_identity(folder) == before and (before or is_absent)):
                raise
        time.sleep(0.005)


def _identity(folder: Path) -> tuple[int, int] | None:
    """Which folder has this name: another one after a replacement, and None between its two renames."""
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def read_parts(
    folder: Path, columns: dict[str, dict[str, str]], expected: Mapping[str, type | tuple[type, ...]]
) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    """Manifest and tables of a folder that was written like a result but is none (evidence, say), checked likewise.

    Parameters
    ----------
    folder : Path
    columns : dict
        Each table's columns and their dtypes.
    expected : dict
        The manifest's keys and the types of their values.
    """

    def reading() -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
        manifest = _load_manifest(folder)
        _check_values(folder / "manifest.json", manifest, expected)
        tables = {table: _read_table(folder, table, manifest, columns[table], {}) for table in columns}
        return manifest, tables

    return _through_replacements(folder, reading)


def _load_manifest(folder: Path) -> dict[str, Any]:
    path = folder / "manifest.json"
    try:
        content = path.read_bytes()
        manifest: dict[str, Any] = json.loads(content)
    except FileNotFoundError as error:
        raise InfluenceError(f"{folder} is not a result folder: it has no manifest.json.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise InfluenceError(f"{path} can't be read ({error}): compute this result again.") from error
    version = manifest.get("schema_version") if isinstance(manifest, dict) else None
    if version != SCHEMA_VERSION:
        raise InfluenceError(
            f"{folder} has schema version {version}, and this program reads version {SCHEMA_VERSION}: compute it "
            "again with the settings in its manifest, or use the version of the program that made it."
        )
    if manifests.has_digest(manifest) and not manifests.is_unchanged(content):
        raise InfluenceError(
            f"{path} is damaged (the SHA-256 at its end is not that of what stands before it): compute this result "
            "again."
        )
    return manifest


def _read_manifest(folder: Path) -> dict[str, Any]:
    manifest, path = _load_manifest(folder), folder / "manifest.json"
    _check_values(path, manifest, _MANIFEST)
    if _kind(manifest) in _METHODS:
        _check_values(path, manifest, _METHODS[_kind(manifest)].manifest)
    return manifest


def _check_values(path: Path, manifest: dict[str, Any], expected: Mapping[str, type | tuple[type, ...]]) -> None:
    absent = [key for key in expected if key not in manifest]
    if absent:
        raise InfluenceError(f"{path} lacks {', '.join(absent)}: compute this result again.")
    for key, kind in expected.items():
        if not isinstance(manifest[key], kind):
            raise InfluenceError(
                f"{path} is damaged ({key} is {str(manifest[key])[:80]!r}, which is not of its type): compute this "
                "result again."
            )


def read(folder: Path, name: str | None = None) -> Result:
    """Read and check a result folder.

    Raises
    ------
    InfluenceError
        If it is no result folder, has another schema version, or a table is missing, damaged or incomplete.
    """
    return _through_replacements(folder, lambda: _read(folder, name))


def _read(folder: Path, name: str | None) -> Result:
    manifest = _read_manifest(folder)
    kind = _kind(manifest)
    columns, optional = _columns(kind), _optional_columns(kind)
    tables = {table: _read_table(folder, table, manifest, columns[table], optional.get(table, {})) for table in columns}
    influences, targets, train = tables["influences"], tables["targets"], tables["train"]
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
    return Result(
        name or folder.name,
        folder,
        manifest,
        influences,
        targets.set_index("target"),
        train.set_index("train"),
        tables.get("reverse"),
    )


def _kind(manifest: dict[str, Any]) -> str:
    """The method, or "tracin on images" where TracIn's targets have classes: its tables differ from those on houses."""
    return "tracin on images" if manifest["method"] == "tracin" and "classes" in manifest else manifest["method"]


def _columns(method: str) -> dict[str, dict[str, str]]:
    """The tables of a method's results, and the columns of each."""
    own = _METHODS[method].columns if method in _METHODS else {}
    return {table: _COLUMNS.get(table, {}) | own.get(table, {}) for table in [*_COLUMNS, *(set(own) - set(_COLUMNS))]}


def _optional_columns(method: str) -> dict[str, dict[str, str]]:
    """Columns that are of the given type where they are there, by table."""
    return _METHODS[method].optional if method in _METHODS else {}


def _read_table(
    folder: Path, table: str, manifest: dict[str, Any], columns: dict[str, str], optional: dict[str, str]
) -> pd.DataFrame:
    path = folder / f"{table}.parquet"
    again = "compute this result again, or delete it"
    try:
        content = path.read_bytes()
        expected = manifest["tables"][table]["sha256"]
    except FileNotFoundError as error:
        raise InfluenceError(f"{path} is missing: {again}.") from error
    except OSError as error:
        raise InfluenceError(f"{path} can't be read ({error}): {again}.") from error
    except (KeyError, TypeError) as error:
        raise InfluenceError(f"{folder / 'manifest.json'} says nothing of {path.name}: {again}.") from error
    if hashlib.sha256(content).hexdigest() != expected:
        raise InfluenceError(f"{path} is damaged (its SHA-256 is not the manifest's): {again}.")
    try:
        frame: pd.DataFrame = pq.read_table(pa.BufferReader(content)).to_pandas()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InfluenceError(f"{path} is not a parquet file that can be read ({error}): {again}.") from error
    for column, dtype in (columns | {name: kind for name, kind in optional.items() if name in frame}).items():
        if column not in frame or str(frame[column].dtype) != dtype:
            raise InfluenceError(f"{path} has no column {column} of type {dtype}: {again}.")
    return frame


def percentile_column(percentiles: np.ndarray) -> pa.Array:
    """(n, 101) float32 as one Arrow column of fixed-size lists."""
    flat = pa.array(np.ascontiguousarray(percentiles, dtype=np.float32).ravel())
    return pa.FixedSizeListArray.from_arrays(flat, percentiles.shape[1])


def catalogue(dataset: str, method: str) -> tuple[list[Entry], list[str]]:
    """The results of a method on a data set, the shipped ones first, then the newest; and what is wrong with others.

    ``precomputed/<dataset>/<method>`` is called "shipped", and ``<method>-lasso`` beside it "shipped-lasso".
    """
    entries: list[Entry] = []
    problems = []
    shipped = _shipped(dataset, method)
    for name, path in [*shipped.items(), *_own().items()]:
        try:
            manifest = read_manifest(path)
            if name in (SHIPPED, *shipped) and path != shipped.get(name):
                raise InfluenceError(f"{path} has the shipped result's name: rename the folder.")
        except InfluenceError as error:
            problems.append(str(error))
            continue
        if (manifest["dataset"], manifest["method"]) == (dataset, method):
            entries.append(Entry(name, path, manifest["created"]))
    first = [entry for entry in entries if entry.is_shipped]
    own = [entry for entry in entries if not entry.is_shipped]
    return first + sorted(own, key=lambda entry: entry.created, reverse=True), problems


def _shipped(dataset: str, method: str) -> dict[str, Path]:
    """The folders that ship, by the names that they have in lists and links: the plain one, then the others by name."""
    found = sorted((precomputed_home() / dataset).glob(f"{method}*"))
    names = {path: path.name.removeprefix(method) for path in found}
    return {SHIPPED + rest: path for path, rest in names.items() if rest == "" or rest.startswith("-")}


def _own() -> dict[str, Path]:
    home = results_home()
    folders = home.iterdir() if home.is_dir() else ()
    return {path.name: path for path in folders if path.is_dir() and not path.name.startswith(".")}


def rename(entry: Entry, name: str) -> Path:
    """Give a result of the user's another name (letters, digits, spaces, dots, - and _)."""
    _refuse_shipped(entry)
    name = name.strip()
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,79}", name) or name.startswith(SHIPPED):
        raise InfluenceError(
            f"{name!r} can't be a result's name: use up to 80 letters, digits, spaces, dots, - and _, "
            f"and not {SHIPPED!r} at its beginning."
        )
    new = entry.path.parent / name
    if new.exists():
        raise InfluenceError(f"There is a result called {name!r} already: choose another name.")
    _refuse_gone(entry)
    with explain_write_errors(new):
        entry.path.rename(new)
    return new


def delete(entry: Entry) -> None:
    """Delete a result of the user's. It disappears at once: a reader never finds half of it."""
    _refuse_shipped(entry)
    _refuse_gone(entry)
    doomed = entry.path.parent / f".partial-{uuid.uuid4().hex}"
    with explain_write_errors(entry.path):
        entry.path.rename(doomed)
    _remove(doomed)


def _refuse_shipped(entry: Entry) -> None:
    if entry.is_shipped:
        raise InfluenceError("The shipped result is part of the project: it can't be renamed or deleted here.")


def _refuse_gone(entry: Entry) -> None:
    if not entry.path.exists():
        raise InfluenceError(f"The result {entry.name!r} is gone already: reload the list.")
