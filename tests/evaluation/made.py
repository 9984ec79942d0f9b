"""What the tests of evaluations share: small configs, results made by hand, and the evaluations as jobs call them."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from influence import datasets, evidence, jobs, results
from influence.datamodels.outcomes import OutcomeConfig
from influence.evaluation.lds import LdsConfig
from influence.evaluation.mislabels import MislabelsConfig
from influence.evaluation.removal import RemovalConfig
from influence.evaluation.scaling import ScalingConfig
from influence.evaluation.subject import Subject
from influence.learners.mlp import Mlp
from influence.methods import METHODS
from influence.methods.datamodels import DatamodelsConfig
from influence.ranking import list_column

QUICK = OutcomeConfig(learner=Mlp(width=8, epochs=2))
SMALL = DatamodelsConfig(outcomes=QUICK, models=60, held_out=40, estimator="ridge", k=10, reverse_k=5)
JUDGE = LdsConfig(bootstrap=20, feature_models=2)
FEW = RemovalConfig(targets=3, counts=(2, 20), seeds=2, feature_models=1)


def subject_of(folder: Path, store: str | None = None) -> Subject:
    read = results.read(folder)
    return METHODS[read.manifest.method].subject(read, store)


def judge(
    result: Path, store: str, config: LdsConfig, ceiling_store: str | None = None, folder: Path | None = None
) -> Path:
    return jobs.evaluate("lds", result, config, store=store, trainings=folder, ceiling_store=ceiling_store)


def remove(result: Path, config: RemovalConfig, store: str | None = None, folder: Path | None = None) -> Path:
    return jobs.evaluate("removal", result, config, store=store, trainings=folder)


def flip_labels(config: MislabelsConfig, out: Path, folder: Path | None = None) -> Path:
    return jobs.evaluate_data("mislabels", config, out, trainings=folder)


def flip_labels_of(result: Path) -> dict[str, Any]:
    """Flip labels of a result's data with few models, and give the config that the evidence has."""
    jobs.evaluate("mislabels", result, MislabelsConfig(models=1, checkpoints=2, subset_models=20))
    found = evidence.read(results.read(result)).mislabels
    assert found is not None
    return found.config


def scale(result: Path, store: str | None = None, config: ScalingConfig | None = None) -> Path:
    return jobs.evaluate("scaling", result, config, store=store)


def by_hand(folder: Path, scores: np.ndarray, k: int = 5, **changed: Any) -> Path:
    """A result of another method on digits, (n_targets, n_train) scores, of which the k strongest are kept."""
    digits = datasets.load("digits")
    order = np.argsort(scores, axis=1)
    kept = np.concatenate([order[:, :k], order[:, -k:]], axis=1)
    ranks = np.concatenate([np.arange(-1, -k - 1, -1), np.arange(k, 0, -1)])
    rows = np.argsort(ranks)
    n = len(scores)
    manifest = {
        **dict.fromkeys(("method", "title", "learner", "caveat"), "by hand"),
        **{"dataset": "digits", "dataset_hash": digits.content_hash, "config": {}, "quality": {}, "k": k},
        **{"created": "2026-01-01T00:00:00+00:00", "seconds": 1.0},
    } | changed
    tables = {
        "influences": pa.table(
            {
                "target": np.repeat(digits.test.index[:n], 2 * k),
                "train": digits.train.index[kept[:, rows].ravel()],
                "rank": np.tile(ranks[rows], n).astype(np.int16),
                "score": np.take_along_axis(scores, kept[:, rows], axis=1).astype(np.float32).ravel(),
            }
        ),
        "targets": pa.table(
            {
                "target": digits.test.index[:n],
                "score_percentiles": list_column(np.zeros((n, 101), np.float32)),
            }
        ),
        "train": pa.table({"train": digits.train.index}),
    }
    with results.writing(folder) as partial:
        results.write_tables(partial, manifest, tables)
    return folder
