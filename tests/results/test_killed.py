"""Writers that are killed or stopped by the system, and readers of what is replaced meanwhile."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest

from influence import InfluenceError, library, results
from tests.results.small import MANIFEST, tables, write

pytestmark = pytest.mark.usefixtures("warm")


def child(code: str, *arguments: object) -> subprocess.Popen[str]:
    program = "import sys, time; from pathlib import Path; from influence import results\n" + textwrap.dedent(code)
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


WRITE = """
    with results.writing(Path(sys.argv[1]), sys.argv[2] == "True") as partial:
        (partial / "influences.parquet").write_bytes(b"half")
        print(partial.name, flush=True)
        time.sleep(60)
    """

# Kills itself after a number of renames of a replacement: the old one goes aside, the new one takes its place.
REPLACE_AND_DIE = """
    import os, shutil, signal
    folder, renames, rename = Path(sys.argv[1]), int(sys.argv[2]), Path.rename

    def counted(self, target):
        global renames
        if renames == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        renames -= 1
        result = rename(self, target)
        if renames == 0 and target == folder:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    with results.writing(folder, replace=True) as partial:
        for path in folder.iterdir():
            shutil.copy(path, partial)
        (partial / "new").write_text("")
        Path.rename = counted
    """


@contextmanager
def writer(folder: Path, replace: bool = False) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process in the middle of writing a result, and its hidden folder; killed at the end."""
    process = child(WRITE, folder, replace)
    assert process.stdout is not None
    try:
        yield process, folder.parent / process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def kill_while_replacing(folder: Path, renames: int) -> None:
    process = child(REPLACE_AND_DIE, folder, renames)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, errors


@pytest.mark.parametrize("replace", [False, True])
def test_a_killed_writer_leaves_nothing_that_is_seen_and_the_next_write_sweeps(results_home, replace):
    if replace:
        write(results_home / "two")
    before = [e.name for e in library.of_method("small", "tracin")[0]]
    with writer(results_home / "two", replace) as (_, partial):
        assert partial.is_dir()
    assert {*os.listdir(results_home)} == {*before, partial.name}
    assert [e.name for e in library.of_method("small", "tracin")[0]] == before
    write(results_home / "three")
    assert sorted(os.listdir(results_home)) == sorted([*before, "three"])


def test_a_living_writers_folder_is_not_swept(results_home):
    with writer(results_home / "two") as (process, partial):
        results.sweep(results_home)
        write(results_home / "three")
        assert (partial / "influences.parquet").read_bytes() == b"half"
        assert process.poll() is None
        with results.writing(results_home / "four") as own:
            results.sweep(results_home)
            assert own.is_dir()
    results.sweep(results_home)
    assert sorted(os.listdir(results_home)) == ["four", "three"]


def test_life_is_told_by_the_lock_and_not_by_the_name(results_home):
    """A process id in a name says nothing where the id was given again, or belongs to another container."""
    living, dead = (results_home / f".partial-{digit * 32}" for digit in "1d")
    for path in (living, dead):
        path.mkdir(parents=True)
    code = """
        import fcntl, os
        fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX)
        print("locked", flush=True)
        time.sleep(60)
        """
    process = child(code, living)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "locked\n"
        results.sweep(results_home)
        assert os.listdir(results_home) == [living.name]
    finally:
        process.kill()
        process.communicate()
    results.sweep(results_home)
    assert os.listdir(results_home) == []


def test_sweep_leaves_the_foreign_alone(results_home):
    results_home.mkdir()
    foreign = {".partial-", ".partial-x", ".partial-x-y", f".partial-{'a' * 31}", f".partial-{'a' * 33}", ".hidden"}
    for name in foreign:
        (results_home / name).mkdir()
    results.sweep(results_home)
    results.sweep(results_home / "absent")
    assert {*os.listdir(results_home)} == foreign


def test_a_replacement_that_was_killed_between_its_renames_is_put_back(folder):
    kill_while_replacing(folder, renames=1)
    assert not folder.exists()
    with pytest.raises(InfluenceError, match="exists already"), results.writing(folder):
        pytest.fail("the old result is there, only under another name")
    assert os.listdir(folder.parent) == ["one"]
    assert not (folder / "new").exists()
    results.read(folder)


def test_a_replacement_that_was_killed_at_the_end_is_finished(folder):
    kill_while_replacing(folder, renames=2)
    assert (folder / "new").exists()
    assert len(os.listdir(folder.parent)) == 2
    results.sweep(folder.parent)
    assert os.listdir(folder.parent) == ["one"]
    results.read(folder)


@pytest.mark.parametrize("renames", [0, 1, 2])
def test_another_writer_that_dies_meanwhile_does_not_cost_this_ones_work(folder, renames):
    with results.writing(folder, replace=True) as partial:
        results.write_tables(partial, MANIFEST | {"title": "mine"}, tables())
        kill_while_replacing(folder, renames)
    assert results.read(folder).manifest.title == "mine"
    assert os.listdir(folder.parent) == ["one"]


def test_a_real_write_that_the_system_stops(folder):
    """A file-size limit stops the write as a full disk does: by an error in the middle of a file."""
    process = child(
        """
        import resource, numpy as np, pyarrow as pa
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        noise = pa.table({"score": np.random.default_rng(0).random(1_000_000)})
        with results.writing(Path(sys.argv[1]), replace=True) as partial:
            results.write_tables(partial, {}, {"influences": noise})
        """,
        folder,
    )
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    last = errors.strip().splitlines()[-1]
    assert "is full: nothing was kept" in last
    assert os.listdir(folder.parent) == ["one"]
    results.read(folder)


@pytest.mark.parametrize("differs", [True, False])
def test_readers_never_notice_a_replacement(folder, differs):
    """A reader that opens the folder again and again sees the old one or the new one, whole, and never an error."""
    other = write(folder.parent / "other", MANIFEST | {"title": "other"}, influences=opposite()) if differs else folder
    process = child(
        """
        import shutil
        folder, *sources = (Path(name) for name in sys.argv[1:])
        for number in range(60):
            with results.writing(folder, replace=True) as partial:
                for path in sources[number % 2].iterdir():
                    shutil.copy(path, partial)
        """,
        folder,
        folder if not differs else write(folder.parent / "same"),
        other,
    )
    seen = []
    while process.poll() is None:
        read = results.read(folder)
        seen.append((read.manifest.title, read.influences["score"].iloc[0]))
        assert library.of_method("small", "tracin")[1] == []
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert set(seen) == ({("two by hand", -1.0), ("other", 1.0)} if differs else {("two by hand", -1.0)})
    assert sorted(os.listdir(folder.parent)) == (["one", "other", "same"] if differs else ["one"])


def opposite() -> pa.Table:
    whole = tables()["influences"]
    place = whole.schema.get_field_index("score")
    return whole.set_column(place, "score", pa.array(-whole["score"].to_numpy()))


def test_the_instant_between_a_replacements_renames_is_waited_for(folder):
    other = write(folder.parent / "other", MANIFEST | {"title": "other"})
    aside = folder.parent / ".previous-one"
    folder.rename(aside)
    timer = threading.Timer(0.2, other.rename, [folder])
    timer.start()
    assert results.read(folder).manifest.title == "other"
    timer.join()
