"""Stores, results and evidence that were written before the package was reorganised: they open, and work goes on.

``stored/`` holds them as they were written; nothing may write them anew. The numbers of what is trained again may
differ by rounding from one machine to another, and the tolerances here are several times what that makes.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from influence.datasets import Dataset
from tests.pinned import adapters

STORED = Path(__file__).parent / "stored"
STORES = {"plain": 72, "plain-ceiling": 12, "patchnet": 2, "convnet": 2, "settings": 6}
RESULTS = {
    "datamodels": ("datamodels", 360, 200, ["lds", "removal", "mislabels", "scaling"]),
    "tracin-digits": ("tracin", 72, 200, []),
    "tracin-houses": ("tracin", 52, 331, ["removal"]),
}


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A copy, to go on with."""
    return Path(shutil.copytree(STORED, tmp_path / "stored"))


@pytest.fixture
def collected(stored: Path, results_home: Path) -> Path:
    """The store and its repeat in the default places, as a user has them."""
    for name, suffix in (("plain", ""), ("plain-ceiling", "-ceiling")):
        place = adapters.default_store(adapters.outcome_config_from_json(attributes("plain")["config"]))
        shutil.copytree(stored / "stores" / name, f"{place}{suffix}")
    return results_home


@pytest.fixture
def few_houses(houses: Dataset) -> Iterator[Dataset]:
    """The houses and the small network of the stored result."""
    tables = adapters.read_result(STORED / "results" / "tracin-houses").tables
    rows = (np.isin(split.index, tables[part].index) for part, split in parts(houses).items())
    train, test = (split.take(mask) for split, mask in zip(parts(houses).values(), rows, strict=True))
    few = Dataset(houses.facts, train, test)
    with adapters.houses_replaced(few, (16, 8, 4)):
        yield few


def parts(dataset: Dataset) -> dict[str, Any]:
    return {"train": dataset.train, "targets": dataset.test}


def attributes(store: str) -> dict[str, Any]:
    """What the file says, whatever the code makes of it."""
    values: dict[str, Any] = json.loads((STORED / "stores" / store / "zarr.json").read_text())["attributes"]
    return values


@pytest.mark.parametrize("name", STORES)
def test_a_store_is_whole_and_has_its_digest(name: str) -> None:
    written = attributes(name)
    config = adapters.store_config(STORED / "stores" / name)
    assert adapters.digest(config) == written["config_hash"]
    assert config == adapters.outcome_config_from_json(written["config"])
    code, out, err = adapters.cli("datamodels", "verify", STORED / "stores" / name)
    assert (code, err) == (0, "")
    assert f"{STORES[name]} done" in out
    assert len(adapters.read_store(STORED / "stores" / name).numbers) == STORES[name]


