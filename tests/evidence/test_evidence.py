"""Evidence is kept beside a result's tables, whole or not at all, and never about other scores."""

import json
import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from influence import evidence, homes, results
from influence.errors import InfluenceError
from influence.evidence import RemovalEvidence
from influence.measures.mislabels import advantage
from influence.results import Interval, Result, manifest_file, write_tables, writing
from tests.results.small import write as write_result

REMOVAL = {"agreement": {}, "has_scale": True, "support": None, "trainings": 0}
HALF = {"mean": 0.5, "low": 0.4, "high": 0.6, "level": 0.95}


def manifest(result: Result, **changed: Any) -> dict[str, Any]:
    figures = {"methods": dict.fromkeys(evidence.METHODS, HALF), "ceiling": HALF | {"mean": 0.64}, "held_out": 20}
    return {
        "about": evidence.about(result),
        "config": {"seed": 3},
        "figures": figures,
        "notes": ["A note."],
        "created": "2026-01-01T00:00:00+00:00",
    } | changed


def targets() -> dict[str, pa.Table]:
    columns = {name: np.array([0.5, np.nan], np.float32) for name in (*evidence.METHODS, "ceiling")}
    return {"targets": pa.table({"target": np.array([7, 9], np.int32)} | columns)}


def removals() -> dict[str, pa.Table]:
    """Tables of no removals, with all their columns."""
    wanted = RemovalEvidence.format.tables
    return {name: table.columns.empty_table() for name, table in wanted.items()}


@pytest.fixture
def result(tmp_path: Path) -> Result:
    return results.read(write_result(tmp_path / "result"))


def test_what_is_written_comes_back_and_the_result_stays_as_it_is(result: Result) -> None:
    before = {path.name: path.read_bytes() for path in result.path.iterdir()}
    evidence.write(result.path, "lds", manifest(result), targets())
    found = evidence.read(results.read(result.path))
    assert found.lds is not None
    assert found.lds.methods["result"] == Interval(**HALF)
    assert str(found.lds.ceiling) == "0.640 (0.400 to 0.600)"
    assert found.lds.explained == pytest.approx(0.5 / 0.8)
    assert (found.lds.held_out, found.lds.notes, found.lds.config) == (20, ["A note."], {"seed": 3})
    assert list(found.lds.tables["targets"]["target"]) == [7, 9]
    assert (found.removal, found.mislabels, found.problems) == (None, None, [])
    assert before == {path.name: path.read_bytes() for path in result.path.iterdir() if path.is_file()}


def test_a_result_without_evidence_is_no_problem(result: Result) -> None:
    assert evidence.read(result) == evidence.Evaluated()


def test_evidence_is_replaced_by_the_next(result: Result) -> None:
    for seed in (1, 2):
        evidence.write(result.path, "lds", manifest(result, config={"seed": seed}), targets())
    found = evidence.read(result).lds
    assert found is not None
    assert found.config == {"seed": 2}
    assert [path.name for path in (result.path / "evidence").iterdir()] == ["lds"]


@pytest.mark.parametrize("change", ["method", "data", "scores", "number", "nothing"])
def test_evidence_about_other_scores_is_not_shown(result: Result, change: str) -> None:
    changed = {
        "method": {"method": "other"},
        "data": {"dataset_hash": "1" * 64},
        "scores": {"squares": 1.01 * evidence.about(result)["squares"]},
        "number": {"kept": 1},
        "nothing": {"positive": None},
    }[change]
    evidence.write(result.path, "lds", manifest(result, about=evidence.about(result) | changed), targets())
    found = evidence.read(result)
    assert found.lds is None
    (problem,) = found.problems
    assert "about other scores than the result holds now" in problem
    assert f"run `python -m influence evaluate lds {result.path} --store STORE` again" in problem


def test_what_to_run_again_is_quoted_for_the_shell(result: Result, results_home: Path) -> None:
    folder = Path(shutil.copytree(result.path, results_home / "it's mine"))
    place = evidence.write(folder, "removal", manifest(result, figures=REMOVAL), removals())
    (place / "effects.parquet").unlink()
    (problem,) = evidence.read(results.read(folder)).problems
    assert f"{place / 'effects.parquet'} is missing" in problem
    (code,) = re.findall("`(.+?)`", problem)
    assert shlex.split(code) == ["python", "-m", "influence", "evaluate", "removal", str(folder)]


def test_the_same_result_made_again_keeps_its_evidence(result: Result) -> None:
    """Its scores differ by rounding."""
    rounded = result.influences.assign(score=result.influences["score"] * np.float32(1 + 1e-6))
    again = replace(result, influences=rounded)
    assert evidence.about(again) != evidence.about(result)
    evidence.write(result.path, "lds", manifest(result), targets())
    assert evidence.read(again).lds is not None


