"""Near-copies of test images in the training part, with what a result says of them."""

from typing import Any

import numpy as np
import pyarrow as pa

from influence.datasets import Dataset
from influence.errors import InfluenceError
from influence.evaluation.base import Findings
from influence.evaluation.near_copies.config import NearCopiesConfig
from influence.evaluation.scores import Scores
from influence.evaluation.subject import Subject
from influence.measures.likeness import Alike, most_alike
from influence.progress import Report, Stages, silent

_BLOCK = 200  # targets whose scores of all training images are held at once


def evaluate(subject: Subject, config: NearCopiesConfig, report: Report = silent) -> Findings:
    """Compare all targets of a result with all training images.

    Raises
    ------
    InfluenceError
        If the data set has no pictures, or as the subject does.
    """
    dataset = subject.dataset
    if dataset.train.inputs.ndim < 3:
        raise InfluenceError(f"{dataset.name} has no pictures to compare: choose a result on images.")
    stages = Stages({"comparing pixels": 30, "computing all scores": 1 if config.kept else 300}, report)
    positions = np.flatnonzero(np.isin(dataset.test.index, subject.result.targets.index))
    inputs, progress = dataset.test.inputs[positions], stages["comparing pixels"]
    alike = most_alike(inputs, dataset.train.inputs, config.nearest, dataset.facts.mirrors, progress)
    scores = subject.scores(config.kept, stages["computing all scores"])
    score, rank = _looked_up(scores, positions, alike.places)
    figures = _figures(subject, dataset, positions, alike, rank, scores.kept)
    return Findings(
        config=config.as_dict(),
        figures=figures,
        notes=_notes(dataset, figures, scores, config.nearest),
        tables={"pairs": _table(dataset, positions, alike, score, rank)},
    )


def _looked_up(scores: Scores, positions: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, k) scores and ranks of these training images, by (n,) targets; NaN and 0 where they are not known."""
    score, rank = np.full(places.shape, np.nan, np.float32), np.zeros(places.shape, np.int32)
    for start in range(0, len(positions), _BLOCK):
        for row, own in enumerate(scores.rows(positions[start : start + _BLOCK]), start):
            mine = places[row]
            for column in np.flatnonzero(scores.known(own)[mine]):
                value = own[mine[column]]
                score[row, column] = value
                rank[row, column] = 1 + (own > value).sum() if value >= 0 else -1 - (own < value).sum()
    return score, rank


def _figures(
    subject: Subject, dataset: Dataset, positions: np.ndarray, alike: Alike, rank: np.ndarray, kept: int | None
) -> dict[str, Any]:
    threshold = dataset.facts.near_copy
    near = alike.similarity >= threshold
    concerned = near[:, 0]
    return {
        "threshold": threshold,
        "targets": len(positions),
        "train": len(dataset.train),
        "concerned": int(concerned.sum()),
        "copies": len(np.unique(alike.places[near])),
        "strongest": int((concerned & (rank[:, 0] == 1)).sum()),
        "known": int((concerned & (rank[:, 0] != 0)).sum()),
        "kept": kept,
        "accuracy": _accuracy(subject, dataset.test.index[positions], concerned),
    }


def _accuracy(subject: Subject, names: np.ndarray, concerned: np.ndarray) -> dict[str, float | None] | None:
    targets = subject.result.targets
    if not {"label", "prediction"} <= set(targets) or concerned.all():
        return None
    said = targets.loc[names]
    right = (said["label"] == said["prediction"]).to_numpy()
    return {
        "every": float(right.mean()),
        "without": float(right[~concerned].mean()),
        "concerned": float(right[concerned].mean()) if concerned.any() else None,
    }


def _table(dataset: Dataset, positions: np.ndarray, alike: Alike, score: np.ndarray, rank: np.ndarray) -> pa.Table:
    k = alike.places.shape[1]
    return pa.table(
        {
            "target": np.repeat(dataset.test.index[positions], k),
            "train": dataset.train.index[alike.places].ravel(),
            "similarity": alike.similarity.ravel(),
            "mirrored": alike.mirrored.ravel().astype(np.int8),
            "score": score.ravel(),
            "rank": rank.ravel(),
        }
    )


def _notes(dataset: Dataset, figures: dict[str, Any], scores: Scores, nearest: int) -> list[str]:
    concerned, n = figures["concerned"], figures["targets"]
    mirrored = ", and those of its mirror image," if dataset.facts.mirrors else ""
    notes = [
        f"The pixels of each of {n:,} test images{mirrored} were compared with those of all {figures['train']:,} "
        f"training images by Pearson's correlation; the {nearest} most alike of each are kept. From "
        f"{figures['threshold']:g} on, two images are called near-copies.",
        "Correlation leaves brightness and contrast aside, and an alike picture need not be a copy: look at both.",
        f"{concerned:,} test images ({concerned / n:.1%}) have a near-copy among the training images.",
        f"Scores and ranks: {scores.source}.",
    ]
    accuracy = figures["accuracy"]
    if accuracy is not None and accuracy["concerned"] is not None:
        notes.insert(
            3,
            f"The result's predictions are right for {accuracy['every']:.2%} of the test images, for "
            f"{accuracy['without']:.2%} without those that have a near-copy, and for {accuracy['concerned']:.1%} of "
            "these.",
        )
    return notes