@pytest.mark.parametrize("name", STORES)
def test_a_store_grows_and_keeps_what_it_has(name: str, stored: Path) -> None:
    place, before = stored / "stores" / name, adapters.read_store(STORED / "stores" / name)
    config = adapters.outcome_config_from_json(attributes(name)["config"])
    assert adapters.collect(config, place, STORES[name]) == 0
    assert adapters.collect(config, place, STORES[name] + 2) == 2
    assert len(adapters.read_store(place).numbers) == STORES[name] + 2
    for old, new in zip(before, adapters.read_store(place, range(STORES[name])), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("name", STORES)
def test_the_same_models_come_out_again(name: str, tmp_path: Path) -> None:
    """Subsets are equal, and margins to the stored step of 1/32, with another step for another processor."""
    before = adapters.read_store(STORED / "stores" / name)
    adapters.collect(adapters.outcome_config_from_json(attributes(name)["config"]), tmp_path / "new", STORES[name])
    again = adapters.read_store(tmp_path / "new")
    np.testing.assert_array_equal(again.masks, before.masks)
    np.testing.assert_allclose(again.margins, before.margins, atol=1 / 16)
    assert (again.predictions == before.predictions).mean() > 0.99


def test_the_command_line_finds_a_store_by_its_digest(collected: Path) -> None:
    settings = ("--train-size", 200, "--setting", "width=4", "--setting", "epochs=2", "--models", 74)
    code, out, err = adapters.cli("datamodels", "collect", "digits", *settings)
    assert (code, err) == (0, "")
    assert "2 models trained" in out
    assert len(list((collected / ".outcomes").iterdir())) == 2


@pytest.mark.parametrize("name", RESULTS)
def test_a_result_opens(name: str) -> None:
    method, targets, train, kinds = RESULTS[name]
    read = adapters.read_result(STORED / "results" / name)
    assert read.method == method
    assert (len(read.tables["targets"]), len(read.tables["train"])) == (targets, train)
    assert len(read.tables["influences"]) == 2 * 5 * targets
    assert ("reverse" in read.tables) == (name != "tracin-houses")
    assert sorted(adapters.read_evidence(STORED / "results" / name)) == sorted(kinds)
    code, out, err = adapters.cli("check", STORED / "results" / name)
    assert (code, err) == (0, "")
    assert f"{targets} targets" in out


@pytest.mark.parametrize("name", ["datamodels", "tracin-digits"])
def test_a_replay_gives_the_same_scores(name: str, collected: Path, tmp_path: Path) -> None:
    assert adapters.cli("replay", STORED / "results" / name, "--out", tmp_path / "again")[0] == 0
    same_result(STORED / "results" / name, tmp_path / "again")
    if name == "datamodels":  # nothing was trained but the models whose gradients make the prior
        assert len(list((collected / ".outcomes").iterdir())) == 2


def test_a_replay_on_houses_gives_the_same_scores(few_houses: Dataset, tmp_path: Path) -> None:
    before = STORED / "results" / "tracin-houses"
    assert adapters.cli("replay", before, "--out", tmp_path / "again")[0] == 0
    same_result(before, tmp_path / "again")


def same_result(before: Path, after: Path) -> None:
    """The tables hold the same numbers, but for rounding; nearly equal scores may change places.

    What the stored results lack, since an older version made them, comes on top: the histograms of targets.
    """
    old, new = adapters.read_result(before), adapters.read_result(after)
    added = {"histogram_low", "histogram_high", "histogram"}
    assert added <= set(new.tables["targets"].columns)
    assert {name: [each for each in table.columns if each not in added] for name, table in new.tables.items()} == {
        name: list(table.columns) for name, table in old.tables.items()
    }
    for name, table in old.tables.items():
        if name in ("influences", "reverse"):
            same_scores(table, new.tables[name])
            continue
        np.testing.assert_array_equal(new.tables[name].index, table.index)
        for column in table.columns:
            one, two = (np.array(frame[column].tolist(), float) for frame in (table, new.tables[name]))
            np.testing.assert_allclose(two, one, rtol=5e-3, atol=5e-3 * float(np.nanstd(one)), err_msg=column)


def same_scores(before: pd.DataFrame, after: pd.DataFrame) -> None:
    one, two = before["score"].to_numpy(), after["score"].to_numpy()
    np.testing.assert_allclose(two, one, rtol=5e-3, atol=5e-3 * one.std())
    assert (before["train"].to_numpy() == after["train"].to_numpy()).mean() > 0.95


EVALUATIONS = {
    "lds": ("--bootstrap", 20, "--feature-models", 1),
    "scaling": ("--sizes", 60, "--targets", 8, "--lasso-targets", 3, "--bootstrap", 10, "--feature-models", 1),
    "removal": (
        *("--targets", 3, "--counts", "2,10", "--choices", "helpful,neighbours,random"),
        *("--seeds", 2, "--feature-models", 1, "--all-scores"),
    ),
    "mislabels": ("--models", 1, "--subset-models", 20),
}


@pytest.mark.parametrize("kind", EVALUATIONS)
def test_an_evaluation_finds_the_same_figures(kind: str, stored: Path, collected: Path) -> None:
    """Its evidence goes into the old result's folder, beside what was there."""
    result = stored / "results" / "datamodels"
    before = adapters.read_evidence(result)
    store = ("--store", stored / "stores" / "plain") if kind == "lds" else ()
    shutil.rmtree(adapters.evidence_place(result, kind))
    code, _, err = adapters.cli("evaluate", kind, result, *EVALUATIONS[kind], *store)
    assert (code, err) == (0, "")
    after = adapters.read_evidence(result)
    assert after.keys() == before.keys()
    same_figures(before[kind], after[kind])


def test_a_removal_of_houses_finds_the_same_figures(few_houses: Dataset, stored: Path) -> None:
    result = stored / "results" / "tracin-houses"
    before = adapters.read_evidence(result)["removal"]
    shutil.rmtree(result / "evidence")
    options = ("--targets", 3, "--counts", "2,10", "--choices", "helpful,random", "--seeds", 1, "--all-scores")
    code, _, err = adapters.cli("evaluate", "removal", result, *options)
    assert (code, err) == (0, "")
    same_figures(before, adapters.read_evidence(result)["removal"])


def same_figures(before: Any, after: Any) -> None:
    """What was measured is there with its value; a figure may be added."""
    if isinstance(before, dict):
        for name, value in before.items():
            if value is not None:  # None stands for what was not written then
                same_figures(value, after[name])
    elif isinstance(before, float):
        assert after == pytest.approx(before, abs=0.02)
    else:
        assert after == before
