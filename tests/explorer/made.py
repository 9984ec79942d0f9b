"""A datamodels result of random scores on a real data set, in the schema that jobs write."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from influence import results
from influence.datasets import Dataset
from influence.methods.datamodels import DatamodelsConfig
from influence.methods.datamodels.alike import most_alike
from influence.methods.datamodels.summaries import removal_counts
from influence.ranking import TopK, list_column, ranked


def random_result(folder: Path, config: DatamodelsConfig, dataset: Dataset) -> Path:
    """Write a result with the config's k and reverse_k; what its numbers say means nothing."""
    rng = np.random.default_rng(0)
    n, m = len(dataset.test), len(dataset.train)
    tops, reverse = _tops(rng, n, m, config.k), _tops(rng, m, n, config.reverse_k)
    nearest, similarity = most_alike(dataset.test.inputs, dataset.train.inputs, tops.proponents.numpy())
    percentiles = np.sort(rng.standard_normal((n, 101)), axis=1) / 1000
    percentiles[:, 0], percentiles[:, -1] = tops.opponent_scores[:, 0], tops.proponent_scores[:, 0]
    counts = removal_counts(m)
    removal = rng.normal(2, 2, (n, 1)) - counts / len(counts)
    labels = dataset.test.labels.astype(np.int16)
    prediction = np.where(rng.random(n) < 0.8, labels, rng.permutation(labels))
    floats = {
        **{name: rng.random(n) for name in ("agreement", "correct", "margin_sd", "correlation", "error")},
        "margin": rng.normal(1.5, 2, n),
        "lds": rng.normal(0.4, 0.15, n).clip(-1, 1),
        "intercept": removal[:, 0] - 1,
        "weight_sum": np.ones(n),
        "weight_sd": np.full(n, 0.02),
        "nearest_similarity": similarity,
        "between_classes": rng.beta(1, 4, n),
    }
    tables = {
        "influences": ranked(("target", "train"), dataset.test.index, dataset.train.index, [tops]),
        "reverse": ranked(("train", "target"), dataset.train.index, dataset.test.index, [reverse]),
        "targets": pa.table(
            {
                "target": dataset.test.index,
                "score_percentiles": list_column(np.float32(percentiles)),
                "label": labels,
                "prediction": prediction,
                "support": rng.integers(-1, 500, n).astype(np.int32),
                "nearest": dataset.train.index[nearest],
                "removal": list_column(np.float32(removal)),
            }
            | {name: values.astype(np.float32) for name, values in floats.items()}
        ),
        "train": pa.table(
            {
                "train": dataset.train.index,
                "label": dataset.train.labels.astype(np.int16),
                "own_class": rng.random(m).astype(np.float32),
                "other_classes": rng.random(m).astype(np.float32),
            }
        ),
    }
    lds = {"mean": 0.4, "low": 0.39, "high": 0.41, "level": 0.95}
    manifest = {
        **dict.fromkeys(("title", "learner", "protocol", "caveat"), "made up"),
        "dataset": dataset.name,
        "dataset_hash": dataset.content_hash,
        "method": "datamodels",
        "config": config.as_dict(),
        "classes": list(dataset.classes),
        "k": config.k,
        "reverse_k": config.reverse_k,
        "removal_counts": counts.tolist(),
        "subset_size": m // 2,
        "created": "2026-01-01T00:00:00+00:00",
        "seconds": 1.0,
        "quality": {
            **{"lds": lds, "random": lds, "ceiling": None, "correlation": 0.4, "error": 0.9, "accuracy": 0.8},
            **{"fitted": config.models, "held_out": config.held_out, "diverged": 0},
        },
    }
    with results.writing(folder) as partial:
        results.write_tables(partial, manifest, tables)
    return folder


def _tops(rng: np.random.Generator, n: int, m: int, k: int) -> TopK:
    """Rows of 2k different places below m, and scores that fall (or rise) towards 0."""
    places = (rng.integers(m, size=(n, 1)) + np.arange(2 * k) * (m // (2 * k))) % m
    positive, negative = (0.1 + np.sort(rng.exponential(0.05, (n, k)), axis=1)[:, ::-1] for _ in range(2))
    return TopK(*map(torch.from_numpy, (places[:, :k], positive.copy(), places[:, k:], -negative)))
