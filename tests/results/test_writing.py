"""Writing results: whole or not at all, and never over what is no result."""

import errno
import os
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from influence import InfluenceError, results
from tests.results.small import MANIFEST, tables, write


def test_an_existing_folder_is_not_touched_without_replace(folder):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(InfluenceError, match=r"exists already: [^-]*$") as caught:
        write(folder)
    assert caught.value.typed.endswith("--replace.")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert os.listdir(folder.parent) == ["one"]


def test_replace_takes_its_place_only_when_complete(folder):
    with results.writing(folder, replace=True) as partial:
        results.write_tables(partial, MANIFEST | {"title": "new"}, tables())
        assert results.read(folder).manifest.title == MANIFEST["title"]
        (partial / "extra").write_text("")
    assert results.read(folder).manifest.title == "new"
    assert os.listdir(folder.parent) == ["one"]


@pytest.mark.parametrize("error", [ValueError("oh"), KeyboardInterrupt(), SystemExit(3)])
@pytest.mark.parametrize("replace", [False, True])
def test_an_exception_leaves_nothing_and_the_old_one_as_it_was(folder, error, replace):
    target = folder if replace else folder.parent / "two"

    def work() -> None:
        with results.writing(target, replace) as partial:
            (partial / "half").write_text("half")
            raise error

    with pytest.raises(type(error)):
        work()
    assert os.listdir(folder.parent) == ["one"]
    results.read(folder)


def test_a_replacement_that_fails_halfway_puts_the_old_one_back(folder, monkeypatch):
    rename = Path.rename

    def fail(self: Path, target: Path) -> Path:
        if self.name.startswith(".partial-"):
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(InfluenceError, match="Input/output error"), results.writing(folder, replace=True) as partial:
        results.write_tables(partial, MANIFEST, tables())
    assert os.listdir(folder.parent) == ["one"]
    results.read(folder)


@pytest.mark.parametrize("kind", ["other files", "results inside", "a file"])
def test_replace_never_deletes_what_is_no_result(folder, kind):
    parent = folder.parent
    target = parent / "mine"
    if kind == "a file":
        target.write_text("my thesis")
    elif kind == "other files":
        target.mkdir()
        (target / "thesis.txt").write_text("my thesis")
    else:
        target = parent  # --out results --replace
    refused = pytest.raises(InfluenceError, match="is not a result folder, so it is not replaced")
    with refused, results.writing(target, replace=True):
        pytest.fail("the work must not start")
    results.read(folder)
    assert set(os.listdir(parent)) <= {"one", "mine"}


def test_replace_takes_an_empty_folder_and_a_damaged_result(folder):
    (folder / "train.parquet").unlink()
    (folder.parent / "empty").mkdir()
    for target in (folder, folder.parent / "empty"):
        with results.writing(target, replace=True) as partial:
            results.write_tables(partial, MANIFEST, tables())
        results.read(target)


def test_one_that_appears_meanwhile_is_kept(results_home):
    refused = pytest.raises(InfluenceError, match="appeared while this was running")
    with refused, results.writing(results_home / "one"):
        (results_home / "one").mkdir()
        (results_home / "one" / "theirs").write_text("")
    assert os.listdir(results_home) == ["one"]
    assert os.listdir(results_home / "one") == ["theirs"]


@pytest.fixture
def linked(folder, tmp_path) -> Path:
    """Where the result really is that `folder` links to, as on another disk."""
    elsewhere = tmp_path / "elsewhere"
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)
    return elsewhere


def test_replacing_a_link_leaves_what_it_points_to(folder, linked):
    with results.writing(folder, replace=True) as partial:
        results.write_tables(partial, MANIFEST | {"title": "new"}, tables())
    assert not folder.is_symlink()
    assert results.read(folder).manifest.title == "new"
    assert results.read(linked).manifest.title == MANIFEST["title"]
    assert os.listdir(folder.parent) == ["one"]


@pytest.mark.parametrize("replace", [False, True])
def test_a_link_to_nothing_is_refused_before_any_work(results_home, replace):
    results_home.mkdir()
    (results_home / "one").symlink_to("nowhere")
    with pytest.raises(InfluenceError, match="one "), results.writing(results_home / "one", replace):
        pytest.fail("the work must not start")
    assert os.listdir(results_home) == ["one"]


def test_a_place_that_really_cannot_be_written_to():
    with pytest.raises(InfluenceError) as caught, results.writing(Path("/proc/results/one")):
        pytest.fail("the work must not start")
    assert "/proc/results/one" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_parent_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    refused = pytest.raises(InfluenceError, match=re.escape(str(tmp_path / "file" / "one")))
    with refused, results.writing(tmp_path / "file" / "one"):
        pytest.fail("the work must not start")


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EROFS, "can't be written to"),
        (errno.EACCES, "can't be written to"),
        (errno.ENOSPC, "is full: nothing was kept of this run"),
        (errno.EDQUOT, "is full: nothing was kept of this run"),
        (errno.EIO, f"failed ({os.strerror(errno.EIO)})"),
    ],
)
@pytest.mark.parametrize("stage", ["folder", "table", "manifest"])
def test_every_refusal_of_the_disk_is_one_sentence(folder, monkeypatch, number, words, stage):
    def fail(*arguments: object, **options: object) -> None:
        raise OSError(number, os.strerror(number))

    owner, name = {"folder": (Path, "mkdir"), "table": (pq, "write_table"), "manifest": (Path, "write_bytes")}[stage]
    monkeypatch.setattr(owner, name, fail)
    with pytest.raises(InfluenceError) as caught:
        write(folder.parent / "two")
    assert words in str(caught.value)
    assert str(folder.parent / "two") in str(caught.value)
    assert "\n" not in str(caught.value)
    assert os.listdir(folder.parent) == ["one"]


def test_a_programming_error_is_not_dressed_up_as_a_full_disk(results_home):
    with pytest.raises(ZeroDivisionError), results.writing(results_home / "one"):
        _ = 1 / 0
