"""The job behind `python -m influence datamodels`: train on subsets, fit, judge on models never fitted, write a result.

Of a store's models, the first ``held_out`` are never fitted: they judge. The ``models`` after them are fitted. So a
store that grows keeps its judges, and a longer run's score can be compared with a shorter one's.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from influence import datasets, results
from influence.circumstances import circumstances
from influence.datamodels.estimators.base import LinearDatamodel
from influence.datamodels.outcomes import Backend, OutcomeConfig, Outcomes, collect, default_store, missing, read
from influence.datamodels.priors import tangent_prior
from influence.datasets import Dataset
from influence.errors import InfluenceError
from influence.measures.lds import LEAST_MODELS as LEAST_HELD_OUT
from influence.measures.lds import Lds, Quality, noise_ceiling, quality, random_baseline
from influence.methods.datamodels.config import DatamodelsConfig
from influence.progress import Report, Stages, silent
from influence.ranking import Reverse, TopK, check_k, percentiles_of, ranked, shortened, strongest
from influence.text import duration

PROTOCOLS = {
    "fresh": "Every model has its own initial weights and its own order of examples: the weights are about the recipe, "
    "whatever the seed.",
    "common": "All models share their initial weights and order of examples, and differ in the subset alone: the "
    "weights are about this one initialisation.",
}
_BLOCK = 512  # targets whose weights are held at once
_DENSE_COUNTS = 50  # removals counted one by one; beyond, in growing steps
_COARSE_COUNTS = 60
_OF_CURVES = 16  # significant bits of a removal curve, whose points are looked at for their differences


@contextmanager
def _explain_memory() -> Iterator[None]:
    """Turn "out of memory", in numpy's words or torch's, into an `InfluenceError`."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error).lower():
            raise
        raise InfluenceError(
            "This does not fit into memory: no result was written, and the models that were trained are kept in the "
            "store. Use fewer models, another estimator or a smaller part of the data set."
        ) from error


@_explain_memory()
def run(
    config: DatamodelsConfig,
    out: Path,
    store: str | None = None,
    replace: bool = False,
    report: Report = silent,
    backend: Backend | None = None,
    train: bool = True,
) -> Path:
    """Train the models that the store lacks, fit the datamodel, judge it, and write a result folder.

    Parameters
    ----------
    config : DatamodelsConfig
    out : Path
    store : str or None
        Path or URL of the outcome store; None is `default_store`. Repeated trainings for the ceiling go beside it.
    replace, report
    backend : Backend or None
    train : bool
        If false, an incomplete store is an error.

    Raises
    ------
    InfluenceError
        Before any work if the config, the data set, the store or ``out`` won't do; later if the disk fills or too many
        models diverge. No result is left behind; outcomes that were finished are.
    """
    started = time.monotonic()
    store = store or default_store(config.outcomes)
    datasets.check_name(config.outcomes.dataset)
    dataset = config.outcomes.load()
    check_k(config.k, len(dataset.train))
    with results.writing(out, replace) as folder:
        work = _Work(config, store, dataset, report)
        work.collect(backend, train)
        held_out = read(store, range(config.held_out))
        fitted = read(store, range(config.held_out, config.held_out + config.models))
        _check_enough(config, held_out, fitted)
        model = work.fit(fitted)
        judged = work.judge(model, held_out)
        explained = _explain(config, dataset, model, work.stages["writing"])
        seen = (
            np.concatenate([held_out.predictions, fitted.predictions]),
            np.concatenate([held_out.margins, fitted.margins]),
        )
        results.write_tables(
            folder,
            _describe(config, dataset, judged, held_out, fitted, explained.counts)
            | circumstances(time.monotonic() - started),
            _tables(dataset, judged.quality, explained, *seen),
        )
        report(1.0, "done")
    return out


@dataclass(frozen=True)
class Estimate:
    """How long the training of a run will take on this machine.

    Attributes
    ----------
    models : int
        That are still to be trained, repeated ones included.
    seconds : float or None
        For each, as measured; None where nothing was to be trained.
    """

    models: int
    seconds: float | None

    def __str__(self) -> str:
        if self.seconds is None:
            return "All models are there already: what is left is the fit."
        each = f"{self.seconds:.2g} s" if self.seconds < 10 else duration(self.seconds)
        if not self.models:
            return f"One model takes {each} here, and none is left to train: what is left is the fit."
        return (
            f"One model takes {each} here: {self.models:,} are left to train, which takes about "
            f"{duration(self.models * self.seconds)}."
        )