@pytest.mark.parametrize("damage", ["table", "manifest", "missing", "key", "version"])
def test_damaged_evidence_is_named_and_left_out(result: Result, damage: str) -> None:
    place = evidence.write(result.path, "lds", manifest(result), targets())
    kept = json.loads((place / "manifest.json").read_text())
    if damage == "table":
        with open(place / "targets.parquet", "r+b") as file:
            file.truncate(100)
    elif damage == "missing":
        (place / "targets.parquet").unlink()
    elif damage == "manifest":
        (place / "manifest.json").write_text("{")
    else:
        changed = kept | {"schema_version": 99} if damage == "version" else {k: kept[k] for k in kept if k != "notes"}
        (place / "manifest.json").write_bytes(results.to_bytes(changed))
    found = evidence.read(result)
    assert found.lds is None
    (problem,) = found.problems
    assert "evidence/lds" in problem
    if damage != "version":
        assert f"run `python -m influence evaluate lds {result.path} --store STORE` again" in problem


@pytest.mark.parametrize("mask", [1, 128])
def test_any_changed_byte_of_a_manifest_is_noticed(result: Result, mask: int) -> None:
    path = evidence.write(result.path, "lds", manifest(result), targets()) / "manifest.json"
    whole = path.read_bytes()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= mask
        path.write_bytes(damaged)
        found = evidence.read(result)
        assert found.lds is None
        assert len(found.problems) == 1
    path.write_bytes(whole)
    assert evidence.read(result).lds is not None


def test_a_manifest_from_before_there_was_a_digest_is_read(result: Result) -> None:
    path = evidence.write(result.path, "lds", manifest(result), targets()) / "manifest.json"
    values = json.loads(path.read_text())
    del values[manifest_file.DIGEST]
    path.write_text(json.dumps(values, indent=2) + "\n")
    found = evidence.read(result)
    assert (found.problems, found.kinds) == ([], ["lds"])
    assert not found.manifests["lds"].has_digest


def test_a_table_without_its_columns_is_named(result: Result) -> None:
    tables = {"targets": pa.table({"target": np.array([7], np.int32)})}
    with pytest.raises(ValueError, match="the table targets has no column result of type float32"):
        evidence.write(result.path, "lds", manifest(result), tables)
    assert evidence.read(result) == evidence.Evaluated()
    with writing(evidence.place(result.path, "lds")) as partial:
        write_tables(partial, {"kind": "lds", **manifest(result)}, tables)
    assert "has no column result of type float32" in evidence.read(result).problems[0]


def test_an_interrupted_write_leaves_what_was_there(result: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    evidence.write(result.path, "lds", manifest(result), targets())

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("influence.results.tables._write", full)
    with pytest.raises(InfluenceError, match="is full"):
        evidence.write(result.path, "lds", manifest(result, config={"seed": 9}), targets())
    found = evidence.read(result).lds
    assert found is not None
    assert found.config == {"seed": 3}
    assert [path.name for path in (result.path / "evidence").iterdir()] == ["lds"]


def test_names_come_back_as_categories() -> None:
    frame = pa.table({"choice": evidence.names(["a", "b", "a"])}).to_pandas()
    assert str(frame["choice"].dtype) == "category"
    assert list(frame["choice"]) == ["a", "b", "a"]


def test_explained_needs_a_ceiling(result: Result) -> None:
    figures = manifest(result)["figures"] | {"ceiling": None}
    evidence.write(result.path, "lds", manifest(result, figures=figures), targets())
    found = evidence.read(result).lds
    assert found is not None
    assert (found.ceiling, found.explained) == (None, None)


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        ({"methods": {}, "ceiling": None}, "lacks figures.held_out"),
        (
            {"methods": {"result": HALF | {"mean": "high"}}, "ceiling": None, "held_out": 3},
            "figures.methods.result.mean",
        ),
    ],
)
def test_figures_that_are_missing_or_of_another_type_are_not_written(
    result: Result, figures: dict[str, Any], said: str
) -> None:
    with pytest.raises(InfluenceError, match=re.escape(said)):
        evidence.write(result.path, "lds", manifest(result, figures=figures), targets())
    assert evidence.read(result) == evidence.Evaluated()


def test_what_a_ranking_finds_beyond_plain_loss_is_a_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of evidence of an older version it is worked out from the kept scores, once."""
    shipped = results.read(homes.precomputed_home() / "digits" / "datamodels")
    found = evidence.read(shipped).mislabels
    assert found is not None
    examples = found.tables["examples"]
    rows = examples[examples["flips"] == "adversarial"]
    scores = (rows[name].to_numpy(float) for name in ("self-influence", "loss"))
    expected = advantage(*scores, (rows["label"] != rows["true"]).to_numpy())
    bare = found.figures.model_copy(update={"more_than_loss": {}})
    older = replace(found, manifest=found.manifest.model_copy(update={"figures": bare}))
    assert older.more_than_loss["adversarial"]["self-influence"] == Interval(**expected.as_dict())
    monkeypatch.setattr("influence.evidence.mislabels.advantage", None)
    assert found.more_than_loss == older.more_than_loss
    assert {flips: sorted(rankings) for flips, rankings in found.more_than_loss.items()} == dict.fromkeys(
        ("uniform", "adversarial"), sorted({*evidence.RANKINGS} - {"loss"})
    )
