"""Result folders: what is written comes back, what is damaged is named, and nothing is ever half there."""

import errno
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from influence import InfluenceError, homes, manifests, results

MANIFEST: dict[str, Any] = {
    "dataset": "small",
    "dataset_hash": "0" * 64,
    "method": "tracin",
    "title": "two by hand",
    "learner": "none",
    "config": {"k": 2},
    "caveat": "made up",
    "created": "2026-01-01T00:00:00+00:00",
    "seconds": 0.5,
    "quality": {},
    "k": 2,
    "checkpoint_epochs": [1],
    "named_top_k": 1,
    "loss_curve": {"epoch": [1], "train_loss": [0.5], "test_loss": [0.6]},
    "groups": [{"id": -1, "title": "both", "targets": [7, 9]}],
}


def house(n: int) -> dict[str, np.ndarray]:
    """The columns that TracIn's targets and training examples have, for n houses."""
    names = ("residual", "price", "prediction", "latitude", "longitude")
    return {name: np.arange(n, dtype=np.float32) + place for place, name in enumerate(names)}


def tables() -> dict[str, pa.Table]:
    ranks = [-1, -2, 1, 2]
    return {
        "influences": pa.table(
            {
                "target": np.repeat(np.array([-1, 7, 9], dtype=np.int32), 4),
                "train": np.tile(np.array([3, 1, 0, 2], dtype=np.int32), 3),
                "rank": np.tile(np.sort(np.array(ranks, dtype=np.int16)), 3),
                "score": np.linspace(-1, 1, 12, dtype=np.float32),
            }
        ),
        "targets": pa.table(
            {
                "target": np.array([-1, 7, 9], dtype=np.int32),
                "score_percentiles": results.percentile_column(np.arange(303, dtype=np.float32).reshape(3, 101)),
            }
            | house(3)
        ),
        "train": pa.table(
            {"train": np.arange(5, dtype=np.int32), "self_influence": np.arange(5, dtype=np.float32)} | house(5)
        ),
    }


def write(folder: Path, manifest: dict[str, Any] | None = None, **changed: pa.Table) -> Path:
    with results.writing(folder) as partial:
        results.write_tables(partial, manifest or MANIFEST, tables() | changed)
    return folder


@pytest.fixture
def folder(results_home: Path) -> Path:
    return write(results_home / "one")


def message(folder: Path) -> str:
    """The one sentence or two with which a folder is refused."""
    with pytest.raises(InfluenceError) as caught:
        results.read(folder)
    text = str(caught.value)
    assert "\n" not in text
    assert str(folder) in text
    return text


def edit_manifest(folder: Path, **changes: Any) -> None:
    path = folder / "manifest.json"
    values = json.loads(path.read_text()) | changes
    path.write_bytes(manifests.to_bytes({name: value for name, value in values.items() if value is not ...}))


# Round trip


