"""The settings of `evaluate removal`, and what stands in for those that are left open."""

from typing import Any, Self

import numpy as np
from pydantic import model_validator

from influence.config import Config, setting
from influence.datasets import Dataset
from influence.errors import InfluenceError
from influence.evaluation.base import MANY
from influence.evidence import CHOICES
from influence.measures.removal import LEAST_SEEDS
from influence.measures.removal import counts as steps_up_to


class RemovalConfig(Config):
    """What to remove, and how often to train without it.

    With more than `influence.evaluation.base.MANY` training examples a training takes seconds, and the defaults
    are less: 30 targets, helpful and random, three steps up to 50, and one training of each (two where seeds differ).
    """

    targets: int | None = setting(
        None,
        "Targets drawn at random. Default: 100; for houses, the eleven Palo Alto houses, to which others are drawn.",
        ge=1,
    )
    counts: tuple[int, ...] = setting(
        (), "Training examples to remove. Default: six steps from 1 to a quarter of a class; 100 for houses."
    )
    choices: tuple[str, ...] = setting(
        (), "Which to remove. Default: helpful, neighbours and random; for houses, harmful too."
    )
    seeds: int | None = setting(
        None, "Trainings for every removal; five times as many use the whole training part. Default: 10.", ge=1
    )
    seed: int = setting(0, "Seed of everything that is drawn.", ge=0)
    epochs: int | None = setting(None, "Epochs of every training, instead of the result's own.", ge=1)
    feature_models: int = setting(
        4, "Number of models whose features find neighbours; they are trained for this. 0 compares pixels.", ge=0
    )
    kept: bool | None = setting(
        None,
        "Use the scores that the result keeps, instead of computing all of them again: no more can be removed then, "
        "and other removals are not predicted. Default: if computing would take minutes.",
        option="--kept/--all-scores",
    )
    together: bool = setting(
        False,
        "Remove the examples with the highest (or lowest) mean score over all targets, instead of those of each "
        "target: one training then serves all targets.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        for choice in self.choices:
            if choice not in CHOICES:
                raise InfluenceError(f"choice is {choice!r}, but must be one of {', '.join(CHOICES)}.")
        return self


def check_counts(wanted: tuple[int, ...], dataset: Dataset) -> None:
    """Raise an `InfluenceError` if a removal would leave nothing of a class."""
    if not wanted or not dataset.classes:
        return
    _, sizes = np.unique(dataset.train.labels, return_counts=True)
    if not 1 <= min(wanted) <= max(wanted) < sizes.min():
        raise InfluenceError(
            f"--counts must lie between 1 and the {sizes.min() - 1} training examples that leave something of each "
            f"class, and they are {', '.join(map(str, sorted(wanted)))}."
        )


def completed(config: RemovalConfig, dataset: Dataset, is_common: bool, kept: int | None) -> RemovalConfig:
    """Choose what was left open.

    Parameters
    ----------
    config : RemovalConfig
    dataset : Dataset
    is_common : bool
        Whether trainings share their seeds.
    kept : int or None
        How many scores are known either way; None for all.
    """
    usual = _usual(dataset, is_common, kept)
    targets, counts = config.targets or usual["targets"], config.counts or usual["counts"]
    if dataset.classes:
        targets, counts = min(targets, len(dataset.test)), tuple(sorted(counts))
    done = config.replace(
        targets=targets,
        counts=counts,
        choices=config.choices or usual["choices"],
        seeds=config.seeds or usual["seeds"],
    )
    if dataset.classes and kept is not None and done.counts[-1] > kept and {"helpful", "harmful"} & {*done.choices}:
        raise InfluenceError(
            f"--counts has {done.counts[-1]}, and of each target only the {kept} highest and lowest scores are known: "
            f"remove at most {kept}" + (", or let all be computed again with --all-scores." if config.kept else ".")
        )
    return done


def _usual(dataset: Dataset, is_common: bool, kept: int | None) -> dict[str, Any]:
    """The defaults, by the task and by how long a training takes."""
    if not dataset.classes:
        return {
            "targets": len(first_targets(dataset)) or min(100, len(dataset.test)),
            "counts": (100,),
            "choices": ("helpful", "harmful", "neighbours", "random"),
            "seeds": 10,
        }
    _, sizes = np.unique(dataset.train.labels, return_counts=True)
    most = min(int(sizes.min()) // 4, kept or len(dataset.train))
    if len(dataset.train) <= MANY:
        return {
            "targets": 100,
            "counts": steps_up_to(most),
            "choices": ("helpful", "neighbours", "random"),
            "seeds": 10,
        }
    most = min(most, 50)
    return {
        "targets": 30,
        "counts": tuple(sorted({max(1, most // 5), max(1, 2 * most // 5), most})),
        "choices": ("helpful", "random"),
        "seeds": 1 if is_common else LEAST_SEEDS,
    }


def first_targets(dataset: Dataset) -> np.ndarray:
    """Positions of the test examples in the data set's first group; none where it declares no groups."""
    groups = dataset.facts.groups
    return np.flatnonzero(groups[0].members(dataset.test)) if groups else np.empty(0, np.int64)
