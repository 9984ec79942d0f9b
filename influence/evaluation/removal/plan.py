"""The removals that are trained: which targets, which training examples, and with which seeds."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from influence.datamodels.subsets import draw
from influence.datasets import Dataset
from influence.evaluation.removal.config import RemovalConfig, first_targets
from influence.evaluation.scores import Rows, Scores
from influence.evaluation.subject import Subject
from influence.measures.removal import predicted_change, predicted_support
from influence.retraining.seeds import derived
from influence.retraining.trainings import Training

_BLOCK = 64  # targets whose scores are held at once


@dataclass(frozen=True)
class Removal:
    """One removal, as it was or will be trained: a training a seed."""

    target: int  # its position in the test part
    choice: str
    count: int
    trainings: list[Training]
    predicted: float


def chosen_targets(config: RemovalConfig, subject: Subject) -> np.ndarray:
    """Choose the targets' positions, rising."""
    assert config.targets is not None
    test = subject.dataset.test
    order = np.random.default_rng([config.seed, 0]).permutation(len(test))
    first = first_targets(subject.dataset)
    order = np.concatenate([first, np.setdiff1d(order, first, assume_unique=True)])
    order = order[np.isin(test.index[order], subject.result.targets.index)]
    return np.sort(order[: config.targets])


def trial_seeds(config: RemovalConfig, subject: Subject | None = None) -> list[int]:
    """Seeds of the trainings on everything; the first so many are those of every removal."""
    assert config.seeds is not None
    if subject is not None and subject.recipe is not None and subject.is_common:
        own = int(draw(subject.recipe.subsets, np.array([0]), len(subject.dataset.train)).seeds[0])
        return [own, *derived(config.seed, 1, config.seeds - 1)]
    return derived(config.seed, 1, (1 if config.together else 5) * config.seeds)


@dataclass(frozen=True)
class Rankings:
    """What removals are chosen and predicted by, (b,) positions of targets -> (b, n_train) each."""

    scores: Scores
    output_scores: Rows
    neighbours: Rows


def plan_removals(
    config: RemovalConfig, dataset: Dataset, positions: np.ndarray, seeds: list[int], rankings: Rankings
) -> list[Removal]:
    """Plan every removal of every target."""
    rows, draws = rankings.scores.rows, _Draws(config, dataset, seeds)
    ranked = _mean_row(positions, rows) if config.together else rows
    similar = _mean_row(positions, rankings.neighbours) if config.together else rankings.neighbours
    plan = []
    for position, own, ranks, effects, near in _by_target(positions, rows, ranked, rankings.output_scores, similar):
        order = np.argsort(-ranks, kind="stable")
        effects = np.where(rankings.scores.known(own), effects, np.nan)
        orders = {"helpful": order, "harmful": order[::-1], "neighbours": np.argsort(-near, kind="stable")}
        for choice in config.choices:
            for count in config.counts:
                if choice == "random":
                    trainings = draws.trainings(position, count)
                else:
                    removed = np.sort(orders[choice][:count]).astype(np.int32)
                    trainings = [Training(removed, seed) for seed in seeds[: config.seeds]]
                change = np.mean([predicted_change(effects, each.removed) for each in trainings])
                plan.append(Removal(int(position), choice, count, trainings, float(change)))
    return plan


class _Draws:
    """Random removals, drawn once a class, number and seed; all targets of a class share them."""

    def __init__(self, config: RemovalConfig, dataset: Dataset, seeds: list[int]) -> None:
        self._config, self._dataset, self._seeds = config, dataset, seeds
        self._labels = dataset.train.labels if dataset.classes else np.zeros(len(dataset.train), int)
        self._drawn: dict[tuple[int, int], list[Training]] = {}

    def trainings(self, position: int, count: int) -> list[Training]:
        """The trainings without so many examples of a target's class, each with a draw of its own."""
        label = int(self._dataset.test.labels[position]) if self._dataset.classes else 0
        if (label, count) not in self._drawn:
            self._drawn[label, count] = self._draw(label, count)
        return self._drawn[label, count]

    def _draw(self, label: int, count: int) -> list[Training]:
        config, members = self._config, np.flatnonzero(self._labels == label)
        assert config.seeds is not None
        streams = (np.random.default_rng([config.seed, 2, label, count, number]) for number in range(config.seeds))
        draws = (np.sort(stream.choice(members, count, replace=False)).astype(np.int32) for stream in streams)
        return [Training(removed, seed) for removed, seed in zip(draws, self._seeds, strict=False)]


def plan_supports(positions: np.ndarray, seeds: list[int], scores: Scores) -> list[Removal]:
    """Plan removals of exactly the predicted data support, of targets that have one."""
    if scores.intercept is None and scores.support is None:
        return []
    plan = []
    for position, own in _by_target(positions, scores.rows):
        count = _support(scores, position, own)
        trainings = []
        if 0 < count <= (scores.kept or count):
            removed = np.sort(np.argsort(-own, kind="stable")[:count]).astype(np.int32)
            trainings = [Training(removed, seed) for seed in seeds]
        plan.append(Removal(int(position), "support", count, trainings, float("nan")))
    return plan


def _support(scores: Scores, position: int, own: np.ndarray) -> int:
    if scores.support is not None:
        return int(scores.support[position])
    assert scores.intercept is not None
    return predicted_support(own, float(scores.intercept[position]))


def _by_target(positions: np.ndarray, *rows: Rows) -> Iterator[Any]:
    """Each target's position and its (n_train,) rows, computed for a block of targets at a time."""
    for start in range(0, len(positions), _BLOCK):
        block = positions[start : start + _BLOCK]
        yield from zip(block, *(each(block) for each in rows), strict=True)


def _mean_row(positions: np.ndarray, rows: Rows) -> Rows:
    """The same row for every target: the mean over all of them."""
    total = sum(row.astype(np.float64) for _, row in _by_target(positions, rows))
    return lambda block: np.tile(total / len(positions), (len(block), 1))
