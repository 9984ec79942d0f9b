"""The job behind `python -m influence tracin` for images: one model with checkpoints, every pair, a result folder."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn

from influence import datasets, results
from influence.config import Config, setting
from influence.datasets import Dataset, Split
from influence.errors import InfluenceError
from influence.jobs.circumstances import circumstances
from influence.learners.base import Learner, margins
from influence.learners.checkpoints import Checkpoint, save_folder
from influence.learners.mlp import Mlp
from influence.learners.toolkit.threads import in_threads
from influence.learners.traceable import Traceable, Traced
from influence.progress import Report, Stages, silent
from influence.ranking import Reverse, TopK, check_k, percentiles_of, ranked, shortened, strongest
from influence.tracin.scores import Examples, TracInCP

_MEMORY = 2**30  # bytes for a block of targets
_REVERSE_ROWS = 512  # targets whose scores are sorted by training example at once
_FORWARD_ROWS = 1000


class TracInImagesConfig(Config):
    """Everything that a TracIn result on images follows from."""

    dataset: str = setting("digits", "Name of the data set.")
    classes: tuple[str, ...] = setting((), "Only the examples of these classes; none means all.")
    train_size: int | None = setting(None, "Only the first so many training examples.", ge=1)
    learner: Learner = setting(Mlp(), "How the model is trained; it must keep checkpoints.")
    seed: int = setting(0, "Seed of the initial weights and the order of examples.", ge=0, lt=2**63)
    checkpoint_every: int = setting(
        5, "Epochs from one checkpoint to the next; the first is after so many, the last at the end.", ge=1
    )
    k: int = setting(50, "Training examples kept for each target, either way.")
    reverse_k: int = setting(20, "Targets kept for each training example, either way.", ge=1)


def tracin_images(config: TracInImagesConfig, out: Path, replace: bool = False, report: Report = silent) -> Path:
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
        raise InfluenceError(f"{config.dataset} has values instead of classes: use `jobs.tracin`.")
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
        results.write_tables(
            folder,
            _describe(config, learner, dataset, seen) | circumstances(time.monotonic() - started),
            _tables(dataset, seen, scored),
        )
        report(1.0, "done")
    return out


_SHARES = {"training": 1.0, "scoring every pair": 10.0, "self-influence": 1.0}  # of the time, roughly


def cross_entropy(outputs: Tensor, labels: Tensor) -> Tensor:
    """(n, n_classes) outputs and (n,) labels -> (n,) losses."""
    return nn.functional.cross_entropy(outputs, labels, reduction="none")


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


def outputs(model: nn.Module, inputs: Tensor) -> Tensor:
    """(n, ...) -> (n, ...), each block by one of torch's threads."""

    def work(rows: Tensor) -> Tensor:
        with torch.no_grad():
            given: Tensor = model(rows)
        return given

    return torch.cat(in_threads(work, inputs.split(_FORWARD_ROWS)))


def _losses(logits: np.ndarray, split: Split) -> np.ndarray:
    losses: np.ndarray = cross_entropy(torch.from_numpy(logits), torch.tensor(split.labels)).numpy()
    return losses


def without_fixed_layers(traced: Traced, dataset: Dataset) -> tuple[Traced, Examples, Examples]:
    """Layers before the first trained one that are the same in all checkpoints are applied once for all of them.

    Returns
    -------
    moving : Traced
        The layers from there on, which give the same gradients.
    train, targets : Examples
        What they get.
    """
    parts = dataset.train, dataset.test
    moving, inputs = traced, [torch.tensor(part.inputs) for part in parts]
    if fixed := _fixed_layers(traced):
        model = traced.model.eval()
        model.load_state_dict(traced.checkpoints[0].state)
        before, rest = model[:fixed], model[fixed:]  # type: ignore[index]
        checkpoints = [
            replace(checkpoint, state={name: checkpoint.state[name] for name in rest.state_dict()})
            for checkpoint in traced.checkpoints
        ]
        moving, inputs = Traced(rest, checkpoints), [outputs(before, part) for part in inputs]
    train, targets = map(Examples, inputs, (torch.tensor(part.labels) for part in parts))
    return moving, train, targets


def _fixed_layers(traced: Traced) -> int:
    """How many layers at the front of a model are not trained, and are the same in all its checkpoints."""
    if not isinstance(traced.model, nn.Sequential):
        return 0
    is_trained = [any(each.requires_grad for each in layer.parameters()) for layer in traced.model]
    fixed = is_trained.index(True) if True in is_trained else 0
    first, *others = (checkpoint.state for checkpoint in traced.checkpoints)
    names = traced.model[:fixed].state_dict()
    return fixed if all(torch.equal(first[name], other[name]) for other in others for name in names) else 0


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
