"""A small result, made by hand, and what tests do to its folder."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from influence import InfluenceError, results
from influence.ranking import list_column
from influence.results import manifest_file

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
    "quality": {"explained_variance": {"train": 0.5, "test": 0.25}},
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
                "score_percentiles": list_column(np.arange(303, dtype=np.float32).reshape(3, 101)),
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
    path.write_bytes(results.to_bytes({name: value for name, value in values.items() if value is not ...}))


def without_digest(folder: Path) -> None:
    """A manifest as older versions wrote it."""
    path = folder / "manifest.json"
    values = json.loads(path.read_text())
    del values[manifest_file.DIGEST]
    path.write_text(json.dumps(values, indent=2) + "\n")