def test_what_is_written_comes_back(folder):
    read = results.read(folder)
    assert read.name == "one"
    assert results.read(folder, "shipped").name == "shipped"
    for name, table in tables().items():
        frame = getattr(read, name)
        expected = table.to_pandas()
        if name != "influences":
            expected = expected.set_index(expected.columns[0])
        pd.testing.assert_frame_equal(frame, expected)
    assert {name: value for name, value in read.manifest.items() if name in MANIFEST} == MANIFEST
    assert read.manifest["schema_version"] == results.SCHEMA_VERSION
    for name, facts in read.manifest["tables"].items():
        path = folder / f"{name}.parquet"
        assert facts == {"rows": len(pq.read_table(path)), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def test_one_targets_influences(folder):
    read = results.read(folder)
    for target in (-1, 7, 9):
        rows = read.of(target)
        assert set(rows["target"]) == {target}
        assert rows["rank"].tolist() == [-2, -1, 1, 2]
    for absent in (-2, 0, 8, 10):
        with pytest.raises(KeyError):
            read.of(absent)
    assert read.groups == {-1: MANIFEST["groups"][0]}


def test_the_shipped_result_is_whole():
    read = results.read(homes.precomputed_home() / "california-housing" / "tracin")
    assert len(read.targets) == 4_129
    assert len(read.train) == 16_512
    assert len(read.influences) == 4_129 * 100


# Damage


@pytest.mark.parametrize("version", [0, 2, "1", None, ...])
def test_another_schema_version(folder, version):
    edit_manifest(folder, schema_version=version)
    seen = None if version is ... else version
    assert f"has schema version {seen}, and this program reads version 1" in message(folder)


@pytest.mark.parametrize("key", sorted({*MANIFEST, "tables"}))
def test_a_manifest_that_lacks_something(folder, key):
    edit_manifest(folder, **{key: ...})
    assert f"lacks {key}: compute this result again" in message(folder)


def test_a_method_without_a_schema_needs_what_all_do_alone(results_home):
    own = ("checkpoint_epochs", "named_top_k", "loss_curve", "groups")
    manifest = {name: value for name, value in MANIFEST.items() if name not in own} | {"method": "by hand"}
    plain = {name: tables()[name].drop_columns(list(house(1))) for name in ("targets", "train")}
    assert results.read(write(results_home / "plain", manifest, **plain)).groups == {}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("created", None),
        ("dataset", 3),
        ("config", []),
        ("tables", "many"),
        ("method", ["tracin"]),
        ("method", {}),
        ("loss_curve", [1]),
    ],
)
def test_a_manifest_with_a_value_of_another_kind(folder, key, value):
    edit_manifest(folder, **{key: value})
    assert f"{key} is {str(value)!r}, which is not of its type" in message(folder)
    entries, problems = results.catalogue("small", "tracin")
    assert (entries, len(problems)) == ([], 1)


NESTED = b"[" * 100_000  # deeper than Python's parser goes


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b"[]", b"3", b"null", b"{}", NESTED], ids=range(8))
def test_a_damaged_manifest(folder, content):
    (folder / "manifest.json").write_bytes(content)
    message(folder)
    write(folder.parent / "two")
    entries, problems = results.catalogue("small", "tracin")
    assert [e.name for e in entries] == ["two"]
    assert len(problems) == 1
    with results.writing(folder.parent / "two", replace=True) as partial:
        results.write_tables(partial, MANIFEST, tables())
    with pytest.raises(InfluenceError), results.writing(folder, replace=content != b"{}"):
        pytest.fail("what may be someone's own folder is kept")


def test_no_manifest_and_no_folder(folder, tmp_path):
    (folder / "manifest.json").unlink()
    assert message(folder) == f"{folder} is not a result folder: it has no manifest.json."
    message(tmp_path / "absent")
    (tmp_path / "file").write_text("")
    message(tmp_path / "file")


def test_a_foreign_folder(tmp_path):
    (tmp_path / "manifest.json").write_text('{"name": "A web app", "short_name": "App", "icons": []}')
    assert "has schema version None" in message(tmp_path)


@pytest.mark.parametrize("table", ["influences", "targets", "train"])
def test_a_missing_table(folder, table):
    (folder / f"{table}.parquet").unlink()
    assert f"{table}.parquet is missing" in message(folder)


@pytest.mark.parametrize("table", ["influences", "targets", "train"])
def test_a_table_that_cannot_be_opened(folder, table):
    (folder / f"{table}.parquet").unlink()
    (folder / f"{table}.parquet").mkdir()
    assert f"{table}.parquet can't be read" in message(folder)


