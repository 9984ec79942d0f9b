"""What evidence says of a result, in short sentences: how far to trust it, and what it rests on."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from influence import datasets
from influence.datamodels.estimators.base import ESTIMATORS
from influence.datasets import Regression
from influence.evidence import PRIOR_MEAN, Evaluated, LdsEvidence, RemovalEvidence, ScalingEvidence
from influence.measures.bootstrap import Figure
from influence.methods.datamodels.kind import DatamodelsManifest
from influence.methods.tracin.kind import TracInManifest
from influence.methods.unrolled.kind import UnrolledManifest
from influence.results import Interval, ResultManifest

NAMES = {
    "result": "this result",
    "neighbours": "neighbours",
    "same-class": "same class",
    "random": "random scores",
}
_MOST = 0.8  # the share of what could be explained from which scores are trusted as a whole


@dataclass(frozen=True)
class Verdict:
    """How far to trust a result.

    Parameters
    ----------
    headline : str
    why : tuple of str
        Sentences, each with the figures that it rests on.
    """

    headline: str
    why: tuple[str, ...] = ()


@dataclass(frozen=True)
class Judged:
    """Linear datamodeling scores of a result, from its evidence, or else from the manifest of an older version.

    Parameters
    ----------
    methods : dict of str to Interval
        Of "result" and, where measured, "neighbours", "same-class", "random".
    ceiling : Interval or None
        How well a second training on the same subsets predicts the first.
    held_out : int
    common : bool
        Whether the models that judge share their initial weights and order of examples.
    per_target : pd.DataFrame or None
        As `influence.evidence` describes lds/targets.
    repeatable : Interval or None
        How well models that share all seeds predict each other where a few of their members differ.
    """

    methods: dict[str, Interval]
    ceiling: Interval | None
    held_out: int
    common: bool
    per_target: pd.DataFrame | None = None
    repeatable: Interval | None = None

    @property
    def own(self) -> Interval:
        """The result's score."""
        return self.methods["result"]

    @property
    def best(self) -> float | None:
        """What a perfect predictor of the mean would get: the square root of the ceiling.

        None if the ceiling was not measured, or is none: where all models share their seeds, the subset determines
        the outputs, and a second training from other seeds bounds nothing.
        """
        if self.ceiling is None or self.common or self.ceiling.mean <= 0:
            return None
        return math.sqrt(self.ceiling.mean)

    @property
    def explained(self) -> float | None:
        """The score as a share of the best possible one."""
        return None if self.best is None else self.own.mean / self.best


def judged(manifest: ResultManifest, lds: LdsEvidence | None) -> Judged | None:
    """What is known of a result's LDS; None if nothing is. It is the same for results of older versions."""
    if lds is not None:
        return Judged(lds.methods, lds.ceiling, lds.held_out, lds.is_common, lds.tables["targets"], lds.repeatable)
    if not isinstance(manifest, DatamodelsManifest) or manifest.quality.lds is None:
        return None
    quality = manifest.quality
    measured = {"result": quality.lds, "random": quality.random}
    methods = {name: each for name, each in measured.items() if each is not None}
    return Judged(methods, quality.ceiling, quality.held_out, manifest.is_common)


# --- numbers --------------------------------------------------------------------------------------------------------


def number(value: float, places: int = 2) -> str:
    """A number with a true minus, and never a minus before zero."""
    return f"{round(value, places) + 0.0:.{places}f}".replace("-", "−")


def interval(estimate: Interval | Figure) -> str:
    return f"{number(estimate.low)} to {number(estimate.high)}"


def short(estimate: Interval | Figure) -> str:
    """A figure and its interval."""
    return f"{number(estimate.mean)} ({interval(estimate)})"


def percent(estimate: Interval | Figure) -> str:
    """A share with its interval."""
    return f"{estimate.mean:.0%} ({estimate.low:.0%} to {estimate.high:.0%})"


def unit_of(manifest: ResultManifest) -> str:
    """The unit of a result's explained output."""
    task = datasets.facts(manifest.dataset).task
    return f"{task.label}, in {task.unit}" if isinstance(task, Regression) else "margin"


