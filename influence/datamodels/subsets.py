"""Who sees what: the subset and the seed of model i follow from (config, i) alone (Ilyas et al. 2022, section 2).

So any process, in any order, after any crash, on any machine, makes the same model i. Numpy's SeedSequence and Philox
give the same bits on every platform, and their streams are stable across versions; the draws from them are spelled out
here for the same reason.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from influence.errors import InfluenceError
from influence.learners.base import Subsets

Seeds = Literal["fresh", "common"]

_SUBSET, _MODEL = 0, 1  # which stream of a model


@dataclass(frozen=True)
class SubsetConfig:
    """The distribution of the subsets.

    Parameters
    ----------
    alpha : float
        Share of the training part that each model sees, in (0, 1): every subset has round(alpha n) examples.
    seed : int
        Of everything that is drawn.
    seeds : "fresh" or "common"
        Fresh: initial weights and data order differ from model to model (the paper's protocol), and a result is about
        the recipe. Common: only the subset differs; far less noise, and a result is about this one initialisation.
    retrain : int
        0, or the number of a repetition: the same subsets, trained with other seeds (what a noise ceiling needs).
    """

    alpha: float = 0.5
    seed: int = 0
    seeds: Seeds = "fresh"
    retrain: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1:
            raise InfluenceError(f"alpha is {self.alpha}, but must lie strictly between 0 and 1: 0.5 is usual.")
        for name in ("seed", "retrain"):
            if not 0 <= getattr(self, name) < 2**63:
                raise InfluenceError(f"{name} is {getattr(self, name)}, but must lie between 0 and 2^63 - 1.")
        if self.seeds not in get_args(Seeds):
            raise InfluenceError(f"seeds is {self.seeds!r}, but must be one of {', '.join(get_args(Seeds))}.")


def subset_size(config: SubsetConfig, n_train: int) -> int:
    """How many training examples each model sees.

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
    """What the given models see.

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
        named = int(model) if config.seeds == "fresh" else 0
        seeds[row] = _sequence(config.seed, _MODEL, named, config.retrain).generate_state(1, np.uint64)[0]
    return Subsets(masks, seeds, config.seeds == "common")


def _sequence(*words: int) -> np.random.SeedSequence:
    return np.random.SeedSequence(words)
