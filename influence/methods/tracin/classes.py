"""The job behind `python -m influence tracin` for images: one model with checkpoints, every pair, a result folder."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from influence import datasets, results
from influence.circumstances import circumstances
from influence.datasets import Dataset, Split
from influence.errors import InfluenceError
from influence.learners.base import margins
from influence.learners.toolkit.checkpoints import Checkpoint, save_folder
from influence.learners.toolkit.outputs import cross_entropy, outputs
from influence.learners.traceable import Traceable, Traced
from influence.methods.tracin.config import TracInImagesConfig
from influence.methods.tracin.kind import CLASSES
from influence.progress import Report, Stages, silent
from influence.ranking import Reverse, TopK, check_k, percentiles_of, ranked, shortened, strongest
from influence.tracin.fixed_layers import without_fixed_layers
from influence.tracin.scores import Examples, TracInCP

_MEMORY = 2**30  # bytes for a block of targets
_REVERSE_ROWS = 512  # targets whose scores are sorted by training example at once


def run(config: TracInImagesConfig, out: Path, replace: bool = False, report: Report = silent) -> Path:
    """Train, score and write a TracIn result folder.

    Raises
    ------
    InfluenceError
        Before any work if the config, the data set or ``out`` won't do; later if training diverges or the disk fills.
        Nothing is left behind.
    """
    learner = config.learner
    if not isinstance(learner, Traceable):
        raise InfluenceError(
            f"The learner {learner.name} keeps no checkpoints, and TracIn sums over checkpoints: use --learner mlp."
        )
    started = time.monotonic()
    if not datasets.facts(config.dataset).classes:
        raise InfluenceError(f"{config.dataset} has values instead of classes: give a TracInConfig.")
    dataset = datasets.load(config.dataset, config.classes, config.train_size)
    check_k(config.k, len(dataset.train))
    _check_labels(dataset)
    with results.writing(out, replace) as folder:
        stages = Stages(_SHARES, report)
        training = stages["training"]
        traced = learner.trace(
            dataset.train, config.seed, config.checkpoint_every, lambda epoch: training(epoch / learner.epochs)
        )
        moving, train, targets = without_fixed_layers(traced, dataset)
        seen = _see(traced.checkpoints, moving, train, targets)
        save_folder(seen.checkpoints, folder / "checkpoints")
        scored = _score(config, moving, train, targets, stages)
        CLASSES.write(
            folder,
            _describe(config, learner, dataset, seen) | circumstances(time.monotonic() - started),
            _tables(dataset, seen, scored),
        )
        report(1.0, "done")
    return out


_SHARES = {"training": 1.0, "scoring every pair": 10.0, "self-influence": 1.0}  # of the time, roughly


def _check_labels(dataset: Dataset) -> None:
    """The model has an output for every class up to the training part's highest."""
    unknown = dataset.test.labels[dataset.test.labels > dataset.train.labels.max()]
    if len(unknown):
        name = dataset.classes[int(unknown[0])]
        raise InfluenceError(f"No training example is of class {name}, which the test part has: raise train_size.")


@dataclass(frozen=True)
class _Seen:
    """The checkpoints, with their mean losses, and what the last one says of every example."""

    checkpoints: list[Checkpoint]
    train_logits: np.ndarray  # (n_train, n_classes) float32
    test_logits: np.ndarray


def _see(whole: list[Checkpoint], moving: Traced, train: Examples, targets: Examples) -> _Seen:
    """Of the moving layers of checkpoints, and what they get."""
    checkpoints = []
    model = moving.model.eval()
    for checkpoint, own in zip(whole, moving.checkpoints, strict=True):
        model.load_state_dict(own.state)
        train_logits, test_logits = (outputs(model, part.inputs) for part in (train, targets))
        train_loss = float(cross_entropy(train_logits, train.labels).mean())
        test_loss = float(cross_entropy(test_logits, targets.labels).mean())
        if not np.isfinite(train_loss + test_loss):
            raise InfluenceError(
                f"Training diverged by epoch {checkpoint.epoch} (the loss is {train_loss}): lower the learner's "
                "learning rate."
            )
        checkpoints.append(replace(checkpoint, train_loss=train_loss, test_loss=test_loss))
    return _Seen(checkpoints, train_logits.numpy(), test_logits.numpy())


