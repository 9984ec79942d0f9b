"""Digests for the manifests of older versions, which were written without one."""

import uuid
from pathlib import Path

from influence.errors import explain_write_errors
from influence.manifests import has_digest, to_bytes
from influence.results.kind import AGAIN, load
from influence.results.manifest import Manifest
from influence.results.tables import Table, read_table, schema


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
    values, path = load(folder), folder / "manifest.json"
    if has_digest(values):
        return False
    for name, facts in Manifest.of(values, path, AGAIN).tables.items():
        read_table(folder / f"{name}.parquet", facts.sha256, Table(schema()), AGAIN)
    partial = folder / f".partial-{uuid.uuid4().hex}"
    with explain_write_errors(path):
        try:
            partial.write_bytes(to_bytes(values))
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    return True
