"""All results there are, of every data set and method: list them, open one, rename or delete one of the user's."""

import itertools
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from influence import homes, results
from influence.errors import InfluenceError, explain_write_errors
from influence.results.folder import remove

SHIPPED = "shipped"


@dataclass(frozen=True)
class Entry:
    """A result in the list of all: its manifest has been read, its tables have not.

    Parameters
    ----------
    id : str
        What lists of all results and links call it: ``digits/datamodels-lasso`` for one that ships, else the folder's
        name.
    name : str
        What lists of one data set and method call it: "shipped", or "shipped-lasso", for one that ships.
    path : Path
    manifest : ResultManifest
    """

    id: str
    name: str
    path: Path
    manifest: results.ResultManifest

    @property
    def dataset(self) -> str:
        return self.manifest.dataset

    @property
    def method(self) -> str:
        return self.manifest.method

    @property
    def has_classes(self) -> bool:
        """Whether its targets have classes."""
        return bool(self.manifest.classes)

    @property
    def is_shipped(self) -> bool:
        return homes.precomputed_home() in self.path.parents


def every() -> tuple[dict[str, Entry], list[str]]:
    """The results by id, those that ship first, then the newest; and what is wrong with other folders."""
    entries, problems = [], []
    for path in _folders():
        try:
            manifest = results.read_manifest(path)
        except InfluenceError as error:
            problems.append(str(error))
            continue
        entries.append(_shipped(path, manifest) if _ships(path) else Entry(path.name, path.name, path, manifest))
    shipped = [each for each in entries if each.is_shipped]
    own = [each for each in entries if not each.is_shipped]
    own.sort(key=lambda each: each.manifest.created, reverse=True)
    return {each.id: each for each in shipped + own}, problems


def _folders() -> Iterator[Path]:
    """What may be a result."""
    for manifest in sorted(homes.precomputed_home().glob("*/*/manifest.json")):
        yield manifest.parent
    own = homes.results_home()
    for path in sorted(own.iterdir()) if own.is_dir() else ():
        if path.is_dir() and not path.name.startswith("."):
            yield path


def _ships(path: Path) -> bool:
    return homes.precomputed_home() in path.parents


def _shipped(path: Path, manifest: results.ResultManifest) -> Entry:
    name = SHIPPED + "".join(path.name.partition("-")[1:])
    return Entry(f"{path.parent.name}/{path.name}", name, path, manifest)


def of_method(dataset: str, method: str) -> tuple[list[Entry], list[str]]:
    """The results of a method on a data set, the shipped ones first, then the newest; and what is wrong with others.

    ``precomputed/<dataset>/<method>`` is called "shipped", and ``<method>-lasso`` beside it "shipped-lasso".
    """
    found, problems = every()
    of_it = [each for each in found.values() if (each.dataset, each.method) == (dataset, method)]
    shipped = [each for each in of_it if each.is_shipped and each.path.name.partition("-")[0] == method]
    taken, own = {SHIPPED, *(each.name for each in shipped)}, []
    for each in of_it:
        if not each.is_shipped and each.name in taken:
            problems.append(f"{each.path} has the shipped result's name: rename the folder.")
        elif not each.is_shipped:
            own.append(each)
    return shipped + own, problems


def read(entry: Entry) -> results.Result[Any]:
    """A result of the list, read and checked; its name is its id.

    Raises
    ------
    InfluenceError
        If a table is missing or damaged, or the result is gone.
    """
    return results.read(entry.path, entry.id)


def free_name(name: str) -> str:
    """Check a name for a result of the user's (letters, digits, spaces, dots, - and _), which no other may have.

    Raises
    ------
    InfluenceError
        If it won't do.
    """
    name = name.strip()
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,79}", name) or name.startswith(SHIPPED):
        raise InfluenceError(
            f"{name!r} can't be a result's name: use up to 80 letters, digits, spaces, dots, - and _, "
            f"and not {SHIPPED!r} at its beginning."
        )
    if (homes.results_home() / name).exists():
        raise InfluenceError(f"There is a result called {name!r} already: choose another name.")
    return name


def unused_name(name: str) -> str:
    """A name with a number after it where it is taken: "tracin-seed-1", "tracin-seed-1-2"."""
    taken = (f"{name}-{number}" if number > 1 else name for number in itertools.count(1))
    return next(each for each in taken if not (homes.results_home() / each).exists())


def rename(entry: Entry, name: str) -> Path:
    """Give a result of the user's another name."""
    _refuse_shipped(entry)
    new = entry.path.parent / free_name(name)
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
    remove(doomed)


def _refuse_shipped(entry: Entry) -> None:
    if entry.is_shipped:
        raise InfluenceError("The shipped result is part of the project: it can't be renamed or deleted here.")


def _refuse_gone(entry: Entry) -> None:
    if not entry.path.exists():
        raise InfluenceError(f"The result {entry.name!r} is gone already: reload the list.")