@_explain_memory()
def measure(config: DatamodelsConfig, store: str | None = None, report: Report = silent) -> Estimate:
    """Train the first of the models that a run lacks (as many as are trained together), keep them, and time them.

    The time is that of this process on one model; others that use the machine meanwhile are in it.

    Raises
    ------
    InfluenceError
        If the config, the data set or the store won't do.
    """
    datasets.check_name(config.outcomes.dataset)
    dataset = config.outcomes.load()
    check_k(config.k, len(dataset.train))
    work = _Work(config, store or default_store(config.outcomes), dataset, silent)
    report(0.0, "training the first model, to measure how long it takes")
    lacking = work.to_train + work.to_repeat
    if not lacking:
        return Estimate(0, None)
    started = time.monotonic()
    finished = work.train_first()
    if not finished:
        return Estimate(0, None)
    return Estimate(lacking - finished, (time.monotonic() - started) / finished)


class _Enough(Exception):
    """As many models are finished as were wanted; the argument is their number."""


@dataclass(frozen=True)
class _Judged:
    quality: Quality
    random: Lds
    ceiling: Lds | None


class _Work:
    """The long parts of the job, with their progress."""

    def __init__(self, config: DatamodelsConfig, store: str, dataset: Dataset, report: Report) -> None:
        self.config, self.store, self.report = config, store, report
        self.ceiling_store = f"{store.rstrip('/')}-ceiling"
        subsets = config.outcomes.subsets
        self.again = config.outcomes.replace(subsets=subsets.replace(repeat=subsets.repeat + 1))
        self.total = config.held_out + config.models
        self.to_train = missing(config.outcomes, store, self.total)
        self.to_repeat = missing(self.again, self.ceiling_store, config.held_out) if config.ceiling else 0
        self.stages = Stages(_cost(config, dataset, self.to_train, self.to_repeat), report)

    def collect(self, backend: Backend | None, train: bool) -> None:
        if not train and (self.to_train or self.to_repeat):
            raise InfluenceError(
                f"{self.store} lacks {self.to_train} of the {self.total} models (and {self.to_repeat} repeated ones) "
                "that this needs: collect them first, fit fewer, or use `datamodels run`, which collects."
            )
        for config, store, models, stage in self._lacking():
            collect(config, store, models, backend=backend, report=self._counting(stage))

    def _lacking(self) -> Iterator[tuple[OutcomeConfig, str, int, str]]:
        """What is to be collected, as config, store, number of models and stage."""
        if self.to_train:
            yield self.config.outcomes, self.store, self.total, "training"
        if self.to_repeat:
            yield self.again, self.ceiling_store, self.config.held_out, "training again"

    def train_first(self) -> int:
        """Train the first models that are lacking, and return how many: 0 if others were faster with all of them."""

        def stop(finished: int, total: int) -> None:
            if finished:
                raise _Enough(finished)

        config, store, models, _ = next(self._lacking())
        try:
            collect(config, store, models, report=stop)
        except _Enough as enough:
            return int(enough.args[0])
        return 0

    def _counting(self, stage: str) -> Callable[[int, int], None]:
        """Progress in models, with how many there are a second."""
        started = time.monotonic()

        def progress(finished: int, total: int) -> None:
            rate = finished / max(time.monotonic() - started, 1e-6)
            speed = f"{rate:,.0f} a second" if rate >= 2 else f"{1 / rate:,.1f} s each"
            self.stages.say(stage, finished / total, f"{stage}: {finished:,} of {total:,} models, {speed}")

        return progress

    def fit(self, outcomes: Outcomes) -> LinearDatamodel:
        return fitted_model(self.config, outcomes, self.stages["fitting"])

    def judge(self, model: LinearDatamodel, held_out: Outcomes) -> _Judged:
        progress = self.stages["judging"]
        progress(0.0)
        score = quality(model.predict(held_out.masks), held_out.margins)
        progress(0.6)
        random = random_baseline(held_out.masks, held_out.margins, bootstrap=200)
        ceiling = None
        if self.config.ceiling:
            repeated = read(self.ceiling_store, range(self.config.held_out))
            both, here, there = np.intersect1d(held_out.models, repeated.models, return_indices=True)
            if len(both) >= LEAST_HELD_OUT:
                ceiling = noise_ceiling(held_out.margins[here], repeated.margins[there], bootstrap=200)
        return _Judged(score, random, ceiling)


