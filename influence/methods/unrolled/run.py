"""The work of derivatives through training: train, follow all margins back in blocks, write a result folder."""

import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from influence import homes, results
from influence.circumstances import circumstances
from influence.datasets import Dataset
from influence.errors import InfluenceError, explain_write_errors
from influence.learners.base import check_task
from influence.learners.toolkit.outputs import described
from influence.methods.unrolled.config import UnrolledConfig
from influence.methods.unrolled.kind import KIND
from influence.methods.unrolled.passing import Passing
from influence.progress import Report, Stages, silent
from influence.ranking import Ranking, check_k


def run(config: UnrolledConfig, out: Path, replace: bool = False, report: Report = silent) -> Path:
    """Train, score and write; see `influence.methods.base.Method.run`.

    Finished blocks of targets are kept until the result is written: a run that was stopped goes on with the next.
    """
    started, learner = time.monotonic(), config.differentiable
    dataset = config.load()
    check_task(learner, dataset.facts)
    check_k(config.k, len(dataset.train))
    stages = Stages({"training": 1, "following margins back": 1 + len(dataset.test) / 30}, report)
    with results.writing(out, replace) as folder:
        passing = Passing.train(config, dataset, stages["training"])
        kept = kept_blocks(config, dataset)
        ranking = _rank(config, passing, kept, stages)
        KIND.write(
            folder,
            _describe(config, passing) | circumstances(time.monotonic() - started),
            _tables(passing, ranking),
        )
        report(1.0, "done")
    shutil.rmtree(kept, ignore_errors=True)
    return out


def kept_blocks(config: UnrolledConfig, dataset: Dataset) -> Path:
    """The folder of a run's finished blocks."""
    return homes.results_home() / ".unrolled" / f"{config.digest[:16]}-{dataset.content_hash[:16]}"


def _rank(config: UnrolledConfig, passing: Passing, kept: Path, stages: Stages) -> Ranking:
    n_train, n_test = len(passing.dataset.train), len(passing.dataset.test)
    whole = Ranking(n_train, config.k, config.reverse_k)
    for start in range(0, n_test, config.block):
        positions = np.arange(start, min(start + config.block, n_test))
        path = kept / f"{start}.npz"

        def report(share: float, start: int = start, size: int = len(positions)) -> None:
            done = start + share * size
            stages.say("following margins back", done / n_test, f"following margins back: {int(done):,} of {n_test:,}")

        block = Ranking.load(path, n_train, config.k, config.reverse_k)
        if block is None:
            scores = passing.scores(positions, report)
            if not torch.isfinite(scores).all():
                raise InfluenceError(
                    "Some derivatives are not finite numbers: the training is at the edge of divergence, so lower its "
                    "learning rate."
                )
            block = Ranking(n_train, config.k, config.reverse_k, first=start)
            block.add(scores)
            with explain_write_errors(kept):  # a second run of the same may have ended and taken the folder away
                kept.mkdir(parents=True, exist_ok=True)
            block.save(path)
        whole.extend(block)
        report(1.0)
    return whole


def _tables(passing: Passing, ranking: Ranking) -> dict[str, pa.Table]:
    train, test = passing.dataset.train, passing.dataset.test
    return {
        "influences": ranking.influences(test.index, train.index, short=True),
        "reverse": ranking.reverse(test.index, train.index, short=True),
        "targets": pa.table({"target": test.index} | ranking.spread(short=True) | described(test, passing.test_logits)),
        "train": pa.table({"train": train.index} | described(train, passing.train_logits)),
    }


def _describe(config: UnrolledConfig, passing: Passing) -> dict[str, Any]:
    """Fill the manifest, but for the circumstances of the run."""
    dataset = passing.dataset
    accuracy = {
        "train": float((passing.train_logits.argmax(axis=2) == dataset.train.labels).mean()),
        "test": float((passing.test_logits.argmax(axis=2) == dataset.test.labels).mean()),
    }
    return {
        "dataset": dataset.name,
        "dataset_hash": dataset.content_hash,
        "method": "unrolled",
        "title": "exact derivatives of margins by every training example's weight, through all steps of the training",
        "learner": config.differentiable.recipe,
        "config": config.as_dict(),
        "classes": list(dataset.classes),
        "weight": float(config.weight),
        "trainings": config.trainings,
        "steps": len(passing.trainings[0][0].steps),
        "k": config.k,
        "reverse_k": min(config.reverse_k, len(dataset.test)),
        "sign": "positive helps: more weight on the training example raises the target's margin",
        "units": "change of the margin for a change of the example's weight from 0 to 1, to first order; margin: "
        "correct-class logit minus the log-sum-exp of the others; losses in nats",
        "caveat": "A derivative predicts small changes of the training set; the more examples are left out, the less "
        "their sum tells. It is about the order, the batches and the number of steps of the trainings that were run.",
        "quality": {"accuracy": accuracy},
    }
