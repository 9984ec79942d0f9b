"""Reading outcomes, and training some of a store's models once more."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import zarr

from influence.datamodels.outcomes.config import OutcomeConfig
from influence.datamodels.outcomes.store import ARRAYS, DIVERGED, DONE, MISSING, Store, explain_storage
from influence.datamodels.outcomes.unit import damaged
from influence.datamodels.subsets import draw
from influence.errors import InfluenceError
from influence.learners.base import Models


@dataclass(frozen=True)
class Outcomes:
    """Outcomes of the models that are done, by increasing number.

    Parameters
    ----------
    models : (m,) int64
        Their numbers.
    masks : (m, n_train) bool
    margins : (m, n_targets) float32
    predictions : (m, n_targets) uint8
        The class that each model predicts.
    accuracy : (m,) float32
    diverged : int
        How many of the models asked for are left out because they diverged.
    missing : int
        How many are not there.
    """

    models: np.ndarray
    masks: np.ndarray
    margins: np.ndarray
    predictions: np.ndarray
    accuracy: np.ndarray
    diverged: int
    missing: int

    def __len__(self) -> int:
        return len(self.models)


def read(store: str, models: Iterable[int] | None = None) -> Outcomes:
    """Read a store's outcomes, by default of all its models. Missing and diverged ones are counted and left out.

    Raises
    ------
    InfluenceError
        If there is no store, it can't be reached, or an outcome is damaged.
    """
    with explain_storage(store):
        opened = Store.existing(store)
        state, unit, n_train = opened.states(), opened.unit, opened.n_train
        numbers = np.arange(len(state)) if models is None else np.unique(np.fromiter(models, dtype=np.int64))
        if len(numbers) and not (numbers[0] >= 0 and numbers[-1] < len(state)):
            raise InfluenceError(
                f"{store} has the models 0 to {len(state) - 1}, and {numbers[-1]} was asked for: collect more first."
            )
        done = numbers[state[numbers] == DONE]
        kept = {name: [np.empty((0, *opened.array(name).shape[1:]), opened.array(name).dtype)] for name in ARRAYS}
        for u in np.unique(done // unit):
            first, last = int(u) * unit, min((int(u) + 1) * unit, len(state))
            rows = opened.rows(first, last)
            bad = damaged(rows)[numbers[numbers // unit == u] - first]
            if bad.any():
                raise InfluenceError(
                    f"{store}: {int(bad.sum())} outcome(s) of the models {first} to {last - 1} are damaged: "
                    "verify the store with repair, then collect again; the others are kept."
                )
            for name in ARRAYS:
                kept[name].append(rows[name][done[done // unit == u] - first])
    columns = {name: np.concatenate(parts) for name, parts in kept.items()}
    return Outcomes(
        done.astype(np.int64),
        np.unpackbits(columns["masks"], axis=1, count=n_train).astype(bool),
        columns["margins"].astype(np.float32),
        columns["named"],
        columns["accuracy"],
        diverged=int((state[numbers] == DIVERGED).sum()),
        missing=int((state[numbers] == MISSING).sum()),
    )


def read_config(store: str) -> OutcomeConfig:
    """Read the config that a store's models were trained with."""
    with explain_storage(store):
        return Store.existing(store).config


def size(store: str) -> int:
    """Count the models that a store has room for: done, diverged or missing."""
    with explain_storage(store):
        return len(Store.existing(store))


def missing(config: OutcomeConfig, store: str, models: int) -> int:
    """Count how many of the first ``models`` a store lacks: all of them if there is no store yet.

    Raises
    ------
    InfluenceError
        If the store is of another config or of other data, or can't be reached.
    """
    with explain_storage(store):
        try:
            zarr.open_group(store, mode="r")
        except FileNotFoundError:
            return models
        states = Store.of(store, config, config.load()).states()[:models]
    return models - int((states != MISSING).sum())


def reproduce(config: OutcomeConfig, models: np.ndarray) -> tuple[Models, np.ndarray]:
    """Train the given models once more: a store has their margins, not their weights.

    Parameters
    ----------
    config : OutcomeConfig
    models : (k,) int
        Their numbers.

    Returns
    -------
    trained : Models
    masks : (k, n_train) bool
    """
    dataset = config.load()
    subsets = draw(config.subsets, models, len(dataset.train))
    return config.learner.fit(dataset.train, subsets), subsets.masks
