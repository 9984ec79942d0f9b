"""How well a fitted datamodel predicts models that it never saw, and what is kept of that as evidence."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from influence.datamodels.estimators.base import LinearDatamodel
from influence.datamodels.outcomes import Outcomes
from influence.evaluation.base import Findings
from influence.evaluation.lds.ceiling import ceiling_of
from influence.evaluation.lds.findings import ceiling_note, findings, score_note
from influence.measures.lds import Lds, Quality, quality, random_baseline
from influence.methods.datamodels.config import DatamodelsConfig


@dataclass(frozen=True)
class Judged:
    """The scores of a fit, and the models behind them.

    Parameters
    ----------
    fitted, held_out : Outcomes
        Of the models that were fitted, and of those that judge.
    quality : Quality
    random : Lds
        The score of random weights.
    ceiling : Lds or None
        The score of the same models trained a second time; None if too few were.
    """

    fitted: Outcomes
    held_out: Outcomes
    quality: Quality
    random: Lds
    ceiling: Lds | None

    def findings(self, config: DatamodelsConfig, targets: np.ndarray) -> Findings:
        """Give the scores as `evaluate lds` would leave them, of these targets, without the baselines that train."""
        trained = config.outcomes
        notes = [score_note(self.held_out, trained), "The result's own run measured these scores."]
        if self.ceiling is not None:
            notes.append(ceiling_note(self.ceiling, trained))
        return findings(
            {"models": [0, config.held_out], "ceiling": config.ceiling, "outcomes": trained.as_dict()},
            self.held_out,
            targets,
            {"result": self.quality.lds, "random": self.random},
            notes,
            self.ceiling,
        )


def judge(
    model: LinearDatamodel,
    fitted: Outcomes,
    held_out: Outcomes,
    repeated: Outcomes | None,
    progress: Callable[[float], None],
) -> Judged:
    """Score a fit on the models held out; ``repeated`` are the same subsets, trained a second time."""
    progress(0.0)
    score = quality(model.predict(held_out.masks), held_out.margins)
    progress(0.6)
    random = random_baseline(held_out.masks, held_out.margins, bootstrap=200)
    return Judged(fitted, held_out, score, random, ceiling_of(held_out, repeated, bootstrap=200))