# --- how far to trust it --------------------------------------------------------------------------------------------


def verdict(manifest: ResultManifest, found: Evaluated) -> Verdict:
    """How far to trust a result, by what was measured of it; what was not says so."""
    lds, removal = judged(manifest, found.lds), found.removal
    noun = datasets.facts(manifest.dataset).noun
    holds = None if removal is None else first_that_holds(removal)
    explained = None if lds is None else lds.explained
    beats = None if lds is None else _beats_neighbours(lds)
    if explained is not None and explained >= _MOST:
        headline = "Trust these scores, but not the order of the tail"
    elif holds is not None:
        headline = f"Trust the top {holds} here, not the order of the tail"
    elif beats is False:
        headline = "These rankings are no better than a list of similar examples"
    elif removal is not None or lds is not None:
        headline = "Take these lists as a hint, not as a forecast"
    else:
        return Verdict("Not evaluated yet", ("Nobody has measured how far this result can be trusted.",))
    why = [] if removal is None else [*_without_the_top(removal, manifest, noun), *_of_the_tail(removal, noun)]
    return Verdict(headline, (*why, *([] if lds is None else [_of_unseen(lds)])))


def first_that_holds(removal: RemovalEvidence) -> int | None:
    """The fewest removals that do what their scores say.

    Among removals of so many, measured changes follow the predicted ones, and are larger than those of random ones.
    """
    for count in removal.counts:
        helpful, means = removal.agreement_of(count).get("helpful"), means_of(removal, count)
        if helpful is None or helpful.spearman.low <= 0 or "random" not in means:
            continue
        if means["helpful"]["measured_high"] < means["random"]["measured_low"]:
            return count
    return None


def means_of(removal: RemovalEvidence, count: int) -> dict[str, dict[str, float]]:
    """The means over targets after so many removals, by choice and column of the table ``curves``."""
    curves = removal.tables["curves"]
    rows = curves[curves["count"] == count]
    numbers = rows.drop(columns=["choice", "count"]).to_numpy(float).tolist()
    columns = [name for name in curves.columns if name not in ("choice", "count")]
    return {
        str(choice): dict(zip(columns, row, strict=True)) for choice, row in zip(rows["choice"], numbers, strict=True)
    }


def _beats_neighbours(lds: Judged) -> bool | None:
    other = lds.methods.get("neighbours")
    return None if other is None else lds.own.low > other.high


def _without_the_top(removal: RemovalEvidence, manifest: ResultManifest, noun: str) -> list[str]:
    """What happened without the most that were removed, against random ones; and how well that was predicted."""
    most = removal.counts[-1]
    at = means_of(removal, most)
    said = []
    if {"helpful", "random"} <= at.keys():
        helpful, random = at["helpful"], at["random"]
        among = f"Without the {most:,} training {noun}s that helped most"
        if np.isfinite(helpful["flipped"]):
            said.append(
                f"{among}, {helpful['flipped']:.0%} of the predictions name another class; without {most:,} random "
                f"ones, {random['flipped']:.0%}."
            )
        else:
            said.append(
                f"{among}, the output changes by {number(helpful['measured'])} on average "
                f"({number(helpful['measured_low'])} to {number(helpful['measured_high'])}; {unit_of(manifest)}); "
                f"without {most:,} random ones, by {number(random['measured'])}."
            )
    if agreed := agreement_by_count(removal):
        said.append(agreed)
    return said


