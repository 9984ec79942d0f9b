"""`migrate` brings the folders of older versions to today's format, and leaves every table as it is."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from influence import evidence, results
from influence.jobs.migrate import migrate

STORED = Path(__file__).parents[1] / "pinned" / "stored" / "results" / "datamodels"


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """A result whose evidence has a folder with a former name."""
    return Path(shutil.copytree(STORED, tmp_path / "older"))


def tables(folder: Path) -> dict[str, bytes]:
    """The bytes of every table, by its path within the folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.parquet")}


def test_evidence_under_its_former_name_is_read_and_moved(older: Path) -> None:
    before, bytes_before = evidence.read(results.read(older)).scaling, tables(older)
    assert before is not None
    assert "prior mean" in set(before.scores["estimator"])
    assert any("sizes" in sentence for sentence in migrate(older))
    assert not (older / "evidence" / "sizes").exists()
    after = evidence.read(results.read(older)).scaling
    assert after is not None
    assert after.manifest.kind == "scaling"
    assert after.manifest.has_digest
    pd.testing.assert_frame_equal(after.scores, before.scores)
    moved = {name.replace("evidence/sizes/", "evidence/scaling/"): each for name, each in bytes_before.items()}
    assert tables(older) == moved
    assert migrate(older) == []


def test_evidence_that_was_measured_later_stays(older: Path) -> None:
    former = older / "evidence" / "sizes"
    place = evidence.place(older, "scaling")
    assert place == former
    scores = pq.read_table(former / "scores.parquet")
    values = json.loads((former / "manifest.json").read_bytes())
    later = evidence.write(older, "scaling", values | {"notes": ["later"]}, {"scores": scores})
    assert evidence.place(older, "scaling") == later
    migrate(older)
    assert not former.exists()
    found = evidence.read(results.read(older)).scaling
    assert found is not None
    assert found.notes == ["later"]
