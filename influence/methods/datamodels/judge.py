"""How well a fitted datamodel predicts models that it never saw."""

from collections.abc import Callable
from dataclasses import dataclass

from influence.datamodels.estimators.base import LinearDatamodel
from influence.datamodels.outcomes import Outcomes
from influence.evaluation.lds.ceiling import ceiling_of
from influence.measures.lds import Lds, Quality, quality, random_baseline


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
