"""The work of TracIn: train with checkpoints, score every pair, write a result folder."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from influence import datasets, results
from influence.circumstances import circumstances
from influence.datasets import Classification, Dataset
from influence.learners.base import check_task
from influence.learners.toolkit.checkpoints import save_folder
from influence.methods.tracin.classes import CLASSES
from influence.methods.tracin.config import TracInConfig
from influence.methods.tracin.kind import KIND
from influence.methods.tracin.seen import Seen, see
from influence.methods.tracin.task import Scored, Task
from influence.methods.tracin.values import VALUES
from influence.progress import Report, Stages, silent
from influence.ranking import Ranking, check_k
from influence.tracin.scores import Examples, TracInCP

TITLES = {
    "all": "TracInCP, exact: all layers, all trained parameters, biases included",
    "last": "TracInCP of the last layer alone: an approximation that leaves out the gradients of all others",
}


def run(config: TracInConfig, out: Path, replace: bool = False, report: Report = silent) -> Path:
    """Train, score and write a TracIn result folder; see `influence.methods.base.Method.run`."""
    started, learner = time.monotonic(), config.traced
    check_task(learner, datasets.facts(config.dataset))
    dataset = datasets.load(config.dataset, config.classes, config.train_size)
    task = task_of(dataset)
    check_k(config.k, len(dataset.train))
    task.check(dataset)
    with results.writing(out, replace) as folder:
        stages = Stages({"training": learner.training_cost, "scoring every pair": 1, "self-influence": 0.1}, report)
        training = stages["training"]
        traced = learner.trace(
            dataset.train, config.seed, config.checkpoint_every, lambda epoch: training(epoch / learner.epochs)
        )
        seen = see(traced, dataset, task.loss)
        save_folder(seen.checkpoints, folder / "checkpoints")
        scored = _score(config, dataset, task, seen, stages)
        manifest = _describe(config, dataset, task, seen, scored) | circumstances(time.monotonic() - started)
        KIND.of(manifest).write(folder, manifest, _tables(dataset, task, seen, scored))
        report(1.0, "done")
    return out


def task_of(dataset: Dataset) -> Task:
    """What a result holds that depends on the data set's task."""
    return CLASSES if isinstance(dataset.task, Classification) else VALUES


def _score(config: TracInConfig, dataset: Dataset, task: Task, seen: Seen, stages: Stages) -> Scored:
    scorer = TracInCP(seen.moving.model, seen.moving.checkpoints, task.loss, layers=config.layers)
    groups, train = task.groups(dataset), dataset.train.index
    ranking = Ranking(len(train), config.k, config.reverse_k if task.has_reverse else None)
    for group in groups:
        members = Examples(seen.targets.inputs[group.positions], seen.targets.labels[group.positions])
        ranking.add(scorer.group(seen.train, members)[None])
    for _, block in scorer.blocks(seen.train, seen.targets, stages["scoring every pair"]):
        ranking.add(block)
    names = np.concatenate([np.array([group.id for group in groups], np.int32), dataset.test.index])
    return Scored(
        names,
        ranking.influences(names, train, task.is_short),
        ranking.spread(task.is_short),
        scorer.self_influence(seen.train, stages["self-influence"]).numpy().astype(np.float32),
        groups,
        ranking.reverse(names, train, task.is_short) if task.has_reverse else None,
    )


def _tables(dataset: Dataset, task: Task, seen: Seen, scored: Scored) -> dict[str, pa.Table]:
    of_targets, of_train = task.columns(dataset, seen, scored)
    reverse = {} if scored.reverse is None else {"reverse": scored.reverse}
    return {
        "influences": scored.influences,
        "targets": pa.table({"target": scored.names} | scored.spread | of_targets),
        "train": pa.table({"train": dataset.train.index, "self_influence": scored.self_influence} | of_train),
        **reverse,
    }


def _describe(config: TracInConfig, dataset: Dataset, task: Task, seen: Seen, scored: Scored) -> dict[str, Any]:
    """Fill the manifest, but for the circumstances of the run."""
    reverse_k = {"reverse_k": min(config.reverse_k, len(dataset.test))} if task.has_reverse else {}
    return {
        "dataset": dataset.name,
        "dataset_hash": dataset.content_hash,
        "method": "tracin",
        "title": TITLES[config.layers],
        "learner": config.traced.recipe,
        "config": config.as_dict(),
        "checkpoint_epochs": [checkpoint.epoch for checkpoint in seen.checkpoints],
        "k": config.k,
        **reverse_k,
        "sign": "positive helps: the training example lowered the target's loss (proponent)",
        "units": task.units(dataset.facts),
        "caveat": "TracInCP's formula follows plain SGD, one example a step; this model was trained with "
        f"{config.traced.steps}, so that its steps differ.",
        **task.manifest(dataset, seen, scored),
        "loss_curve": seen.curve,
    }