def fitted_model(
    config: DatamodelsConfig, outcomes: Outcomes, progress: Callable[[float], None] = lambda share: None
) -> LinearDatamodel:
    """The datamodel of a config, fitted on its store's models; the same outcomes give the same weights."""
    progress(0.0)
    prior, estimator = None, config.fitted_by
    if estimator.needs_prior:
        prior = tangent_prior(
            config.outcomes, config.prior_models, first=config.held_out, progress=lambda share: progress(0.8 * share)
        )
        progress(0.8)
    return estimator.fit(outcomes.masks, outcomes.margins, prior)


def _cost(config: DatamodelsConfig, dataset: Dataset, to_train: int, to_repeat: int) -> dict[str, float]:
    """Seconds, roughly: only the shares matter."""
    each = 0.01 if config.outcomes.learner.name == "mlp" else 10.0
    targets = len(dataset.test)
    return {
        "training": each * to_train,
        "training again": each * to_repeat,
        "fitting": config.fitted_by.seconds(config.models, targets) + 1,
        "judging": 6e-5 * config.held_out * targets,
        "writing": 1 + 2e-7 * targets * len(dataset.train),
    }


def _check_enough(config: DatamodelsConfig, held_out: Outcomes, fitted: Outcomes) -> None:
    for outcomes, what, least in ((held_out, "held-out", LEAST_HELD_OUT), (fitted, "fitted", 2)):
        if len(outcomes) < least:
            raise InfluenceError(
                f"{outcomes.diverged} of the {what} models diverged, which leaves {len(outcomes)}, and at least "
                f"{least} are needed: lower the learner's learning rate."
            )


# --- from weights to tables -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Explained:
    """What is kept of the weights."""

    tops: list[TopK]  # of targets
    reverse: TopK  # of training examples
    percentiles: np.ndarray  # (n_targets, 101)
    counts: np.ndarray  # (c,) int: numbers of removed training examples
    removal: np.ndarray  # (n_targets, c) float32: predicted margin without the most positive ones
    support: np.ndarray  # (n_targets,) int32: removals until it is negative; -1 if it never is
    total: np.ndarray  # (n_targets,) float64: sum of the weights
    spread: np.ndarray  # (n_targets,) float64: their standard deviation
    intercept: np.ndarray  # (n_targets,) float64
    own_class: np.ndarray  # (n_train,) float64: mean weight on targets of the same class
    other_classes: np.ndarray  # (n_train,) float64
    nearest: np.ndarray  # (n_targets,) int: place of the kept training example that looks most like the target
    similarity: np.ndarray  # (n_targets,) float32: how much
    between_classes: np.ndarray  # (n_targets,) float64: share of the weights' variance


def _explain(
    config: DatamodelsConfig, dataset: Dataset, model: LinearDatamodel, progress: Callable[[float], None]
) -> _Explained:
    n_train, n_targets = len(dataset.train), len(dataset.test)
    counts = removal_counts(n_train)
    tops, percentiles, removals, supports, totals, spreads = [], [], [], [], [], []
    reverse = Reverse(n_train, config.reverse_k)
    same_sum, same_count, all_sum = np.zeros(n_train), np.zeros(n_train), np.zeros(n_train)
    nearest, between = [], []
    for start in range(0, n_targets, _BLOCK):
        block = slice(start, start + _BLOCK)
        weights = np.ascontiguousarray(model.coef(block), dtype=np.float32)
        tops.append(strongest(torch.from_numpy(weights), config.k))
        nearest.append(most_alike(dataset.test.inputs[block], dataset.train.inputs, np.asarray(tops[-1][0])))
        between.append(between_classes(weights, dataset.train.labels))
        reverse.add(weights, start)
        rising = np.sort(weights, axis=1)
        percentiles.append(percentiles_of(rising))
        totals.append(weights.sum(axis=1, dtype=np.float64))
        spreads.append(weights.std(axis=1, dtype=np.float64))
        everything = totals[-1] + model.intercept_[block]
        left = everything[:, None] - np.concatenate(
            [np.zeros((len(weights), 1)), rising[:, ::-1].cumsum(axis=1, dtype=np.float64)], axis=1
        )
        removals.append(left[:, counts].astype(np.float32))
        supports.append(np.where((left < 0).any(axis=1), (left < 0).argmax(axis=1), -1).astype(np.int32))
        same = dataset.test.labels[block, None] == dataset.train.labels
        same_sum += (weights * same).sum(axis=0, dtype=np.float64)
        same_count += same.sum(axis=0)
        all_sum += weights.sum(axis=0, dtype=np.float64)
        progress(min(start + _BLOCK, n_targets) / n_targets)
    return _Explained(
        tops,
        reverse.top(),
        np.concatenate(percentiles),
        counts,
        np.concatenate(removals),
        np.concatenate(supports),
        np.concatenate(totals),
        np.concatenate(spreads),
        model.intercept_,
        same_sum / np.maximum(same_count, 1),
        (all_sum - same_sum) / np.maximum(n_targets - same_count, 1),
        np.concatenate([places for places, _ in nearest]),
        np.concatenate([similarity for _, similarity in nearest]),
        np.concatenate(between),
    )


