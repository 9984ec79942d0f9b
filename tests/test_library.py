"""The list of all results, and renaming and deleting the user's own."""

import os
from pathlib import Path

import pytest

from influence import InfluenceError, homes, library, results
from tests.results.small import MANIFEST, write


@pytest.fixture
def folder(results_home: Path) -> Path:
    return write(results_home / "one")


def entry(name: str) -> library.Entry:
    found = {e.name: e for e in library.of_method("small", "tracin")[0]}
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
    entries, problems = library.of_method("small", "tracin")
    assert [e.name for e in entries] == ["shipped", "day 3", "day 2", "day 1"]
    assert [e.is_shipped for e in entries] == [True, False, False, False]
    (problem,) = problems
    assert f"{results_home / 'broken'} is not" in problem


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
    entries, problems = library.of_method("small", "tracin")
    assert [e.name for e in entries] == ["shipped", "shipped-adam", "shipped-zoo", "shipped-sgd", "mine"]
    assert [e.is_shipped for e in entries] == [True, True, True, False, False]
    assert entries[1].path == home / "small" / "tracin-adam"
    (problem,) = problems
    assert f"{results_home / 'shipped-adam'} has the shipped" in problem
    with pytest.raises(InfluenceError, match="The shipped result is part of the project"):
        library.delete(entries[2])


def test_nothing_yet():
    assert library.of_method("small", "tracin") == ([], [])


def test_rename(folder):
    new = library.rename(entry("one"), "  A better name 2.0 _- ")
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
        library.rename(entry("one"), name)
    assert os.listdir(folder.parent) == ["one"]


def test_a_name_that_is_taken(folder):
    write(folder.parent / "two", MANIFEST | {"title": "two"})
    with pytest.raises(InfluenceError, match="There is a result called 'two' already"):
        library.rename(entry("one"), "two")
    assert results.read(folder.parent / "two").manifest.title == "two"
    results.read(folder)


def test_delete(folder):
    write(folder.parent / "two")
    library.delete(entry("one"))
    assert os.listdir(folder.parent) == ["two"]


def test_what_is_gone_already_is_one_sentence(folder):
    one = entry("one")
    library.delete(one)
    for change in (lambda: library.delete(one), lambda: library.rename(one, "two")):
        with pytest.raises(InfluenceError) as caught:
            change()
        assert "is gone" in str(caught.value)


def test_the_shipped_result_cannot_be_touched():
    shipped = library.of_method("california-housing", "tracin")[0][0]
    assert shipped.is_shipped
    for change in (lambda: library.rename(shipped, "mine"), lambda: library.delete(shipped)):
        with pytest.raises(InfluenceError, match="The shipped result is part of the project"):
            change()
    results.read_manifest(shipped.path)


def test_a_result_of_the_users_that_calls_itself_shipped(results_home):
    write(results_home / "shipped")
    entries, problems = library.of_method("small", "tracin")
    assert entries == []
    (problem,) = problems
    assert f"{results_home / 'shipped'} has the shipped" in problem


@pytest.fixture
def linked(folder, tmp_path) -> Path:
    """Where the result really is that `folder` links to, as on another disk."""
    elsewhere = tmp_path / "elsewhere"
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)
    return elsewhere


def test_deleting_a_link_leaves_what_it_points_to(folder, linked):
    library.delete(entry("one"))
    assert os.listdir(folder.parent) == []
    results.read(linked)


def test_renaming_a_link(folder, linked):
    assert library.rename(entry("one"), "two").is_symlink()
    assert os.listdir(folder.parent) == ["two"]
    results.read(linked)


def test_every_result_has_an_id_that_ships_or_the_folders_name(results_home, tmp_path, monkeypatch):
    home = tmp_path / "precomputed"
    monkeypatch.setattr(homes, "precomputed_home", lambda: home)
    write(home / "small" / "tracin-adam")
    for day in (1, 2):
        write(results_home / f"day {day}", MANIFEST | {"created": f"2026-01-0{day}T00:00:00+00:00"})
    (results_home / "broken").mkdir()
    (results_home / ".hidden").mkdir()
    found, problems = library.every()
    assert list(found) == ["small/tracin-adam", "day 2", "day 1"]
    assert [each.name for each in found.values()] == ["shipped-adam", "day 2", "day 1"]
    assert [(each.dataset, each.method, each.has_classes) for each in found.values()] == [
        ("small", "tracin", False)
    ] * 3
    (problem,) = problems
    assert f"{results_home / 'broken'} is not" in problem


def test_a_result_is_opened_by_its_entry(folder):
    opened = library.read(library.every()[0]["one"])
    assert (opened.name, opened.path, opened.manifest.title) == ("one", folder, MANIFEST["title"])
    library.delete(entry("one"))
    with pytest.raises(InfluenceError, match="is not a result folder"):
        results.read(folder)


def test_what_ships_is_in_the_list():
    found, problems = library.every()
    assert problems == []
    assert {id_: each.has_classes for id_, each in found.items()} == {
        "california-housing/tracin": False,
        "cifar10/datamodels": True,
        "cifar10/tracin": True,
        "digits/datamodels": True,
        "digits/datamodels-lasso": True,
        "digits/tracin": True,
    }
