"""Folders that are written aside and renamed when complete, so that a reader never sees half of one."""

import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from influence.errors import InfluenceError, explain_write_errors
from influence.results import locks

_PATIENCE = 1.0  # seconds that a reader waits for a replacement, whose two renames are an instant apart
_T = TypeVar("_T")


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
    with explain_where(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        sweep(folder.parent)
        if os.path.lexists(folder) and not replace:
            raise _taken(f"{folder} exists already: choose another folder", ", or add --replace")
        if os.path.lexists(folder) and not _is_replaceable(folder):
            raise _taken(f"{folder} is not a result folder, so it is not replaced: choose another folder")
        partial = folder.parent / f".partial-{uuid.uuid4().hex}"
        partial.mkdir()
    with locks.locked(partial):
        try:
            yield partial
            with explain_where(folder):
                _rename_into_place(partial, folder, replace)
        except InfluenceError as error:  # the hidden folder's name says nothing to anyone
            raise error.reworded(str(partial), str(folder)) from error
        finally:
            remove(partial)


def _taken(what: str, more: str = "") -> InfluenceError:
    """The error for a folder that can't be written because of what is there."""
    return InfluenceError(f"{what}.", f"{what} with --out{more}.")


def explain_where(folder: Path) -> AbstractContextManager[None]:
    """`explain_write_errors` for a folder whose place the user chose."""
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
    with locks.locked(folder):
        folder.rename(previous)
        try:
            partial.rename(folder)
        except BaseException:
            previous.rename(folder)
            raise
        remove(previous)


def sweep(parent: Path) -> None:
    """Remove what killed writers left below ``parent``; put back a result whose replacement was cut short."""
    for leftover in parent.glob(".partial-*"):
        if re.fullmatch(r"\.partial-[0-9a-f]{32}", leftover.name):
            with suppress(OSError), locks.locked(leftover) as free:
                if free:
                    remove(leftover)
    for leftover in parent.glob(".previous-*"):
        name = leftover.name.removeprefix(".previous-")
        with suppress(OSError), _claimed(leftover) as free:
            if free and not (parent / name).exists():
                leftover.rename(parent / name)
            elif free:
                remove(leftover)


@contextmanager
def _claimed(previous: Path) -> Iterator[bool]:
    """Whether the writer that put a folder aside is gone: without locks, if it does not go on within a second."""
    if locks.are_held():
        with locks.locked(previous) as free:
            yield free
        return
    time.sleep(_PATIENCE)
    yield previous.exists()


def remove(folder: Path) -> None:
    """Delete a folder, or the link where it is one, as far as that is possible."""
    if folder.is_symlink():
        folder.unlink(missing_ok=True)
    else:
        shutil.rmtree(folder, ignore_errors=True)


def through_replacements(folder: Path, reading: Callable[[], _T]) -> _T:
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
