"""Folders on a system without locks of folders, as Windows is."""

import os
import sys
import time
from pathlib import Path

import pytest

from influence import results
from influence.results import folder as folders
from influence.results import locks
from tests.results.small import MANIFEST, tables, write


@pytest.fixture(autouse=True)
def _no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setattr(folders, "_PATIENCE", 0.05)


def leftover(parent: Path, days: float) -> Path:
    """A hidden folder with a file in it, in which nothing has changed for so many days."""
    path = parent / f".partial-{'d' * 32}"
    path.mkdir(parents=True)
    (path / "influences.parquet").write_bytes(b"half")
    then = time.time() - days * 86_400
    for each in (path / "influences.parquet", path):
        os.utime(each, (then, then))
    return path


def test_there_are_none() -> None:
    assert not locks.are_held()


def test_results_are_written_read_and_replaced(results_home: Path) -> None:
    folder = write(results_home / "one")
    with results.writing(folder, replace=True) as partial:
        results.write_tables(partial, MANIFEST | {"title": "new"}, tables())
    assert results.read(folder).manifest.title == "new"
    assert os.listdir(results_home) == ["one"]


def test_what_is_being_written_is_not_swept(results_home: Path) -> None:
    with results.writing(results_home / "one") as partial:
        (partial / "half").write_text("half")
        write(results_home / "two")
        assert (partial / "half").read_text() == "half"


@pytest.mark.parametrize(("days", "is_swept"), [(0, False), (6, False), (8, True)])
def test_what_is_left_is_swept_after_a_week(results_home: Path, days: float, is_swept: bool) -> None:
    left = leftover(results_home, days)
    results.sweep(results_home)
    assert left.exists() is not is_swept


def test_a_changed_file_deep_inside_counts(results_home: Path) -> None:
    left = leftover(results_home, 8)
    (left / "checkpoints").mkdir()
    (left / "checkpoints" / "epoch").write_text("")
    os.utime(left, (0, 0))
    os.utime(left / "checkpoints", (0, 0))
    results.sweep(results_home)
    assert left.exists()


def test_a_replacement_that_was_cut_short_is_put_back(results_home: Path) -> None:
    folder = write(results_home / "one")
    folder.rename(results_home / ".previous-one")
    results.sweep(results_home)
    assert os.listdir(results_home) == ["one"]
    results.read(folder)


def test_a_replacement_that_was_cut_short_at_the_end_is_finished(results_home: Path) -> None:
    folder = write(results_home / "one")
    write(results_home / "two").rename(results_home / ".previous-one")
    results.sweep(results_home)
    assert os.listdir(results_home) == ["one"]
    results.read(folder)
