"""The job behind `python -m influence datamodels`: train on subsets, fit, judge on models never fitted, write a result.

Of a store's models, the first ``held_out`` are never fitted: they judge. The ``models`` after them are fitted. So a
store that grows keeps its judges, and a longer run's score can be compared with a shorter one's.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from influence import datasets, evidence, results
from influence.circumstances import circumstances
from influence.datamodels.estimators.base import LinearDatamodel
from influence.datamodels.outcomes import Backend, OutcomeConfig, Outcomes, collect, default_store, missing, read
from influence.datamodels.priors import tangent_prior
from influence.datasets import Dataset
from influence.errors import InfluenceError
from influence.evaluation.base import keep
from influence.measures.lds import LEAST_MODELS as LEAST_HELD_OUT
from influence.methods.datamodels.config import DatamodelsConfig
from influence.methods.datamodels.judge import Judged, judge
from influence.methods.datamodels.kind import KIND
from influence.methods.datamodels.summaries import summarised
from influence.methods.datamodels.tables import tables
from influence.methods.datamodels.words import describe
from influence.progress import Report, Stages, silent
from influence.ranking import check_k


@contextmanager
def explain_memory() -> Iterator[None]:
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


@explain_memory()
def run(
    config: DatamodelsConfig,
    out: Path,
    replace: bool = False,
    report: Report = silent,
    *,
    store: str | None = None,
    backend: Backend | None = None,
    train: bool = True,
) -> Path:
    """Train the models that the store lacks, fit the datamodel, judge it, and write a result folder.

    Parameters
    ----------
    config, out, replace, report
        See `influence.methods.base.Method.run`.
    store : str or None
        Path or URL of the outcome store; None is `default_store`. Repeated trainings for the ceiling go beside it.
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
        work = Work(config, store, dataset, report)
        work.collect(backend, train)
        held_out = read(store, range(config.held_out))
        fitted = read(store, range(config.held_out, config.held_out + config.models))
        _check_enough(config, held_out, fitted)
        model = work.fit(fitted)
        judged = work.judge(model, fitted, held_out)
        summaries = summarised(dataset, model, config.k, config.reverse_k, work.stages["writing"])
        manifest = describe(config, dataset, judged, summaries.counts) | circumstances(time.monotonic() - started)
        KIND.write(folder, manifest, tables(dataset, judged.quality, summaries, [held_out, fitted]))
        found, about = judged.findings(config, dataset.test.index), evidence.about(results.read(folder))
        keep(evidence.LdsEvidence, found, folder, about, time.monotonic() - started)
        report(1.0, "done")
    return out


class _Enough(Exception):
    """Signal that enough models are finished; the argument is their number."""


class Work:
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
            yield self.again, self.ceiling_store, self.config.held_out, "repeating"

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

    def judge(self, model: LinearDatamodel, fitted: Outcomes, held_out: Outcomes) -> Judged:
        repeated = read(self.ceiling_store, range(self.config.held_out)) if self.config.ceiling else None
        return judge(model, fitted, held_out, repeated, self.stages["judging"])


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
    each = config.outcomes.learner.seconds
    targets = len(dataset.test)
    return {
        "training": each * to_train,
        "repeating": each * to_repeat,
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
