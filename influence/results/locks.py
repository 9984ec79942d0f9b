"""Locks of folders, which tell whether the process that writes into one is alive."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_LONG_AGO = 7 * 86_400  # seconds without a change, after which a folder counts as left by a killed process


@contextmanager
def locked(folder: Path) -> Iterator[bool]:
    """Hold a folder's lock, which ends with the process however that ends; yields whether it was free.

    The lock belongs to the folder, not to its name, so it stays through a rename. Where the system has no such locks
    (Windows), nothing is held: a folder then counts as free once nothing in it has changed for a week.
    """
    lock = _lock()
    if lock is None:
        yield _is_old(folder)
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield lock(descriptor)
    finally:
        os.close(descriptor)


def are_held() -> bool:
    """Whether this system has locks of folders, so that a free one has no living writer."""
    return _lock() is not None


def _lock() -> Callable[[int], bool] | None:
    try:
        import fcntl
    except ImportError:
        return None

    def lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    return lock


def _is_old(folder: Path) -> bool:
    changed = max(path.stat().st_mtime for path in (folder, *folder.rglob("*")))
    return time.time() - changed > _LONG_AGO