@pytest.mark.parametrize("table", ["influences", "targets", "train"])
def test_one_flipped_bit_anywhere(folder, table):
    path = folder / f"{table}.parquet"
    whole = path.read_bytes()
    for place in range(0, len(whole), max(len(whole) // 20, 1)):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        assert f"{path} is damaged (its SHA-256 is not the manifest's)" in message(folder)


@pytest.mark.parametrize("mask", [1, 2, 4, 32, 128, 255])
def test_any_changed_byte_of_a_manifest(folder, mask):
    path = folder / "manifest.json"
    whole = path.read_bytes()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= mask
        path.write_bytes(damaged)
        with pytest.raises(InfluenceError):
            results.read_manifest(folder)
    path.write_bytes(whole)
    results.read(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda whole: whole + b"\n",
        lambda whole: b" " + whole,
        lambda whole: whole[:-1],
        lambda whole: whole.replace(b"\n", b"\r\n"),
        lambda whole: whole.replace(b'"k": 2', b'"k": 3'),
        lambda whole: whole.replace(b'"k": 2', b'"k":  2'),
        lambda whole: json.dumps(json.loads(whole)).encode(),
        lambda whole: whole.replace(manifests.DIGEST.encode(), b"sha256"),
        lambda whole: whole.replace(b'"dataset":', b'"dataset": "other", "dataset":'),
        lambda whole: re.sub(b'(?<="manifest_sha256": ").{64}', lambda found: found[0].upper(), whole),
    ],
    ids=range(10),
)
def test_a_manifest_that_was_edited(folder, change):
    path = folder / "manifest.json"
    whole = path.read_bytes()
    path.write_bytes(change(whole))
    assert path.read_bytes() != whole
    assert f"{path} is damaged (the SHA-256 at its end is not that of what stands before it)" in message(folder)


def test_the_digest_is_that_of_what_stands_before_it(folder):
    content = (folder / "manifest.json").read_bytes()
    before, _, after = content.rpartition(b',\n  "manifest_sha256": ')
    assert after == f'"{hashlib.sha256(before).hexdigest()}"\n}}\n'.encode()
    assert json.loads(content)["manifest_sha256"] == hashlib.sha256(before).hexdigest()


def without_digest(folder: Path) -> None:
    """A manifest as older versions wrote it."""
    path = folder / "manifest.json"
    values = json.loads(path.read_text())
    del values[manifests.DIGEST]
    path.write_text(json.dumps(values, indent=2) + "\n")


def test_a_manifest_from_before_there_was_a_digest(folder):
    with_digest = (folder / "manifest.json").read_bytes()
    without_digest(folder)
    old = (folder / "manifest.json").read_bytes()
    assert not manifests.has_digest(results.read(folder).manifest)
    assert results.add_digest(folder)
    assert (folder / "manifest.json").read_bytes() == with_digest
    assert with_digest.startswith(old.removesuffix(b"\n}\n"))
    assert not results.add_digest(folder)
    assert sorted(os.listdir(folder)) == ["influences.parquet", "manifest.json", "targets.parquet", "train.parquet"]


def test_no_digest_is_added_to_what_is_damaged(folder):
    without_digest(folder)
    old = (folder / "manifest.json").read_bytes()
    with open(folder / "train.parquet", "r+b") as file:
        file.truncate(100)
    with pytest.raises(InfluenceError, match=r"train\.parquet is damaged"):
        results.add_digest(folder)
    assert (folder / "manifest.json").read_bytes() == old


def test_what_ships_has_digests():
    shipped = sorted(homes.precomputed_home().rglob("manifest.json"))
    assert len(shipped) == 16
    for path in shipped:
        assert manifests.has_digest(json.loads(path.read_bytes())), path
        assert manifests.is_unchanged(path.read_bytes()), path


@pytest.mark.parametrize("size", [0, 4, -1])
def test_a_table_that_is_cut_short(folder, size):
    path = folder / "train.parquet"
    path.write_bytes(path.read_bytes()[:size])
    assert f"{path} is damaged" in message(folder)


@pytest.mark.parametrize("size", [0, 4, -1])
def test_a_broken_table_with_a_hash_to_match(folder, size):
    path = folder / "train.parquet"
    path.write_bytes(path.read_bytes()[:size])
    facts = json.loads((folder / "manifest.json").read_text())["tables"]
    facts["train"]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    edit_manifest(folder, tables=facts)
    assert f"{path} is not a parquet file that can be read" in message(folder)


def test_a_table_that_the_manifest_does_not_know(folder):
    edit_manifest(folder, tables={})
    assert "manifest.json says nothing of influences.parquet" in message(folder)


def cast(table: str, column: str, kind: pa.DataType) -> pa.Table:
    whole = tables()[table]
    place = whole.schema.get_field_index(column)
    return whole.set_column(place, column, whole[column].cast(kind))


@pytest.mark.parametrize(
    ("table", "column", "kind", "expected"),
    [
        ("train", "residual", pa.float64(), "float32"),
        ("targets", "longitude", pa.string(), "float32"),
        ("influences", "score", pa.float64(), "float32"),
        ("influences", "rank", pa.int32(), "int16"),
        ("influences", "target", pa.string(), "int32"),
        ("train", "self_influence", pa.float64(), "float32"),
        ("targets", "target", pa.int64(), "int32"),
    ],
)
def test_a_column_of_another_type(results_home, table, column, kind, expected):
    folder = write(results_home / "odd", **{table: cast(table, column, kind)})
    assert f"{table}.parquet has no column {column} of type {expected}" in message(folder)


def test_a_missing_column(results_home):
    folder = write(results_home / "odd", influences=tables()["influences"].drop_columns("score"))
    assert "influences.parquet has no column score of type float32" in message(folder)


@pytest.fixture
def datamodels(results_home) -> Path:
    shipped = homes.precomputed_home() / "digits" / "datamodels"
    return Path(shutil.copytree(shipped, results_home / "copy"))


def rewrite_targets(folder: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    path = folder / "targets.parquet"
    pq.write_table(change(pq.read_table(path)), path)
    facts = json.loads((folder / "manifest.json").read_text())["tables"]
    facts["targets"]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    edit_manifest(folder, tables=facts)


NEW = ["nearest", "nearest_similarity", "between_classes"]


def test_columns_that_came_later_may_be_missing(datamodels):
    rewrite_targets(datamodels, lambda table: table.drop_columns([name for name in NEW if name in table.column_names]))
    assert not set(NEW) & set(results.read(datamodels).targets.columns)


def test_columns_that_came_later_are_checked_where_they_are(datamodels):
    def without(table: pa.Table) -> pa.Table:
        return table.drop_columns([name for name in NEW if name in table.column_names])

    rewrite_targets(datamodels, lambda table: without(table).append_column("nearest", pa.array([0.5] * len(table))))
    assert "targets.parquet has no column nearest of type int32" in message(datamodels)
    rewrite_targets(
        datamodels, lambda table: without(table).append_column("nearest", pa.array([99_999] * len(table), pa.int32()))
    )
    assert "targets.parquet names training examples that train.parquet lacks" in message(datamodels)


@pytest.mark.parametrize("order", [[1, 0, *range(2, 12)], [*range(4, 12), *range(4)], [0, 0, *range(2, 12)]])
def test_rows_out_of_order_or_twice(results_home, order):
    folder = write(results_home / "odd", influences=tables()["influences"].take(order))
    assert "influences.parquet is not sorted by target, then rank" in message(folder)


def test_names_that_other_tables_lack(results_home):
    small = tables()
    folder = write(results_home / "no-target", targets=small["targets"].slice(0, 2))
    assert "influences.parquet names target 9, which targets.parquet lacks" in message(folder)
    folder = write(results_home / "no-train", train=small["train"].slice(0, 3))
    assert "influences.parquet names training examples that train.parquet lacks" in message(folder)


# Writing


def test_an_existing_folder_is_not_touched_without_replace(folder):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(InfluenceError, match=r"exists already: choose another folder\.$") as caught:
        write(folder)
    assert caught.value.typed.endswith("exists already: choose another folder with --out, or add --replace.")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert os.listdir(folder.parent) == ["one"]


def test_replace_takes_its_place_only_when_complete(folder):
    with results.writing(folder, replace=True) as partial:
        results.write_tables(partial, MANIFEST | {"title": "new"}, tables())
        assert results.read(folder).manifest["title"] == MANIFEST["title"]
        (partial / "extra").write_text("")
    assert results.read(folder).manifest["title"] == "new"
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
    before = [e.name for e in results.catalogue("small", "tracin")[0]]
    with writer(results_home / "two", replace) as (_, partial):
        assert partial.is_dir()
    assert {*os.listdir(results_home)} == {*before, partial.name}
    assert [e.name for e in results.catalogue("small", "tracin")[0]] == before
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
    assert results.read(folder).manifest["title"] == "mine"
    assert os.listdir(folder.parent) == ["one"]


# Links


@pytest.fixture
def linked(folder, tmp_path) -> Path:
    """Where the result really is that `folder` links to, as on another disk."""
    elsewhere = tmp_path / "elsewhere"
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)
    return elsewhere


def test_deleting_a_link_leaves_what_it_points_to(folder, linked):
    results.delete(entry("one"))
    assert os.listdir(folder.parent) == []
    results.read(linked)


def test_renaming_a_link(folder, linked):
    assert results.rename(entry("one"), "two").is_symlink()
    assert os.listdir(folder.parent) == ["two"]
    results.read(linked)


def test_replacing_a_link_leaves_what_it_points_to(folder, linked):
    with results.writing(folder, replace=True) as partial:
        results.write_tables(partial, MANIFEST | {"title": "new"}, tables())
    assert not folder.is_symlink()
    assert results.read(folder).manifest["title"] == "new"
    assert results.read(linked).manifest["title"] == MANIFEST["title"]
    assert os.listdir(folder.parent) == ["one"]


@pytest.mark.parametrize("replace", [False, True])
def test_a_link_to_nothing_is_refused_before_any_work(results_home, replace):
    results_home.mkdir()
    (results_home / "one").symlink_to("nowhere")
    with pytest.raises(InfluenceError, match="one "), results.writing(results_home / "one", replace):
        pytest.fail("the work must not start")
    assert os.listdir(results_home) == ["one"]


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
    assert last.endswith("is full: nothing was kept of this run. Free some space and start it again.")
    assert os.listdir(folder.parent) == ["one"]
    results.read(folder)


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


# The list of results


def entry(name: str) -> results.Entry:
    found = {e.name: e for e in results.catalogue("small", "tracin")[0]}
    return found[name]


def test_the_catalogue_is_the_shipped_one_then_the_newest(results_home, tmp_path, monkeypatch):
    monkeypatch.setattr(homes, "precomputed_home", lambda: tmp_path / "precomputed")
    write(tmp_path / "precomputed" / "small" / "tracin", MANIFEST | {"created": "2020-01-01T00:00:00+00:00"})
    for day in (2, 3, 1):
        write(results_home / f"day {day}", MANIFEST | {"created": f"2026-01-0{day}T00:00:00+00:00"})
    write(results_home / "another data set", MANIFEST | {"dataset": "large"})
    write(results_home / "another method", MANIFEST | {"method": "guessing"})
    (results_home / "broken").mkdir()
    (results_home / "a file").write_text("")
    (results_home / ".partial-1-x").mkdir()
    entries, problems = results.catalogue("small", "tracin")
    assert [e.name for e in entries] == ["shipped", "day 3", "day 2", "day 1"]
    assert [e.is_shipped for e in entries] == [True, False, False, False]
    assert problems == [f"{results_home / 'broken'} is not a result folder: it has no manifest.json."]


def test_several_results_of_one_method_ship(results_home, tmp_path, monkeypatch):
    home = tmp_path / "precomputed"
    monkeypatch.setattr(homes, "precomputed_home", lambda: home)
    for day, name in enumerate(("tracin", "tracin-zoo", "tracin-adam", "tracing"), 1):
        write(home / "small" / name, MANIFEST | {"created": f"2026-01-0{day}T00:00:00+00:00"})
    write(home / "small" / "tracin-like", MANIFEST | {"method": "guessing"})
    write(home / "large" / "tracin-sgd", MANIFEST | {"dataset": "large"})
    write(results_home / "shipped-adam")
    write(results_home / "shipped-sgd", MANIFEST | {"created": "2026-02-01T00:00:00+00:00"})
    write(results_home / "mine")
    entries, problems = results.catalogue("small", "tracin")
    assert [e.name for e in entries] == ["shipped", "shipped-adam", "shipped-zoo", "shipped-sgd", "mine"]
    assert [e.is_shipped for e in entries] == [True, True, True, False, False]
    assert entries[1].path == home / "small" / "tracin-adam"
    assert problems == [f"{results_home / 'shipped-adam'} has the shipped result's name: rename the folder."]
    with pytest.raises(InfluenceError, match="The shipped result is part of the project"):
        results.delete(entries[2])


def test_nothing_yet():
    assert results.catalogue("small", "tracin") == ([], [])


def test_rename(folder):
    new = results.rename(entry("one"), "  A better name 2.0 _- ")
    assert new == folder.parent / "A better name 2.0 _-"
    results.read(new)
    assert os.listdir(folder.parent) == [new.name]


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        ".",
        "..",
        ".hidden",
        "../one",
        "a/b",
        "a\\b",
        "a\nb",
        "é",
        "-x",
        "x" * 81,
        "shipped",
        "shipped-1",
        "a\0b",
    ],
)
def test_names_that_will_not_do(folder, name):
    with pytest.raises(InfluenceError, match="can't be a result's name"):
        results.rename(entry("one"), name)
    assert os.listdir(folder.parent) == ["one"]


