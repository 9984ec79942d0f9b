"""The score of every estimator from fewer and more of a fit's models, beside rankings that need no outcomes."""

from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from influence import evidence
from influence.datamodels import outcomes
from influence.datamodels.estimators.base import ESTIMATORS, Estimator
from influence.datamodels.outcomes import OutcomeConfig, Outcomes
from influence.datamodels.priors import Prior, tangent_prior
from influence.datasets import Dataset
from influence.errors import InfluenceError
from influence.evaluation.base import Findings
from influence.evaluation.neighbours import neighbours_of
from influence.evaluation.scaling.config import ScalingConfig
from influence.evaluation.scores import Fitted
from influence.evaluation.subject import Subject
from influence.measures.baselines import same_class
from influence.measures.lds import LEAST_MODELS, Lds, lds
from influence.progress import Report, Stages, silent


@dataclass
class _Judge:
    """The models held out of all fits, and the scores so far."""

    held_out: Outcomes
    bootstrap: int
    rows: list[tuple[str, int, int, Lds]] = field(default_factory=list)

    def judge(self, name: str, models: int, positions: np.ndarray, predicted: np.ndarray) -> None:
        """Score (m, n_targets) predictions, which come from so many models."""
        score = lds(predicted, self.held_out.margins[:, positions], self.bootstrap)
        self.rows.append((name, models, len(positions), score))

    def table(self) -> pa.Table:
        return pa.table(
            {
                "estimator": evidence.names([name for name, *_ in self.rows]),
                "models": pa.array([models for _, models, *_ in self.rows], pa.int32()),
                "targets": pa.array([targets for *_, targets, _ in self.rows], pa.int32()),
                "mean": pa.array([score.mean for *_, score in self.rows], pa.float32()),
                "low": pa.array([score.interval[0] for *_, score in self.rows], pa.float32()),
                "high": pa.array([score.interval[1] for *_, score in self.rows], pa.float32()),
            }
        )


def evaluate(subject: Subject, config: ScalingConfig, report: Report = silent) -> Findings:
    """Fit every estimator on fewer and more of a subject's models, and judge all on the ones held out.

    Raises
    ------
    InfluenceError
        If the scores come from no fit, the store is of another config, or it lacks the models.
    """
    fitted, trained = subject.fitted, subject.recipe
    if fitted is None or trained is None:
        raise InfluenceError(
            f"{subject.result.path} is no datamodel: only those are fitted on outcomes, of which there may be fewer."
        )
    held_out, seen = _outcomes(subject, fitted, trained)
    wanted = sorted({size for size in config.sizes if size < len(seen)} | {len(seen)})
    stages = Stages({"making the prior": 60 * fitted.prior_models, "comparing": 30 * len(wanted)}, report)
    dataset = trained.load()
    prior = tangent_prior(trained, fitted.prior_models, first=fitted.held_out, progress=stages["making the prior"])
    positions = np.sort(np.random.default_rng(config.seed).permutation(len(dataset.test))[: config.targets])
    few = positions[np.linspace(0, len(positions) - 1, min(config.lasso_targets, len(positions))).astype(int)]
    judge = _Judge(held_out, config.bootstrap)
    features = _judge_references(judge, config, trained, dataset, positions)
    if prior.mean is not None:
        members = held_out.masks.astype(np.float32)
        judge.judge(evidence.PRIOR_MEAN, fitted.prior_models, positions, members @ prior.mean[positions].T)
    progress = stages["comparing"]
    own = fitted.estimator
    estimators = {name: own if name == own.name else each(name=name) for name, each in ESTIMATORS.items()}
    for done, size in enumerate(wanted):
        for estimator in estimators.values():
            of = few if estimator.is_slow else positions
            if len(of) and size >= estimator.least_models and _covers(seen, size):
                judge.judge(estimator.name, size, of, _predicted(estimator, prior, seen, size, of, held_out.masks))
        progress((done + 1) / len(wanted))
    return Findings(
        config=config.as_dict() | {"outcomes": trained.as_dict(), "prior_models": fitted.prior_models},
        figures={"held_out": len(held_out), "fitted": len(seen)},
        notes=_notes(trained, fitted, len(held_out), len(positions), len(few), features),
        tables={"scores": judge.table()},
    )


def _outcomes(subject: Subject, fitted: Fitted, trained: OutcomeConfig) -> tuple[Outcomes, Outcomes]:
    """The outcomes of the models held out, and of those that the fit saw."""
    store = fitted.store
    if outcomes.read_config(store) != trained:
        raise InfluenceError(
            f"{store} holds models of another config than those {subject.result.path} was fitted on: give that store."
        )
    held_out = outcomes.read(store, range(fitted.held_out))
    seen = outcomes.read(store, fitted.seen)
    if len(held_out) < LEAST_MODELS:
        raise InfluenceError(f"{store} has {len(held_out)} models to judge by, and at least {LEAST_MODELS} are needed.")
    return held_out, seen


def _judge_references(
    judge: _Judge, config: ScalingConfig, trained: OutcomeConfig, dataset: Dataset, positions: np.ndarray
) -> str:
    """Score what needs no outcomes; what the features of neighbours are, as a clause."""
    members = judge.held_out.masks.astype(np.float32)
    neighbours, features = neighbours_of(dataset, trained, config.feature_models)
    noise = np.random.default_rng(config.seed).standard_normal((len(positions), len(dataset.train)), np.float32)
    judge.judge("random", 0, positions, members @ noise.T)
    same = same_class(dataset.test.labels[positions], dataset.train.labels)
    judge.judge("same-class", 0, positions, members @ same.T)
    judge.judge("neighbours", 0, positions, members @ neighbours.rows(positions).T)
    return features


def _predicted(
    estimator: Estimator, prior: Prior, seen: Outcomes, size: int, positions: np.ndarray, judges: np.ndarray
) -> np.ndarray:
    own = replace(prior, mean=None if prior.mean is None else prior.mean[positions])
    return estimator.fit(seen.masks[:size], seen.margins[:size, positions], own).predict(judges)


def _covers(seen: Outcomes, size: int) -> bool:
    """Whether every training example is in some of the first models, and not in all."""
    count = seen.masks[:size].sum(axis=0)
    return bool(((count > 0) & (count < size)).all())


def _notes(trained: OutcomeConfig, fitted: Fitted, judges: int, targets: int, few: int, features: str) -> list[str]:
    return [
        f"Mean Spearman correlation over {judges} models that no fit saw, of the margin and its prediction "
        f"({trained.learner.name}, alpha {trained.subsets.alpha:g}, {trained.subsets.seeds} seeds), for {targets} test "
        "examples drawn at random; intervals are over these models.",
        f"The LASSO was fitted for {few} of them only." if few else "The LASSO was left out.",
        f"The prior mean and the prior-informed estimator use the gradients of {fitted.prior_models} fitted models.",
        f"Neighbours: {features}.",
    ]
