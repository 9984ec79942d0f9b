"""Reading results: what is written comes back, and what is damaged is named."""

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from influence import InfluenceError, homes, library, results
from tests.results.small import MANIFEST, edit_manifest, house, message, tables, write


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
    assert {name: value for name, value in read.manifest.as_dict().items() if name in MANIFEST} == MANIFEST
    assert (read.manifest.dataset, read.manifest.quality.explained_variance.test) == ("small", 0.25)
    for name, facts in read.manifest.tables.items():
        path = folder / f"{name}.parquet"
        assert facts.rows == len(pq.read_table(path))
        assert facts.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_one_targets_influences(folder):
    read = results.read(folder)
    for target in (-1, 7, 9):
        rows = read.of(target)
        assert set(rows["target"]) == {target}
        assert rows["rank"].tolist() == [-2, -1, 1, 2]
    for absent in (-2, 0, 8, 10):
        with pytest.raises(KeyError):
            read.of(absent)
    assert {id_: group.model_dump(mode="json") for id_, group in read.groups.items()} == {-1: MANIFEST["groups"][0]}


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
    entries, problems = library.of_method("small", "tracin")
    assert (entries, len(problems)) == ([], 1)


NESTED = b"[" * 100_000  # deeper than Python's parser goes


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b"[]", b"3", b"null", b"{}", NESTED], ids=range(8))
def test_a_damaged_manifest(folder, content):
    (folder / "manifest.json").write_bytes(content)
    message(folder)
    write(folder.parent / "two")
    entries, problems = library.of_method("small", "tracin")
    assert [e.name for e in entries] == ["two"]
    assert len(problems) == 1
    with results.writing(folder.parent / "two", replace=True) as partial:
        results.write_tables(partial, MANIFEST, tables())
    with pytest.raises(InfluenceError), results.writing(folder, replace=content != b"{}"):
        pytest.fail("what may be someone's own folder is kept")


def test_no_manifest_and_no_folder(folder, tmp_path):
    (folder / "manifest.json").unlink()
    assert f"{folder} is not a result folder" in message(folder)
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
    assert "targets.parquet names training examples that" in message(datamodels)


@pytest.mark.parametrize("order", [[1, 0, *range(2, 12)], [*range(4, 12), *range(4)], [0, 0, *range(2, 12)]])
def test_rows_out_of_order_or_twice(results_home, order):
    folder = write(results_home / "odd", influences=tables()["influences"].take(order))
    assert "influences.parquet is not sorted by target, then rank" in message(folder)


def test_names_that_other_tables_lack(results_home):
    small = tables()
    folder = write(results_home / "no-target", targets=small["targets"].slice(0, 2))
    assert "influences.parquet names target 9" in message(folder)
    folder = write(results_home / "no-train", train=small["train"].slice(0, 3))
    assert "influences.parquet names training examples that" in message(folder)


def test_what_is_damaged_or_absent_is_said_at_once(folder):
    (folder / "train.parquet").unlink()
    started = time.monotonic()
    for path in (folder, folder.parent / "absent"):
        with pytest.raises(InfluenceError):
            results.read(path)
    assert time.monotonic() - started < 0.5
