"""Measure how repeatable training is with common seeds: judges are retrained with a few members swapped."""

import numpy as np

from influence.datamodels.outcomes import OutcomeConfig, Outcomes
from influence.datamodels.subsets import draw
from influence.datasets import Dataset
from influence.errors import InfluenceError
from influence.evaluation.lds.config import LdsConfig
from influence.evaluation.subject import Subject
from influence.progress import Stages, counting
from influence.retraining.trainer import ClassifierTrainer
from influence.retraining.trainings import Training, Trainings

STAGE = "training with some swapped"


def check_swapped(config: LdsConfig, trained: OutcomeConfig, held_out: Outcomes) -> None:
    """Raise an `InfluenceError` if members are to be swapped where that tells nothing, or too many."""
    if not config.swapped:
        return
    if trained.subsets.seeds != "common":
        raise InfluenceError(
            "--swapped tells how repeatable training is where models share their seeds, and these have seeds of their "
            "own: their noise ceiling tells it."
        )
    fewest = int(min(held_out.masks.sum(axis=1).min(), (~held_out.masks).sum(axis=1).min()))
    if config.swapped >= fewest:
        raise InfluenceError(f"--swapped is {config.swapped}, but must be below the {fewest} that can be swapped.")


def swapped_margins(
    config: LdsConfig, subject: Subject, trained: OutcomeConfig, dataset: Dataset, held_out: Outcomes, stages: Stages
) -> np.ndarray | None:
    """(m, n_test) margins of the first judges, trained again with a few members swapped for others."""
    if not config.swapped:
        return None
    models = held_out.models[: config.swapped_models]
    seeds = draw(trained.subsets, models, len(dataset.train)).seeds
    wanted = []
    for model, mask, seed in zip(models, held_out.masks, seeds, strict=False):
        stream, changed = np.random.default_rng([config.seed, 3, int(model)]), mask.copy()
        for part in (np.flatnonzero(mask), np.flatnonzero(~mask)):
            changed[stream.choice(part, config.swapped, replace=False)] ^= True
        wanted.append(Training(np.flatnonzero(~changed).astype(np.int32), int(seed)))
    trainings = Trainings(ClassifierTrainer(dataset, trained.learner, common=True), subject.trainings)
    trainings.complete(wanted, counting(stages, STAGE, STAGE))
    return np.stack([each.outputs for each in trainings.read(wanted)])
