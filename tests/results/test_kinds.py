"""A kind of folder: one reader and one writer, which agree on what the folder holds."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from influence import InfluenceError, homes, results
from influence.methods.datamodels.kind import KIND as DATAMODELS
from influence.methods.datamodels.kind import DatamodelsManifest
from influence.methods.tracin.kind import KIND as TRACIN
from influence.methods.tracin.kind import TracInOfClasses, TracInOfValues
from influence.results import Kind, Manifest, Table, writing
from influence.results.kinds import PLAIN, kind_of
from influence.results.tables import CATEGORY, FLOATS, schema
from tests.results import small

SHIPPED = homes.precomputed_home()


class Shelf(Manifest):
    """The manifest of a kind that exists for these tests."""

    name: str
    sizes: tuple[int, ...] = ()


SHELVES = Kind(
    Shelf,
    {
        "books": Table(
            schema(title=CATEGORY, pages=pa.int32(), weights=FLOATS),
            schema(price=pa.float32()),
        )
    },
    lambda values: {"name": values["called"]} | values if "called" in values else values,
)
VALUES: dict[str, Any] = {"name": "small", "sizes": [1, 2], "created": "2026-01-01T00:00:00+00:00"}


def books(**changed: Any) -> dict[str, pa.Table]:
    columns = {
        "title": pa.array(["a", "b"]).dictionary_encode(),
        "pages": np.array([3, 5], np.int32),
        "weights": pa.FixedSizeListArray.from_arrays(pa.array(np.arange(4, dtype=np.float32)), 2),
    } | changed
    return {"books": pa.table({name: column for name, column in columns.items() if column is not None})}


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    return write(tmp_path / "shelf", VALUES, books())


def write(folder: Path, values: dict[str, Any], tables: dict[str, pa.Table]) -> Path:
    with writing(folder) as partial:
        SHELVES.write(partial, values, tables)
    return folder


def rewrite(folder: Path, **changes: Any) -> None:
    path = folder / "manifest.json"
    values = json.loads(path.read_text()) | changes
    path.write_bytes(results.to_bytes({name: value for name, value in values.items() if value is not ...}))


def test_what_is_written_is_read(shelf: Path) -> None:
    manifest, tables = SHELVES.read(shelf)
    assert (manifest.name, manifest.sizes, manifest.created) == ("small", (1, 2), VALUES["created"])
    assert list(tables) == ["books"]
    assert tables["books"]["title"].tolist() == ["a", "b"]
    assert manifest.tables["books"].rows == 2
    assert manifest.has_digest


def test_a_manifest_of_an_older_version_is_upgraded_in_memory(shelf: Path) -> None:
    rewrite(shelf, name=..., called="old")
    before = (shelf / "manifest.json").read_bytes()
    manifest, _ = SHELVES.read(shelf)
    assert manifest.name == "old"
    assert (shelf / "manifest.json").read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": ..., "sizes": ["x"]}, "lacks name: paint it again"),
        ({"sizes": [1, "x"]}, "(sizes.1 is 'x', which is not of its type): paint it again"),
        ({"name": 3}, "(name is '3', which is not of its type): paint it again"),
        ({"tables": {}}, "manifest.json says nothing of books.parquet: paint it again, or delete it"),
        ({"tables": {"books": {"rows": 2}}}, "lacks tables.books.sha256"),
        ({"schema_version": 7}, "has schema version 7"),
    ],
)
def test_a_damaged_manifest_says_what_and_what_to_do(shelf: Path, changes: dict[str, Any], said: str) -> None:
    rewrite(shelf, **changes)
    with pytest.raises(InfluenceError, match=re.escape(said)) as caught:
        SHELVES.read(shelf, "paint it again")
    assert "\n" not in str(caught.value)


def test_a_damaged_table_says_what_to_do(shelf: Path) -> None:
    with open(shelf / "books.parquet", "r+b") as file:
        file.truncate(50)
    with pytest.raises(InfluenceError, match=r"books\.parquet is damaged .*: paint it again"):
        SHELVES.read(shelf, "paint it again")


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("pages", None, "has no column pages of type int32"),
        ("pages", np.array([3, 5]), "has no column pages of type int32"),
        ("pages", pa.array([3, None], pa.int32()), "has no column pages of type int32"),
        ("title", np.array([1, 2], np.int32), "has no column title of type category"),
        ("weights", pa.array([[1.0], [2.0]]), "has no column weights of type list of float32"),
        ("weights", np.ones(2, np.float32), "has no column weights of type list of float32"),
        ("price", np.ones(2), "has no column price of type float32"),
    ],
)
def test_columns_are_checked_by_writer_and_reader(tmp_path: Path, column: str, value: Any, said: str) -> None:
    tables = books(**{column: value})
    with pytest.raises(ValueError, match=f"the table books {said}"):
        write(tmp_path / "shelf", VALUES, tables)
    assert not (tmp_path / "shelf").exists()
    with writing(tmp_path / "shelf") as partial:
        results.write_tables(partial, VALUES, tables)
    with pytest.raises(InfluenceError, match=f"books.parquet {said}: compute this result again, or delete it"):
        SHELVES.read(tmp_path / "shelf")


@pytest.mark.parametrize("weights", [pa.array([[1.0], []], pa.list_(pa.float32())), None])
def test_lists_of_any_length_and_columns_that_came_later(tmp_path: Path, weights: pa.Array | None) -> None:
    given = {} if weights is None else {"weights": weights}
    tables = books(price=np.ones(2, np.float32), **given)
    _, read = SHELVES.read(write(tmp_path / "shelf", VALUES, tables))
    assert read["books"]["price"].tolist() == [1, 1]


def test_what_is_not_whole_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the table books is missing"):
        write(tmp_path / "shelf", VALUES, {})
    with pytest.raises(InfluenceError, match="lacks name"):
        write(tmp_path / "shelf", {"created": VALUES["created"]}, books())
    assert not (tmp_path / "shelf").exists()


# The kinds of methods


@pytest.mark.parametrize(
    ("place", "manifest"),
    [
        ("digits/datamodels", DatamodelsManifest),
        ("digits/tracin", TracInOfClasses),
        ("california-housing/tracin", TracInOfValues),
    ],
)
def test_what_ships_has_a_typed_manifest(place: str, manifest: type[Manifest]) -> None:
    """Its file names no task: that is a key of newer ones."""
    values = json.loads((SHIPPED / place / "manifest.json").read_text())
    assert "task" not in values
    read = results.read_manifest(SHIPPED / place)
    assert type(read) is manifest
    assert read.as_dict().items() >= values.items()
    assert read.config.as_dict().items() >= values["config"].items()


def test_the_task_in_the_manifest_decides_and_not_the_presence_of_a_key(results_home: Path) -> None:
    copy = Path(shutil.copytree(SHIPPED / "digits" / "tracin", results_home / "copy"))
    rewrite(copy, groups=[], task="classes")
    assert isinstance(results.read(copy).manifest, TracInOfClasses)
    rewrite(copy, task="values")
    with pytest.raises(InfluenceError, match=r"lacks .*named_top_k"):
        results.read(copy)
    for task in ("guesses", 3, None):
        rewrite(copy, task=task)
        with pytest.raises(InfluenceError, match=r"task is .*, which is not of its type"):
            results.read(copy)


def test_methods_have_kinds_and_others_what_all_share() -> None:
    assert kind_of("datamodels") is DATAMODELS
    assert kind_of("tracin") is TRACIN
    for name in ("guessing", "base", "", "..", "tracin.kind"):
        assert kind_of(name) is PLAIN


def test_a_result_whose_learner_is_gone_is_still_read(results_home: Path) -> None:
    copy = Path(shutil.copytree(SHIPPED / "digits" / "datamodels", results_home / "copy"))
    config = json.loads((copy / "manifest.json").read_text())["config"]
    config["outcomes"]["learner"]["name"] = "gone"
    rewrite(copy, config=config)
    manifest = results.read(copy).manifest
    assert (manifest.estimator, manifest.alpha, manifest.part) == ("prior-informed", 0.5, ((), None))
    with pytest.raises(InfluenceError, match="gone"):
        _ = manifest.config


def test_a_method_whose_manifest_is_another_ones_is_refused(results_home: Path) -> None:
    folder = small.write(results_home / "one")
    small.edit_manifest(folder, method="datamodels")
    with pytest.raises(InfluenceError, match="lacks "):
        results.read(folder)
