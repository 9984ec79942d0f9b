"""Training without the examples that a ranking names, compared with what its scores predict."""

import numpy as np

from influence.evaluation.base import Findings
from influence.evaluation.neighbours import neighbours_of
from influence.evaluation.removal.config import RemovalConfig, check_counts, completed
from influence.evaluation.removal.figures import agreements, agreements_by_count, notes_on, support_figures
from influence.evaluation.removal.measured import Measured
from influence.evaluation.removal.plan import Rankings, chosen_targets, plan_removals, plan_supports, trial_seeds
from influence.evaluation.scores import Rows
from influence.evaluation.subject import Subject
from influence.progress import Report, Stages, counting, silent
from influence.retraining.trainings import Training, Trainings


def evaluate(subject: Subject, config: RemovalConfig, report: Report = silent) -> Findings:
    """Train without the examples that a result names, and compare what happens with what its scores predict."""
    dataset = subject.dataset
    trainer = subject.trainer(config.epochs)
    check_counts(config.counts, dataset)
    config = config.replace(kept=subject.takes_minutes if config.kept is None else config.kept)
    stages = Stages({"computing all scores": 1, "training": 20}, report)
    scores = subject.scores(bool(config.kept), stages["computing all scores"])
    config = completed(config, dataset, subject.is_common, scores.kept)
    neighbours, features = _neighbours(config, subject)
    rankings = Rankings(scores, subject.output_scores(scores), neighbours)
    positions = chosen_targets(config, subject)
    seeds = trial_seeds(config, subject)
    everything = [Training(np.empty(0, np.int32), seed) for seed in seeds]
    removals = plan_removals(config, dataset, positions, seeds, rankings)
    supports = [] if config.together else plan_supports(positions, seeds[: config.seeds], scores)
    needed = [each for one in (*removals, *supports) for each in one.trainings]
    trainings = Trainings(trainer, subject.trainings)
    trainings.complete([*everything, *needed], counting(stages, "training", "training without some examples"))
    measured = Measured(config, dataset, trainings, everything, subject.is_common)
    effects = measured.effects(removals)
    targets = measured.targets(positions, removals, supports)
    learner = trainer.identity["learner"]
    frame = effects.to_pandas()
    return Findings(
        config=config.as_dict() | {"learner": learner},
        figures={
            "agreement": agreements(frame),
            "agreement_by_count": agreements_by_count(frame),
            "is_common": subject.is_common,
            "has_scale": scores.has_scale,
            "support": support_figures(targets) if supports else None,
            "trainings": len({each.key for each in needed}),
        },
        notes=notes_on(config, scores, features, learner, len(everything), subject.is_common, bool(dataset.classes)),
        tables={"effects": effects, "curves": measured.curves(effects, positions), "targets": targets},
    )


def _neighbours(config: RemovalConfig, subject: Subject) -> tuple[Rows, str]:
    """Similarities by rows of targets, and what they are; all 0 where they are not asked for, since they cost."""
    if "neighbours" not in config.choices:
        return lambda positions: np.zeros((len(positions), len(subject.dataset.train)), np.float32), ""
    neighbours, features = neighbours_of(subject.dataset, subject.recipe_for(config.epochs), config.feature_models)
    return neighbours.rows, features