def most_alike(targets: np.ndarray, train: np.ndarray, candidates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The one of each target's candidates that looks most like it.

    Similarity is Pearson's correlation of two inputs over all their numbers, of a colour photo over pixels and channels
    together. Colour photos, which are (height, width, 3), are also compared with their mirror image, left to right, and
    the larger correlation counts. With an input whose numbers are all equal it is 0.

    Parameters
    ----------
    targets : (n, ...)
    train : (n_train, ...)
    candidates : (n, k) int
        Places in ``train``.

    Returns
    -------
    places : (n,) int
        In ``train``; of equals, the first candidate.
    similarity : (n,) float32
        From -1 to 1.
    """
    is_photo = train.ndim == 4 and train.shape[3] == 3
    likeness = np.empty(candidates.shape, dtype=np.float32)
    for row, places in enumerate(candidates):
        others = _directions(train[places])
        views = [targets[row], targets[row][:, ::-1]] if is_photo else [targets[row]]
        likeness[row] = (others @ _directions(np.stack(views)).T).max(axis=1)
    best = likeness.argmax(axis=1)
    rows = np.arange(len(candidates))
    return candidates[rows, best], likeness[rows, best]


def _directions(inputs: np.ndarray) -> np.ndarray:
    """(n, ...) -> (n, d) float32, each centred and of length 1 (or 0): inner products are correlations."""
    flat = inputs.reshape(len(inputs), -1).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(flat, axis=1, keepdims=True)
    directions: np.ndarray = np.divide(flat, lengths, out=np.zeros_like(flat), where=lengths > 0)
    return directions


def between_classes(weights: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The share of the weights' variance that lies between the classes of the training examples.

    It is the sum over classes of n_c (mean_c - mean)², over the sum over examples of (w - mean)². At 1, class is all
    that the weights know; weights that know nothing of it have about (classes - 1) / (n_train - 1).

    Parameters
    ----------
    weights : (n, n_train)
    labels : (n_train,) int

    Returns
    -------
    (n,) float64
        0 where all weights are equal.
    """
    mean = weights.mean(axis=1, dtype=np.float64)
    is_of_class = (labels[:, None] == np.unique(labels)).astype(weights.dtype)
    counts = is_of_class.sum(axis=0, dtype=np.float64)
    own_means = (weights @ is_of_class) / counts
    between = ((own_means - mean[:, None]) ** 2) @ counts
    total = weights.shape[1] * weights.var(axis=1, dtype=np.float64)
    share: np.ndarray = np.divide(between, total, out=np.zeros_like(between), where=total > 0)
    return share


def removal_counts(n_train: int) -> np.ndarray:
    """(c,) int: how many training examples are removed at the points of a removal curve, from none to half of them."""
    half = max(1, n_train // 2)
    coarse = np.geomspace(_DENSE_COUNTS, max(half, _DENSE_COUNTS), _COARSE_COUNTS).round()
    return np.unique(np.minimum(np.concatenate([np.arange(_DENSE_COUNTS + 1), coarse]), half)).astype(np.int64)


def _tables(
    dataset: Dataset, judged: Quality, explained: _Explained, predictions: np.ndarray, margins: np.ndarray
) -> dict[str, pa.Table]:
    train, test = dataset.train, dataset.test
    votes = np.stack([(predictions == each).sum(axis=0) for each in range(int(predictions.max()) + 1)])
    removal = np.ascontiguousarray(shortened(explained.removal, _OF_CURVES))
    floats = {
        "agreement": votes.max(axis=0) / len(predictions),
        "correct": (predictions == test.labels).mean(axis=0),
        "margin": margins.mean(axis=0, dtype=np.float64),
        "margin_sd": margins.std(axis=0, dtype=np.float64),
        "intercept": explained.intercept,
        "weight_sum": explained.total,
        "weight_sd": explained.spread,
        "lds": judged.lds.per_target,
        "correlation": judged.correlation,
        "error": judged.error,
        "nearest_similarity": explained.similarity,
        "between_classes": explained.between_classes,
    }
    return {
        "influences": ranked(("target", "train"), test.index, train.index, explained.tops, short=True),
        "reverse": ranked(("train", "target"), train.index, test.index, [explained.reverse], short=True),
        "targets": pa.table(
            {
                "target": test.index,
                "score_percentiles": results.percentile_column(shortened(explained.percentiles)),
                "label": test.labels.astype(np.int16),
                "prediction": votes.argmax(axis=0).astype(np.int16),
                "support": explained.support,
                "nearest": train.index[explained.nearest],
                "removal": pa.FixedSizeListArray.from_arrays(pa.array(removal.ravel()), removal.shape[1]),
            }
            | {name: values.astype(np.float32) for name, values in floats.items()}
        ),
        "train": pa.table(
            {
                "train": train.index,
                "label": train.labels.astype(np.int16),
                "own_class": explained.own_class.astype(np.float32),
                "other_classes": explained.other_classes.astype(np.float32),
            }
        ),
    }


def _describe(
    config: DatamodelsConfig,
    dataset: Dataset,
    judged: _Judged,
    held_out: Outcomes,
    fitted: Outcomes,
    counts: np.ndarray,
) -> dict[str, Any]:
    """The manifest, but for the circumstances of the run."""
    subsets, learner = config.outcomes.subsets, config.outcomes.learner
    settings = ", ".join(f"{name} {value:g}" for name, value in learner.as_dict().items() if not isinstance(value, str))
    ceiling_is = (
        "the same held-out subsets trained again with other seeds: how well one training predicts another"
        if subsets.seeds == "fresh"
        else "the same held-out subsets trained again from another initialisation; within this one, training is "
        "repeatable"
    )
    return {
        "dataset": dataset.name,
        "dataset_hash": dataset.content_hash,
        "method": "datamodels",
        "title": f"datamodels by {config.fitted_by.title}",
        "learner": f"{learner.name} ({settings})",
        "config": config.as_dict(),
        "estimator_settings": config.fitted_by.settings,
        "classes": list(dataset.classes),
        "k": config.k,
        "reverse_k": min(config.reverse_k, len(dataset.test)),
        "removal_counts": counts.tolist(),
        "subset_size": int(fitted.masks[0].sum()),
        "sign": "positive helps: with the training example in the subset, the target's margin is larger",
        "units": "margin: correct-class logit minus the log-sum-exp of the others; 0 is a probability of one half",
        "protocol": PROTOCOLS[subsets.seeds],
        "caveat": "A weight is an average over subsets, and sums of weights ignore how examples act together; margins "
        "of the whole training set and of removals are predicted, not measured.",
        "quality": {
            "lds": _numbers(judged.quality.lds),
            "random": _numbers(judged.random),
            "ceiling": None if judged.ceiling is None else _numbers(judged.ceiling) | {"what": ceiling_is},
            "correlation": float(judged.quality.correlation.mean()),
            "error": float(np.nanmean(judged.quality.error)),
            "fitted": len(fitted),
            "held_out": len(held_out),
            "diverged": fitted.diverged + held_out.diverged,
            "accuracy": float(np.concatenate([held_out.accuracy, fitted.accuracy]).mean()),
        },
    }


def _numbers(score: Lds) -> dict[str, float]:
    low, high = score.interval
    return {"mean": score.mean, "low": low, "high": high, "level": score.level}