def _losses(logits: np.ndarray, split: Split) -> np.ndarray:
    losses: np.ndarray = cross_entropy(torch.from_numpy(logits), torch.tensor(split.labels)).numpy()
    return losses


@dataclass(frozen=True)
class _Scored:
    tops: list[TopK]
    reverse: TopK
    percentiles: np.ndarray  # (n_targets, 101)
    self_influence: np.ndarray  # (n_train,)


def _score(config: TracInImagesConfig, moving: Traced, train: Examples, targets: Examples, stages: Stages) -> _Scored:
    scorer = TracInCP(moving.model, moving.checkpoints, cross_entropy, memory=_MEMORY)
    tops, percentiles = [], []
    reverse = Reverse(len(train.inputs), config.reverse_k)
    for rows, block in scorer.blocks(train, targets, stages["scoring every pair"]):
        tops.append(strongest(block, config.k))
        percentiles.append(percentiles_of(np.sort(block.numpy(), axis=1)))
        for start in range(0, len(block), _REVERSE_ROWS):
            reverse.add(block[start : start + _REVERSE_ROWS].numpy(), rows.start + start)
    self_influence = scorer.self_influence(train, stages["self-influence"]).numpy()
    return _Scored(tops, reverse.top(), np.concatenate(percentiles), self_influence)


def _tables(dataset: Dataset, seen: _Seen, scored: _Scored) -> dict[str, pa.Table]:
    train, test = dataset.train, dataset.test
    return {
        "influences": ranked(("target", "train"), test.index, train.index, scored.tops, short=True),
        "reverse": ranked(("train", "target"), train.index, test.index, [scored.reverse], short=True),
        "targets": pa.table(
            {"target": test.index, "score_percentiles": results.percentile_column(shortened(scored.percentiles))}
            | _columns(test, seen.test_logits)
        ),
        "train": pa.table(
            {"train": train.index, "self_influence": scored.self_influence.astype(np.float32)}
            | _columns(train, seen.train_logits)
        ),
    }


def _columns(split: Split, logits: np.ndarray) -> dict[str, np.ndarray]:
    """What the last checkpoint makes of each example."""
    return {
        "label": split.labels.astype(np.int16),
        "prediction": logits.argmax(axis=1).astype(np.int16),
        "loss": _losses(logits, split).astype(np.float32),
        "margin": margins(logits[None], split.labels)[0],
    }


def _describe(config: TracInImagesConfig, learner: Traceable, dataset: Dataset, seen: _Seen) -> dict[str, Any]:
    """The manifest, but for the circumstances of the run."""
    curve: dict[str, list[float | None]] = {
        name: [getattr(checkpoint, name) for checkpoint in seen.checkpoints]
        for name in ("epoch", "learning_rate", "train_loss", "test_loss")
    }
    return {
        "dataset": dataset.name,
        "dataset_hash": dataset.content_hash,
        "method": "tracin",
        "task": "classes",
        "title": "TracInCP, exact: all layers, all trained parameters, biases included",
        "learner": learner.recipe,
        "config": config.as_dict(),
        "classes": list(dataset.classes),
        "checkpoint_epochs": [checkpoint.epoch for checkpoint in seen.checkpoints],
        "k": config.k,
        "reverse_k": min(config.reverse_k, len(dataset.test)),
        "sign": "positive helps: the training example lowered the target's loss (proponent)",
        "units": "reduction of the cross-entropy, in nats, to first order; losses in nats; margin: correct-class logit "
        "minus the log-sum-exp of the others; losses, margins and predictions of the last checkpoint",
        "caveat": "TracInCP's formula follows plain SGD, one example a step; this model was trained with batches, "
        "momentum and weight decay, so that the sizes of its steps differ.",
        "quality": {
            "accuracy": {
                name: float((logits.argmax(axis=1) == part.labels).mean())
                for name, logits, part in (
                    ("train", seen.train_logits, dataset.train),
                    ("test", seen.test_logits, dataset.test),
                )
            },
            "lds": None,
        },
        "loss_curve": curve,
    }
