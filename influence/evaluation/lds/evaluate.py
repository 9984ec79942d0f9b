"""Linear datamodeling scores of a subject, its baselines and the noise ceiling."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from influence.datamodels import outcomes
from influence.datamodels.outcomes import OutcomeConfig, Outcomes
from influence.datasets import Dataset
from influence.errors import InfluenceError
from influence.evaluation.base import Findings
from influence.evaluation.lds.ceiling import ceiling_of
from influence.evaluation.lds.config import LdsConfig
from influence.evaluation.lds.findings import ceiling_note, findings, score_note
from influence.evaluation.lds.judges import judging_models, measured_by_fit, repeated_judges
from influence.evaluation.lds.swapped import STAGE, check_swapped, swapped_margins
from influence.evaluation.neighbours import neighbours_of
from influence.evaluation.scores import Rows
from influence.evaluation.subject import Subject
from influence.measures.baselines import same_class
from influence.measures.lds import LEAST_MODELS, Lds, lds, noise_ceiling
from influence.progress import Report, Stages, silent

_BLOCK = 512  # targets whose scores are held at once


@dataclass(frozen=True)
class _Bench:
    """What every ranking is judged by: held-out models, and the targets that count."""

    config: LdsConfig
    trained: OutcomeConfig
    dataset: Dataset
    held_out: Outcomes
    positions: np.ndarray  # of targets in the test part

    @cached_property
    def observed(self) -> np.ndarray:
        """(m, n_targets) margins."""
        return self.held_out.margins[:, self.positions]

    @property
    def fewer(self) -> int:
        """Resamples for what is only compared with."""
        return min(self.config.bootstrap, 200)

    def judge(self, rows: Rows, bootstrap: int) -> Lds:
        """Score a ranking, a block of targets at a time."""
        starts = range(0, len(self.positions), _BLOCK)
        members = self.held_out.masks.astype(np.float32)
        blocks = (self.positions[start : start + _BLOCK] for start in starts)
        predicted = np.concatenate([members @ rows(block).T for block in blocks], axis=1)
        return lds(predicted, self.observed, bootstrap, seed=self.config.seed)

    def baselines(self, neighbours: Rows) -> dict[str, Lds]:
        """Score what knows the class alone, what looks alike, and chance."""
        test, train = self.dataset.test.labels, self.dataset.train.labels
        noise = np.random.default_rng(self.config.seed)
        rankings: dict[str, Rows] = {
            "same-class": lambda block: same_class(test[block], train),
            "neighbours": neighbours,
            "random": lambda block: noise.standard_normal((len(block), len(train)), np.float32),
        }
        return {name: self.judge(rows, self.fewer) for name, rows in rankings.items()}

    def repeatable(self, swapped: np.ndarray | None) -> Lds | None:
        """Score the trainings with some members swapped."""
        if swapped is None:
            return None
        again = swapped[:, self.positions]
        return noise_ceiling(self.observed[: len(swapped)], again, self.fewer, self.config.seed)


def evaluate(
    subject: Subject, config: LdsConfig, ceiling_store: str | None = None, report: Report = silent
) -> Findings:
    """Judge a subject's scores by models of its outcome store that its fit never saw.

    Raises
    ------
    InfluenceError
        If the store is of other data, the fit saw the models that are to judge, there are too few of them, or the
        ceiling's are not there.
    """
    store = subject.store
    if store is None:
        raise InfluenceError("The score needs models that judge: name their outcome store with --store.")
    trained = outcomes.read_config(store)
    dataset = trained.load()
    subject.share(dataset, store)
    judges = judging_models(subject, trained, store, config.models)
    held_out = _read_judges(subject, store, judges)
    repeated = repeated_judges(trained, store, ceiling_store, held_out) if config.ceiling else None
    check_swapped(config, trained, held_out)
    costs = {STAGE: 60.0 if config.swapped else 0.0, "computing all scores": 20.0}
    stages = Stages(costs | {"finding neighbours": 2.0, "judging": 10.0}, report)
    bench = _Bench(config, trained, dataset, held_out, _positions(config, subject))
    swapped = swapped_margins(config, subject, trained, dataset, held_out, stages)
    measured, rows, source = _scores(bench, subject, judges, stages)
    stages["finding neighbours"](0.0)
    neighbours, features = neighbours_of(dataset, trained, config.feature_models)
    progress = stages["judging"]
    methods = {"result": measured or bench.judge(rows, config.bootstrap)}
    progress(0.5)
    methods |= bench.baselines(neighbours.rows)
    progress(0.8)
    ceiling = ceiling_of(held_out, repeated, bench.fewer, config.seed, bench.positions)
    return findings(
        config.as_dict() | {"models": [judges.start, judges.stop], "outcomes": trained.as_dict()},
        held_out,
        dataset.test.index[bench.positions],
        methods,
        _notes(bench, subject, source, features, ceiling),
        ceiling,
        bench.repeatable(swapped),
    )


def _read_judges(subject: Subject, store: str, judges: range) -> Outcomes:
    held_out = outcomes.read(store, judges)
    if len(held_out) < LEAST_MODELS:
        raise InfluenceError(
            f"{store} has {len(held_out)} finished model(s) that may judge {subject.result.path} (numbers "
            f"{judges.start} to {judges.stop - 1}), and a correlation over them needs at least {LEAST_MODELS}: "
            "collect more."
        )
    return held_out


def _positions(config: LdsConfig, subject: Subject) -> np.ndarray:
    """The positions, in the test part, of the targets that judge."""
    positions = np.flatnonzero(np.isin(subject.dataset.test.index, subject.result.targets.index))
    if config.targets is None:
        return positions
    if config.targets > len(positions):
        raise InfluenceError(f"--targets is {config.targets}, but {subject.result.path} has {len(positions)}.")
    return np.sort(np.random.default_rng([config.seed, 4]).choice(positions, config.targets, replace=False))


def _scores(bench: _Bench, subject: Subject, judges: range, stages: Stages) -> tuple[Lds | None, Rows, str]:
    """The score that the fit measured, or else all scores; and where that comes from, as a clause."""
    config = bench.config
    if (subject.takes_minutes and config.targets is None) if config.kept is None else config.kept:
        targets = bench.dataset.test.index[bench.positions]
        measured = measured_by_fit(subject, bench.trained, targets, judges, bench.held_out)
        if measured is not None:
            return measured, lambda positions: np.empty(0, np.float32), "as the fit measured it on the same models"
        if config.kept:
            raise InfluenceError(
                f"{subject.store} and these models are not those that the fit of {subject.result.path} was judged by, "
                "so that it has no score on them: let all scores be computed again with --all-scores."
            )
    scores = subject.scores(progress=stages["computing all scores"])
    return None, scores.rows, scores.source


def _notes(bench: _Bench, subject: Subject, source: str, features: str, ceiling: Lds | None) -> list[str]:
    config, trained, held_out = bench.config, bench.trained, bench.held_out
    notes = [
        score_note(held_out, trained),
        f"Scores: {source}.",
        f"Neighbours: {features}.",
    ]
    if config.targets is not None:
        notes.append(f"On {config.targets:,} of its {len(subject.result.targets):,} targets, drawn at random.")
    if subject.remark is not None:
        notes.append(subject.remark)
    if ceiling is not None:
        notes.append(ceiling_note(ceiling, trained))
    if config.swapped:
        size, number = int(held_out.masks[0].sum()), min(config.swapped_models, len(held_out))
        notes.append(
            f"How repeatable training is was measured on {number} of these models, trained again from the same initial "
            f"weights with {config.swapped} of the {size:,} members swapped for others: the score of one training as a "
            "prediction of the other."
        )
    return notes
