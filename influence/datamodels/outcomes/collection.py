"""Collecting outcomes: training the models that a store lacks."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from influence import datasets
from influence.datamodels.outcomes.backends import Backend
from influence.datamodels.outcomes.config import OutcomeConfig
from influence.datamodels.outcomes.store import MISSING, Store, explain_storage
from influence.datamodels.subsets import subset_size
from influence.datasets import Dataset
from influence.errors import InfluenceError

Report = Callable[[int, int], None]
"""Called with the number of models finished by this call, and the number that it set out to train."""


@dataclass(frozen=True)
class Collected:
    """What one call of `collect` did, in models."""

    trained: int
    diverged: int
    present: int


def collect(
    config: OutcomeConfig,
    store: str,
    models: int,
    span: tuple[int, int] | None = None,
    backend: Backend | None = None,
    report: Report = lambda finished, total: None,
) -> Collected:
    """Train the models that a store lacks. It may be stopped and called again at any time: finished models are kept.

    Parameters
    ----------
    config : OutcomeConfig
    store : str
        A path or an fsspec URL; made if there is nothing.
    models : int
        How many models the store is to have in all; more than it has extends it.
    span : (start, stop) or None
        Train only these, for several processes or machines on one store. Both ends fall on the borders of units
        (``config.learner.batch``), except that ``stop`` may be ``models``.
    backend : Backend or None
        None is this process.
    report : callable

    Raises
    ------
    InfluenceError
        Before any training if the config, the range or the data set won't do, or the store is of another config;
        later if the store can't be written or worker processes die. What was finished by then is kept.
    """
    datasets.check_name(config.dataset)
    if models < 1:
        raise InfluenceError(f"models is {models}, but must be at least 1.")
    dataset = config.load()
    _check_labels(dataset)
    subset_size(config.subsets, len(dataset.train))
    with explain_storage(store):
        opened = Store.open_or_create(store, config, dataset)
        unit = opened.unit
        start, stop = span or (0, models)
        _check_span(start, stop, models, unit)
        opened.grow(models)
        before = opened.states()
    wanted = np.flatnonzero(before[start:stop] == MISSING) + start
    spans = [(max(start, int(u) * unit), min(stop, (int(u) + 1) * unit)) for u in np.unique(wanted // unit)]
    diverged = finished = 0
    for trained, failed in (backend or Backend()).train(config, store, spans):
        finished += trained
        diverged += failed
        report(finished, len(wanted))
    return Collected(finished, diverged, int((before[:models] != MISSING).sum()) + finished)


def _check_labels(dataset: Dataset) -> None:
    if not np.issubdtype(dataset.train.labels.dtype, np.integer):
        raise InfluenceError(
            f"{dataset.name} has no classes, and a datamodel explains the margin between classes: "
            "choose digits or cifar10."
        )
    untaught = np.setdiff1d(dataset.test.labels, dataset.train.labels)
    if len(untaught):
        raise InfluenceError(
            f"{len(untaught)} of the classes of {dataset.name} have no training example left, the first is number "
            f"{untaught[0]}: raise train_size, or choose classes."
        )


def _check_span(start: int, stop: int, models: int, unit: int) -> None:
    if not 0 <= start < stop <= models:
        raise InfluenceError(f"The range {start}:{stop} must lie within 0:{models} and hold at least one model.")
    if start % unit or (stop % unit and stop != models):
        raise InfluenceError(
            f"The range {start}:{stop} cuts through models that are trained and stored together: use multiples of "
            f"{unit}."
        )
