"""Tables of a folder: Parquet files whose columns an Arrow schema names, written and checked by the same schema."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from influence.errors import InfluenceError
from influence.results.folder import explain_where
from influence.results.manifest_file import to_bytes

SCHEMA_VERSION = 1
CATEGORY = pa.dictionary(pa.int32(), pa.string())
FLOATS = pa.list_(pa.float32())


def schema(**columns: pa.DataType) -> pa.Schema:
    """An Arrow schema, a column an argument."""
    return pa.schema(list(columns.items()))


def of_type(type_: pa.DataType, *names: str) -> dict[str, pa.DataType]:
    """Columns of one type."""
    return dict.fromkeys(names, type_)


@dataclass(frozen=True)
class Table:
    """What a table must hold.

    Parameters
    ----------
    columns : pa.Schema
        A list of any length, fixed or not, stands for every kind of list of the same values.
    optional : pa.Schema
        Columns that tables of older versions lack; they are checked where they are.
    """

    columns: pa.Schema
    optional: pa.Schema = field(default_factory=lambda: pa.schema([]))

    def fault(self, table: pa.Table) -> str | None:
        """What is wrong with a table, as the end of a sentence; None if nothing is."""
        for each in (*self.columns, *(one for one in self.optional if one.name in table.column_names)):
            if each.name not in table.column_names or not _is_like(table.column(each.name), each.type):
                return f"has no column {each.name} of type {_name(each.type)}"
        return None


def _is_like(column: pa.ChunkedArray, wanted: pa.DataType) -> bool:
    found = column.type
    if pa.types.is_dictionary(wanted):
        return bool(pa.types.is_dictionary(found) and found.value_type == wanted.value_type)
    if pa.types.is_list(wanted):
        is_list = pa.types.is_list(found) or pa.types.is_large_list(found) or pa.types.is_fixed_size_list(found)
        return bool(is_list and found.value_type == wanted.value_type)
    return bool(found == wanted and not (pa.types.is_integer(wanted) and column.null_count))


def _name(type_: pa.DataType) -> str:
    if pa.types.is_dictionary(type_):
        return "category"
    if pa.types.is_list(type_):
        return f"list of {_name(type_.value_type)}"
    return str(np.dtype(type_.to_pandas_dtype()))


def write_tables(folder: Path, manifest: Mapping[str, Any], tables: Mapping[str, pa.Table]) -> None:
    """Write the tables, then the manifest with their hashes."""
    with explain_where(folder):
        files = {}
        for name, table in tables.items():
            path = folder / f"{name}.parquet"
            _write(table, path)
            files[name] = {"rows": table.num_rows, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        complete = {"schema_version": SCHEMA_VERSION, **manifest, **named_files(folder), "tables": files}
        (folder / "manifest.json").write_bytes(to_bytes(complete))


def hashes_beside(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file of a folder beside its tables, manifest and evidence, by its path within the folder."""
    found = (path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file())
    return {
        path.as_posix(): hashlib.sha256((folder / path).read_bytes()).hexdigest()
        for path in found
        if path.suffix != ".parquet" and path.name != "manifest.json" and path.parts[0] != "evidence"
    }


def named_files(folder: Path) -> dict[str, dict[str, str]]:
    """What a manifest says of the files beside its tables; nothing where there are none."""
    hashes = hashes_beside(folder)
    return {"files": hashes} if hashes else {}


def check_files(folder: Path, files: Mapping[str, str], remedy: str) -> None:
    """Compare files that stand beside the tables with the hashes of a manifest.

    Raises
    ------
    InfluenceError
        If one is missing or damaged.
    """
    for name, sha256 in files.items():
        path = folder / name
        try:
            content = path.read_bytes()
        except FileNotFoundError as error:
            raise InfluenceError(f"{path} is missing: {remedy}.") from error
        except OSError as error:
            raise InfluenceError(f"{path} can't be read ({error}): {remedy}.") from error
        if hashlib.sha256(content).hexdigest() != sha256:
            raise InfluenceError(f"{path} is damaged (its SHA-256 is not the manifest's): {remedy}.")


def _write(table: pa.Table, path: Path) -> None:
    # Scores are noise to a compressor until their bytes are split into streams.
    floats = [each.name for each in table.schema if pa.types.is_float32(each.type)]
    floats += [
        f"{each.name}.list.element"
        for each in table.schema
        if pa.types.is_fixed_size_list(each.type) and pa.types.is_float32(each.type.value_type)
    ]
    pq.write_table(
        table,
        path,
        compression="zstd",
        compression_level=9,
        use_dictionary=[each.name for each in table.schema if each.name not in floats],
        use_byte_stream_split=floats,
        row_group_size=1 << 20,
    )


def read_table(path: Path, sha256: str | None, wanted: Table, remedy: str) -> pd.DataFrame:
    """A table whose bytes are those of the manifest's hash, and whose columns are the wanted ones.

    Parameters
    ----------
    path : Path
    sha256 : str or None
        None where the manifest does not name the table.
    wanted : Table
    remedy : str
        What to do about a damaged one, as the end of a sentence.
    """
    again = f"{remedy}, or delete it"
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise InfluenceError(f"{path} is missing: {again}.") from error
    except OSError as error:
        raise InfluenceError(f"{path} can't be read ({error}): {again}.") from error
    if sha256 is None:
        raise InfluenceError(f"{path.parent / 'manifest.json'} says nothing of {path.name}: {again}.")
    if hashlib.sha256(content).hexdigest() != sha256:
        raise InfluenceError(f"{path} is damaged (its SHA-256 is not the manifest's): {again}.")
    try:
        table = pq.read_table(pa.BufferReader(content))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InfluenceError(f"{path} is not a parquet file that can be read ({error}): {again}.") from error
    if fault := wanted.fault(table):
        raise InfluenceError(f"{path} {fault}: {again}.")
    frame: pd.DataFrame = table.to_pandas()
    return frame
