"""Digests for the manifests of older versions, which were written without one."""

import uuid
from pathlib import Path

from influence.errors import explain_write_errors
from influence.results.kind import AGAIN, load
from influence.results.manifest import Manifest
from influence.results.manifest_file import has_digest, to_bytes
from influence.results.tables import Table, named_files, read_table, schema


def add_digest(folder: Path) -> bool:
    """Give a manifest of an older version its own digest and the hashes of all files, and change nothing else.

    The folder is a result's or a piece of evidence's; its tables are compared with the manifest first.

    Returns
    -------
    bool
        False if it has them already.

    Raises
    ------
    InfluenceError
        If the manifest or a table is damaged, or the manifest can't be written.
    """
    values, path = load(folder), folder / "manifest.json"
    others = named_files(folder)
    if has_digest(values) and ("files" in values or not others):
        return False
    for name, facts in Manifest.of(values, path, AGAIN).tables.items():
        read_table(folder / f"{name}.parquet", facts.sha256, Table(schema()), AGAIN)
    partial = folder / f".partial-{uuid.uuid4().hex}"
    with explain_write_errors(path):
        try:
            partial.write_bytes(to_bytes({**values, **others, "tables": values["tables"]}))
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    return True
