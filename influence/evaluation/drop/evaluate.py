"""Retraining one network without random examples, against what scores predict."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from influence.datamodels.subsets import draw
from influence.datasets import Dataset
from influence.errors import InfluenceError
from influence.evaluation.base import Findings
from influence.evaluation.drop.config import DropConfig
from influence.evaluation.neighbours import neighbours_of
from influence.evaluation.scores import Rows
from influence.evaluation.subject import Subject, recipe_of
from influence.learners.differentiable import Differentiable
from influence.measures.baselines import same_class
from influence.measures.bootstrap import of_means
from influence.measures.lds import Lds, lds, linear
from influence.progress import Report, Stages, counting, silent
from influence.retraining.ordered import OrderedTrainer
from influence.retraining.trainings import Training, Trainings

_STAGE = "training without random examples"
_BLOCK = 256  # targets whose scores are held at once
_NEAR = 0.005  # of 1 - share, where the scores' weight stands for it


@dataclass(frozen=True)
class _Judged:
    """One share: what was left out, (m, n_train) bool, and the (m, n_targets) margins after that."""

    share: float
    absent: np.ndarray
    observed: np.ndarray

    @property
    def removed(self) -> int:
        return int(self.absent[0].sum())


def evaluate(subject: Subject, config: DropConfig, report: Report = silent) -> Findings:
    """Leave random examples out of the training that a result is about.

    Raises
    ------
    InfluenceError
        If the learner can't be trained with the steps of the whole, if the scores are about another share, or if a
        share leaves out nothing or everything.
    """
    dataset, recipe = subject.dataset, recipe_of(subject)
    _check_weight(subject, config)
    n, learner = len(dataset.train), recipe.learner
    if not isinstance(learner, Differentiable):
        raise InfluenceError(
            f"The learner {learner.name} can't leave examples out and keep its steps: of the learners here, mlp and "
            "patchnet can."
        )
    stages = Stages({_STAGE: 20.0, "computing all scores": 5.0, "finding neighbours": 1.0, "judging": 1.0}, report)
    positions, seed = _positions(subject, config), _seed(subject)
    wanted = {share: _left_out(config, share, n, seed) for share in config.shares}
    trainer = OrderedTrainer(dataset, learner, *subject.expected(n))
    trainings = Trainings(trainer, subject.trainings)
    everything = [each for some in wanted.values() for each in some]
    trainings.complete(everything, counting(stages, _STAGE, _STAGE))
    judged = [_judged(share, some, trainings, positions, n) for share, some in wanted.items()]
    scores = subject.scores(progress=stages["computing all scores"])
    rows = subject.output_scores(scores)
    stages["finding neighbours"](0.0)
    neighbours, features = neighbours_of(dataset, subject.recipe, config.feature_models)
    predicted = {
        name: _predicted(each, judged, positions)
        for name, each in _rankings(dataset, config, rows, neighbours.rows).items()
    }
    stages["judging"](0.0)
    compared = [
        _compare(each, config, dataset, positions, {name: own[number] for name, own in predicted.items()})
        for number, each in enumerate(judged)
    ]
    figures, tables = zip(*compared, strict=True)
    return Findings(
        config=config.as_dict() | {"learner": trainer.identity["learner"], "steps_of": trainer.steps_of},
        figures={
            "shares": list(figures),
            "retrainings": config.retrainings,
            "targets": len(positions),
            "has_scale": scores.has_scale,
        },
        notes=_notes(subject, config, list(figures), len(positions), scores.source, features),
        tables={"targets": pa.concat_tables(tables)},
    )


def _check_weight(subject: Subject, config: DropConfig) -> None:
    """Raise unless scores were derived at the whole training, or where a share's members are expected to count."""
    if not config.shares:
        raise InfluenceError("--shares is empty: give the shares that are left out, such as 0.01,0.05.")
    weight = subject.weight
    off = [share for share in config.shares if weight < 1 and abs(1 - share - weight) > _NEAR]
    if off:
        raise InfluenceError(
            f"The scores of {subject.result.path} were derived where every example has weight {weight:g}, which is "
            f"the centre of leaving out {1 - weight:.0%}, and --shares has {off[0]:g}: leave out that share, or judge "
            "a result with --weight 1."
        )


def _positions(subject: Subject, config: DropConfig) -> np.ndarray:
    """Positions, in the test part, of some of the result's targets."""
    positions = np.flatnonzero(np.isin(subject.dataset.test.index, subject.result.targets.index))
    if config.targets >= len(positions):
        return positions
    return np.sort(np.random.default_rng([config.seed, 0]).choice(positions, config.targets, replace=False))