def test_a_name_that_is_taken(folder):
    write(folder.parent / "two", MANIFEST | {"title": "two"})
    with pytest.raises(InfluenceError, match="There is a result called 'two' already"):
        results.rename(entry("one"), "two")
    assert results.read(folder.parent / "two").manifest["title"] == "two"
    results.read(folder)


def test_delete(folder):
    write(folder.parent / "two")
    results.delete(entry("one"))
    assert os.listdir(folder.parent) == ["two"]


def test_what_is_gone_already_is_one_sentence(folder):
    one = entry("one")
    results.delete(one)
    for change in (lambda: results.delete(one), lambda: results.rename(one, "two")):
        with pytest.raises(InfluenceError) as caught:
            change()
        assert "is gone" in str(caught.value)


def test_the_shipped_result_cannot_be_touched():
    shipped = results.catalogue("california-housing", "tracin")[0][0]
    assert shipped.is_shipped
    for change in (lambda: results.rename(shipped, "mine"), lambda: results.delete(shipped)):
        with pytest.raises(InfluenceError, match="The shipped result is part of the project"):
            change()
    results.read_manifest(shipped.path)


def test_a_result_of_the_users_that_calls_itself_shipped(results_home):
    write(results_home / "shipped")
    entries, problems = results.catalogue("small", "tracin")
    assert entries == []
    assert problems == [f"{results_home / 'shipped'} has the shipped result's name: rename the folder."]


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
        seen.append((read.manifest["title"], read.influences["score"].iloc[0]))
        assert results.catalogue("small", "tracin")[1] == []
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
    assert results.read(folder).manifest["title"] == "other"
    timer.join()


def test_what_is_damaged_or_absent_is_said_at_once(folder):
    (folder / "train.parquet").unlink()
    started = time.monotonic()
    for path in (folder, folder.parent / "absent"):
        with pytest.raises(InfluenceError):
            results.read(path)
    assert time.monotonic() - started < 0.5
