"""`evaluate sizes`: how well each estimator does from fewer models, on the models that were held out of all fits."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
from pydantic import model_validator

from influence import evidence, results
from influence.config import Config, setting
from influence.datamodels import outcomes
from influence.datamodels.estimators.base import ESTIMATORS, Estimator
from influence.datamodels.outcomes import Outcomes, default_store
from influence.datamodels.priors import Prior, tangent_prior
from influence.errors import InfluenceError
from influence.jobs.evaluation.common import neighbours_of, store_evidence
from influence.jobs.scores import outcome_config
from influence.measures.baselines import same_class
from influence.measures.lds import LEAST_MODELS, Lds
from influence.measures.lds import lds as score_lds
from influence.methods.datamodels import DatamodelsConfig
from influence.progress import Report, Stages, silent


class SizesConfig(Config):
    """What is compared."""

    sizes: tuple[int, ...] = setting(
        (50, 100, 250, 500, 1000, 2000),
        "Numbers of models that are fitted, the first of those that the result's fit saw; numbers that it did not have "
        "are left out.",
    )
    targets: int = setting(1000, "Test examples, drawn at random, over which the score is averaged.", ge=1)
    lasso_targets: int = setting(50, "Test examples for the LASSO, which takes longest; 0 leaves it out.", ge=0)
    feature_models: int = setting(
        4, "Models whose features find neighbours; they are trained for it. 0 compares pixels.", ge=0
    )
    bootstrap: int = setting(200, "Bootstrap resamples of the held-out models.", ge=10)
    seed: int = setting(0, "Seed of the drawn targets and of random scores.", ge=0)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.sizes or min(self.sizes) < 2:
            raise InfluenceError(f"sizes is {self.sizes}, but must hold numbers of models, each at least 2.")
        return self


def sizes(
    result: Path,
    store: str | None = None,
    config: SizesConfig | None = None,
    out: Path | None = None,
    report: Report = silent,
) -> Path:
    """Fit every estimator on fewer and more of a result's models, and judge all on the ones held out.

    Parameters
    ----------
    result : Path
        Of datamodels.
    store : str or None
        The outcomes that it was fitted on; None is where those of its config are kept.
    config : SizesConfig or None
    out : Path or None
        The folder that gets the evidence; None is ``result``.
    report : Report

    Raises
    ------
    InfluenceError
        If the result is no datamodel, the store is of another config, or it lacks the models.
    """
    started, config = time.monotonic(), config or SizesConfig()
    read = results.read(result)
    trained = outcome_config(read)
    if trained is None:
        raise InfluenceError(
            f"{result} is no datamodel: only those are fitted on outcomes, of which there may be fewer."
        )
    store = store or default_store(trained)
    if outcomes.read_config(store) != trained:
        raise InfluenceError(
            f"{store} holds models of another config than those {result} was fitted on: give that store."
        )
    made = DatamodelsConfig.parse(read.manifest["config"])
    held_out = outcomes.read(store, range(made.held_out))
    fitted = outcomes.read(store, range(made.held_out, made.held_out + made.models))
    if len(held_out) < LEAST_MODELS:
        raise InfluenceError(f"{store} has {len(held_out)} models to judge by, and at least {LEAST_MODELS} are needed.")
    wanted = sorted({size for size in config.sizes if size < len(fitted)} | {len(fitted)})
    stages = Stages({"making the prior": 60 * made.prior_models, "comparing": 30 * len(wanted)}, report)
    dataset = trained.load()
    prior = tangent_prior(trained, made.prior_models, first=made.held_out, progress=stages["making the prior"])
    places = np.sort(np.random.default_rng(config.seed).permutation(len(dataset.test))[: config.targets])
    few = places[np.linspace(0, len(places) - 1, min(config.lasso_targets, len(places))).astype(int)]
    rows: list[tuple[str, int, int, Lds]] = []

    def judge(name: str, models: int, of: np.ndarray, predicted: np.ndarray) -> None:
        rows.append((name, models, len(of), score_lds(predicted, held_out.margins[:, of], config.bootstrap)))

    members = held_out.masks.astype(np.float32)
    neighbours, features = neighbours_of(dataset, trained, config.feature_models)
    noise = np.random.default_rng(config.seed).standard_normal((len(places), len(dataset.train)), np.float32)
    judge("random", 0, places, members @ noise.T)
    judge("same-class", 0, places, members @ same_class(dataset.test.labels[places], dataset.train.labels).T)
    judge("neighbours", 0, places, members @ neighbours.rows(places).T)
    if prior.mean is not None:
        judge("guess", made.prior_models, places, members @ prior.mean[places].T)
    progress = stages["comparing"]
    settings = {made.estimator: made.settings}
    estimators = [each(**settings.get(name, {})) for name, each in ESTIMATORS.items()]
    for done, size in enumerate(wanted):
        for estimator in estimators:
            of = few if estimator.is_slow else places
            if not len(of) or size < estimator.least_models or not _covers(fitted, size):
                continue
            judge(estimator.name, size, of, _predicted(estimator, prior, fitted, size, of, held_out.masks))
        progress((done + 1) / len(wanted))
    table = pa.table(
        {
            "estimator": evidence.names([name for name, *_ in rows]),
            "models": pa.array([models for _, models, *_ in rows], pa.int32()),
            "targets": pa.array([targets for *_, targets, _ in rows], pa.int32()),
            "mean": pa.array([score.mean for *_, score in rows], pa.float32()),
            "low": pa.array([score.interval[0] for *_, score in rows], pa.float32()),
            "high": pa.array([score.interval[1] for *_, score in rows], pa.float32()),
        }
    )
    found = {
        "about": evidence.about(read),
        "config": config.as_dict() | {"outcomes": trained.as_dict(), "prior_models": made.prior_models},
        "figures": {"held_out": len(held_out), "fitted": len(fitted)},
        "notes": [
            f"Mean Spearman correlation over {len(held_out)} models that no fit saw, of the margin and its prediction "
            f"({trained.learner.name}, alpha {trained.subsets.alpha:g}, {trained.subsets.seeds} seeds), for "
            f"{len(places)} test examples drawn at random; intervals are over these models.",
            f"The LASSO was fitted for {len(few)} of them only." if len(few) else "The LASSO was left out.",
            f"The prior mean (guess) and the prior-informed estimator use the gradients of {made.prior_models} "
            "fitted models.",
            f"Neighbours: {features}.",
        ],
    }
    return store_evidence(out or result, "sizes", found, started, {"scores": table}, report)


def _predicted(
    estimator: Estimator,
    prior: Prior,
    fitted: Outcomes,
    size: int,
    places: np.ndarray,
    judges: np.ndarray,
) -> np.ndarray:
    own = replace(prior, mean=None if prior.mean is None else prior.mean[places])
    return estimator.fit(fitted.masks[:size], fitted.margins[:size, places], own).predict(judges)


def _covers(fitted: Outcomes, size: int) -> bool:
    """Whether every training example is in some of the first models, and not in all."""
    count = fitted.masks[:size].sum(axis=0)
    return bool(((count > 0) & (count < size)).all())