def agreement_by_count(removal: RemovalEvidence) -> str:
    """How well predicted and measured changes agree among equally large removals; empty where that is not known."""
    each = [(count, removal.agreement_of(count).get("helpful")) for count in removal.counts]
    known = [(count, agreement.spearman) for count, agreement in each if agreement is not None]
    if not known:
        return ""
    shown = known if len(known) <= 3 else [known[0], known[len(known) // 2], known[-1]]
    parts = [f"{short(figure)} among removals of {count:,}" for count, figure in shown]
    return f"Predicted and measured changes agree at {', '.join(parts)} (rank correlation; 1 is perfect)."


def _of_the_tail(removal: RemovalEvidence, noun: str) -> list[str]:
    """What random removals say of the tail, where those of the top show that so many trainings can tell."""
    fewest = removal.counts[0]
    known = removal.agreement_of(fewest)
    if "random" not in known:
        return [f"Beyond the top {removal.counts[-1]:,}, nothing was tried."]
    if "helpful" not in known or known["helpful"].spearman.low <= 0 or known["random"].spearman.low > 0:
        return []
    which = f"single training {noun}s" if fewest == 1 else f"groups of {fewest:,}"
    figure = short(known["random"].spearman)
    return [f"Drawn at random, {which} do not do what their scores say: they agree at {figure}, which is chance."]


def _of_unseen(lds: Judged) -> str:
    text = f"On {lds.held_out:,} models that it has not seen, the LDS is {number(lds.own.mean)}"
    if lds.best is not None:
        text += f" of about {number(lds.best)} that is possible"
    others = [
        f"{what} {number(lds.methods[name].mean)}"
        for name, what in (("neighbours", "similar inputs get"), ("random", "random scores"))
        if name in lds.methods
    ]
    return f"{text}; {', '.join(others)}." if others else f"{text}."


# --- what it rests on -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sources:
    """What a fit with a prior rests on.

    Parameters
    ----------
    prior_models, models : int
        Trainings whose gradients make the prior, and trainings whose outcomes were fitted.
    prior, whole : float
        The LDS of the prior's mean alone, and of the fit.
    """

    prior_models: int
    models: int
    prior: float
    whole: float

    @property
    def gain(self) -> float:
        """What the outcomes add."""
        return self.whole - self.prior

    @property
    def share(self) -> float:
        """The share of the score that the prior has alone."""
        return min(1.0, max(0.0, self.prior / self.whole)) if self.whole > 0 else 0.0


def sources(manifest: ResultManifest, scaling: ScalingEvidence | None) -> Sources | None:
    """The score of each source of a fit, from the evidence of fewer models; None where it is not known."""
    if scaling is None or not isinstance(manifest, DatamodelsManifest) or not _has_prior(manifest):
        return None
    scores = scaling.scores
    prior = scores[scores["estimator"] == PRIOR_MEAN]
    own = scores[scores["estimator"] == manifest.estimator].sort_values("models")
    if prior.empty or own.empty:
        return None
    last = own.iloc[-1]
    return Sources(int(prior["models"].iloc[0]), int(last["models"]), float(prior["mean"].iloc[0]), float(last["mean"]))


def rests_on(manifest: ResultManifest, scaling: ScalingEvidence | None) -> str:
    """What a ranking really rests on, in a sentence or two; empty for methods that say nothing of it."""
    found = sources(manifest, scaling)
    if found is not None:
        return (
            f"Gradients of {found.prior_models:,} trainings alone get an LDS of {number(found.prior, 3)}, "
            f"{found.share:.0%} of the whole; the outcomes of {found.models:,} trainings add {number(found.gain, 3)}."
        )
    if isinstance(manifest, DatamodelsManifest):
        outcomes = f"the outcomes of {manifest.quality.fitted:,} trainings"
        if not _has_prior(manifest):
            return f"It rests on {outcomes} alone."
        return f"It rests on {outcomes}, and on gradients of a few of them; what each adds was not measured."
    if isinstance(manifest, TracInManifest):
        return f"It rests on one training, looked at {len(manifest.checkpoint_epochs)} times."
    if isinstance(manifest, UnrolledManifest):
        several = "one training" if manifest.trainings == 1 else f"{manifest.trainings} trainings"
        return f"It rests on derivatives through {several}, and on no training without an example."
    return ""


def _has_prior(manifest: DatamodelsManifest) -> bool:
    known = manifest.estimator in ESTIMATORS
    return known and ESTIMATORS[manifest.estimator].needs_prior
