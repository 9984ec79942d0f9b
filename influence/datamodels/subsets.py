"""Subsets and seeds of models: those of model i follow from (config, i) alone (Ilyas et al. 2022, section 2).

So any process, in any order, after any crash, on any machine, makes the same model i. Numpy's SeedSequence and Philox
give the same bits on every platform, and their streams are stable across versions; the draws from them are spelled out
here for the same reason.
"""

from typing import Literal

import numpy as np

from influence.config import Config, Real, setting
from influence.errors import InfluenceError
from influence.learners.base import Subsets

Seeds = Literal["fresh", "common"]

_SUBSET, _MODEL = 0, 1  # which stream of a model


class SubsetConfig(Config):
    """The distribution of the subsets."""

    alpha: Real = setting(
        0.5,
        "Share of the training part that each model is trained on: every subset has round(alpha n) examples.",
        gt=0,
        lt=1,
    )
    seed: int = setting(0, "Seed of the subsets, the initial weights and the order of examples.", ge=0, lt=2**63)
    seeds: Seeds = setting(
        "fresh",
        "fresh: every model has its own initial weights and order of examples, so a result describes the recipe. "
        "common: models differ in their subset alone, which is far less noisy, and a result describes this one "
        "initialisation.",
    )
    repeat: int = setting(
        0,
        "Number of the repeat: the same subsets are trained again with other seeds, which a noise ceiling needs.",
        ge=0,
        lt=2**63,
        alias="retrain",
        form=False,
    )


def subset_size(config: SubsetConfig, n_train: int) -> int:
    """Compute how many training examples each model sees.

    Raises
    ------
    InfluenceError
        If that is none or all of them.
    """
    size = round(config.alpha * n_train)
    if not 0 < size < n_train:
        raise InfluenceError(
            f"alpha {config.alpha} of {n_train} training examples is {size}, which leaves nothing to compare: "
            "choose an alpha nearer to 0.5."
        )
    return size


def draw(config: SubsetConfig, models: np.ndarray, n_train: int) -> Subsets:
    """Draw the subsets and seeds of some models.

    Parameters
    ----------
    models : (k,) int
        Their numbers, from 0.
    n_train : int
    """
    size = subset_size(config, n_train)
    masks = np.zeros((len(models), n_train), dtype=bool)
    seeds = np.zeros(len(models), dtype=np.uint64)
    for row, model in enumerate(models):
        # The first `size` of the smallest 64-bit keys: a uniform subset without relying on how numpy shuffles.
        keys = np.random.Philox(_sequence(config.seed, _SUBSET, int(model))).random_raw(n_train)
        masks[row, np.argsort(keys, kind="stable")[:size]] = True
        number = int(model) if config.seeds == "fresh" else 0
        seeds[row] = _sequence(config.seed, _MODEL, number, config.repeat).generate_state(1, np.uint64)[0]
    return Subsets(masks, seeds, config.seeds == "common")


def _sequence(*words: int) -> np.random.SeedSequence:
    return np.random.SeedSequence(words)