def _seed(subject: Subject) -> int:
    """The seed of the training: that of models with common seeds."""
    assert subject.recipe is not None
    subsets = subject.recipe.subsets.replace(seeds="common", repeat=0)
    return int(draw(subsets, np.arange(1), len(subject.dataset.train)).seeds[0])


def _left_out(config: DropConfig, share: float, n: int, seed: int) -> list[Training]:
    """Trainings that leave out so much; those of a share stay what they are when other shares are asked for."""
    count = round(share * n)
    if not (0 < share < 1 and 0 < count < n):
        raise InfluenceError(f"--shares has {share:g}, which of {n} training examples is {count}: give another share.")
    draws = (np.random.default_rng([config.seed, 1, count, number]) for number in range(config.retrainings))
    return [Training(np.sort(each.choice(n, count, replace=False)).astype(np.int32), seed) for each in draws]


def _judged(share: float, wanted: list[Training], trainings: Trainings, positions: np.ndarray, n: int) -> _Judged:
    absent = np.zeros((len(wanted), n), bool)
    for row, each in enumerate(wanted):
        absent[row, each.removed] = True
    return _Judged(share, absent, np.stack([each.outputs[positions] for each in trainings.read(wanted)]))


def _rankings(dataset: Dataset, config: DropConfig, own: Rows, neighbours: Rows) -> dict[str, Rows]:
    """The result, and what it is compared with."""
    noise, (test, train) = np.random.default_rng([config.seed, 2]), (dataset.test.labels, dataset.train.labels)
    return {
        "result": own,
        "random": lambda positions: noise.standard_normal((len(positions), len(train)), np.float32),
        "same-class": lambda positions: same_class(test[positions], train),
        "neighbours": neighbours,
    }


def _predicted(rows: Rows, judged: list[_Judged], positions: np.ndarray) -> list[np.ndarray]:
    """(m, n_targets) predicted changes for each share; scores are asked for once."""
    blocks = [positions[start : start + _BLOCK] for start in range(0, len(positions), _BLOCK)]
    found = [[-(each.absent.astype(np.float32) @ own.T) for each in judged] for own in map(rows, blocks)]
    return [np.concatenate(parts, axis=1) for parts in zip(*found, strict=True)]


def _compare(
    judged: _Judged, config: DropConfig, dataset: Dataset, positions: np.ndarray, predicted: dict[str, np.ndarray]
) -> tuple[dict[str, Any], pa.Table]:
    """Figures and rows of the table of one share, from (m, n_targets) predictions of each ranking."""
    scored: dict[str, Lds] = {
        name: lds(each, judged.observed, config.bootstrap, seed=config.seed) for name, each in predicted.items()
    }
    pearson, slope = linear(predicted["result"], judged.observed)
    of_targets = of_means(np.stack([pearson, slope], axis=1), config.bootstrap, seed=config.seed)
    figures = {
        "share": judged.share,
        "removed": judged.removed,
        "spearman": {name: each.as_dict() for name, each in scored.items()},
        **{name: each.as_dict() for name, each in zip(("pearson", "slope"), of_targets, strict=True)},
    }
    columns = {"spearman": scored["result"].per_target, "pearson": pearson, "slope": slope}
    share = np.full(len(positions), judged.share, np.float32)
    numbers = {name: each.astype(np.float32) for name, each in columns.items()}
    return figures, pa.table({"target": dataset.test.index[positions], "share": share, **numbers})


def _notes(
    subject: Subject, config: DropConfig, figures: list[dict[str, Any]], targets: int, source: str, features: str
) -> list[str]:
    notes = [
        f"With {each['share']:.0%} of the training examples left out ({each['removed']:,}), the rank correlation of "
        f"predicted and measured margins is {_shown(each['spearman']['result'])}, Pearson's is "
        f"{_shown(each['pearson'])} and the slope is {_shown(each['slope'])}."
        for each in figures
    ]
    return [
        *notes,
        f"Each share: {config.retrainings} trainings, each without other random examples, from the same initial "
        "weights, in the same order, batches and number of steps; an example that is left out leaves its place empty. "
        f"Means over {targets:,} targets drawn at random with seed {config.seed}.",
        f"The prediction is minus the sum of the scores of what is left out. Scores: {source}.",
        f"Neighbours: {features}.",
        *([] if subject.remark is None else [subject.remark]),
    ]


def _shown(figure: dict[str, float]) -> str:
    return f"{figure['mean']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"
