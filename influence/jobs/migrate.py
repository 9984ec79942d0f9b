"""Bring the folders of results that older versions wrote to what this version writes."""

import json
import shutil
from pathlib import Path

from influence import evidence, results
from influence.results.folder import remove, writing


def migrate(result: Path) -> list[str]:
    """Bring a result's folder, with its evidence, to what this version writes. Tables keep every byte.

    Parameters
    ----------
    result : Path

    Returns
    -------
    list of str
        What was done, a sentence each; empty if the folder is up to date.

    Raises
    ------
    InfluenceError
        If it is no result, a manifest or a table is damaged, or the folder can't be written to.
    """
    results.read_manifest(result)
    done = [_rename(former, now) for former, now in _renamed(result)]
    folders = [result, *(place for kind in evidence.KINDS if (place := evidence.place(result, kind)).exists())]
    return done + [f"{folder}: the hashes were added." for folder in folders if results.add_digest(folder)]


def _renamed(result: Path) -> list[tuple[Path, Path]]:
    """List the folders of evidence with a former name, each with the folder that it belongs in."""
    places = [(evidence.former_place(result, kind), result / "evidence" / kind) for kind in evidence.KINDS]
    return [(former, now) for former, now in places if former is not None and former.exists()]


def _rename(former: Path, now: Path) -> str:
    """Rename the folder of a kind of evidence, and the kind in its manifest; what was measured since then stays."""
    if now.exists():
        remove(former)
        return f"{former} was removed: {now} was measured later."
    with writing(now) as partial:
        for path in sorted(former.iterdir()):
            shutil.copyfile(path, partial / path.name)
        values = json.loads((former / "manifest.json").read_bytes())
        (partial / "manifest.json").write_bytes(results.to_bytes({**values, "kind": now.name}))
    remove(former)
    return f"{former} is {now} now."
