"""What the quality page shows, worked out without Streamlit: verdicts in sentences, and tables."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from influence import evidence
from influence.evidence import Evaluated, LdsEvidence, MislabelsEvidence, RemovalEvidence
from influence.evidence.removal import Support
from influence.explorer import describing
from influence.library import Entry
from influence.measures.bootstrap import Figure
from influence.methods.datamodels.kind import DatamodelsManifest
from influence.results import Interval, ResultManifest

NAMES = {
    "result": "this result",
    "neighbours": "neighbours",
    "same-class": "same class",
    "random": "random scores",
    "ceiling": "best possible",
}
CHOICES = {"helpful": "most helpful", "harmful": "most harmful", "neighbours": "neighbours", "random": "random"}
FLIPS = {"uniform": "to another class at random", "adversarial": "to the likeliest wrong class"}


@dataclass(frozen=True)
class Judged:
    """Linear datamodeling scores of a result, from its evidence or else from its manifest.

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
    def best(self) -> float | None:
        """What a perfect predictor of the mean would get: the square root of the ceiling.

        None if the ceiling was not measured, or is none: where all models share their seeds, the subset settles what
        a model says, and a second training from other seeds bounds nothing.
        """
        if self.ceiling is None or self.common or self.ceiling.mean <= 0:
            return None
        return math.sqrt(self.ceiling.mean)


def judged(manifest: ResultManifest, lds: LdsEvidence | None) -> Judged | None:
    """What is known of a result's LDS; None if nothing is."""
    if lds is not None:
        return Judged(lds.methods, lds.ceiling, lds.held_out, lds.is_common, lds.tables["targets"], lds.repeatable)
    if not isinstance(manifest, DatamodelsManifest) or manifest.quality.lds is None:
        return None
    quality = manifest.quality
    measured = {"result": quality.lds, "random": quality.random}
    methods = {name: each for name, each in measured.items() if each is not None}
    return Judged(methods, quality.ceiling, quality.held_out, manifest.is_common)


# --- the overview ---------------------------------------------------------------------------------------------------


def row(listed: Entry, found: Evaluated) -> dict[str, Any]:
    """A result's line in the table of all."""
    lds = judged(listed.manifest, found.lds)
    return {
        "result": listed.id,
        "data": listed.dataset,
        "method": describing.method(listed.manifest),
        "learner": describing.learner(listed.manifest),
        "models": describing.models(listed.manifest),
        "lds": short(lds.methods["result"]) if lds else "–",
        "best": f"{lds.best:.2f}" if lds and lds.best is not None else "–",
        "evidence": ", ".join(found.kinds) or ("its own LDS" if lds else "not evaluated"),
    }


def has_evidence(listed: Entry) -> bool:
    """Whether there is a folder of any kind of evidence, whatever is in it."""
    return any(evidence.place(listed.path, kind).exists() for kind in evidence.KINDS)


# --- verdicts -------------------------------------------------------------------------------------------------------


def number(value: float) -> str:
    """Two decimals, and never a minus before zero."""
    return f"{round(value, 2) + 0.0:.2f}"


def interval(estimate: Interval | Figure) -> str:
    return f"{number(estimate.low)} to {number(estimate.high)}"


def short(estimate: Interval | Figure) -> str:
    """A score and its interval, for a narrow column."""
    return f"{estimate.mean:.3f} ({estimate.low:.3f}–{estimate.high:.3f})"


def percent(estimate: Interval | Figure) -> str:
    """A share with its interval."""
    return f"{estimate.mean:.0%} ({estimate.low:.0%} to {estimate.high:.0%})"


def lds_verdict(lds: Judged) -> str:
    """How far the scores predict models that they have not seen, in plain words."""
    own = lds.methods["result"]
    random = f"; random scores {number(lds.methods['random'].mean)}" if "random" in lds.methods else ""
    score = f"LDS **{own.mean:.3f}** ({own.level:.0%} interval {own.low:.3f} to {own.high:.3f}){random}"
    if lds.best is not None:
        return (
            f"**Explains {own.mean / lds.best:.0%} of what could be explained**: {score}. The rest is chance: training "
            f"twice on one subset agrees at {lds.ceiling.mean:.3f}, "  # type: ignore[union-attr]
            f"so that a perfect predictor would get about {lds.best:.2f}."
        )
    if lds.ceiling is not None or lds.repeatable is not None:
        text = f"{score}, on models that share their initial weights: there is no chance in them that would cap it"
        if lds.repeatable is not None:
            text += f" (with a few of their training examples swapped, they agree at {lds.repeatable.mean:.3f})"
        if lds.ceiling is None:
            return f"{text}. How much holds for other initial weights was **not evaluated**."
        return (
            f"{text}. From other initial weights, the same subsets predict them at {lds.ceiling.mean:.3f}: so much "
            "holds for any."
        )
    return f"{score}. How much could be explained was **not evaluated**: there is no noise ceiling."


def against_baselines(lds: Judged) -> str:
    """Which baselines a result beats: those whose intervals lie below its own."""
    own = lds.methods["result"]
    said: dict[str, list[str]] = {}
    for name in ("neighbours", "same-class"):
        if (other := lds.methods.get(name)) is not None:
            how = (
                "beats" if own.low > other.high else "does worse than" if own.high < other.low else "is no better than"
            )
            said.setdefault(how, []).append(f"{NAMES[name]} ({other.mean:.3f})")
    return f"It {', and '.join(f'{how} ' + ' and '.join(names) for how, names in said.items())}." if said else ""


def removal_verdicts(removal: RemovalEvidence, unit: str) -> list[str]:
    """What retraining without the named examples says of the scores."""
    said = []
    if whole := removal.agreement.get("all"):
        rank = whole.spearman
        text = f"**Predicted and measured changes agree at {rank.mean:.2f}** (Spearman, {interval(rank)}; 1 is perfect)"
        if removal.has_scale:
            slope = whole.slope
            text += f"; where 1 was predicted, {number(slope.mean)} came ({interval(slope)}), in {unit}"
        others = [
            f"{CHOICES[choice]} {number(each.spearman.mean)} ({interval(each.spearman)})"
            for choice, each in removal.agreement.items()
            if choice != "all"
        ]
        predicted = [choice for choice in removal.agreement if choice != "all"]
        if len(predicted) == 1:
            text += f"; only removals of the {CHOICES[predicted[0]]} were predicted"
        said.append(text + ".")
        if noise := _noise_verdict(removal, unit):
            said.append(noise)
        if len(others) > 1:
            said.append(f"Within one kind of removal: {'; '.join(others)}.")
    if flips := _flips_verdict(removal):
        said.append(flips)
    if support := removal.support:
        said.append(_support_verdict(support))
    return said


def _noise_verdict(removal: RemovalEvidence, unit: str) -> str | None:
    """Where most of the predicted changes are lost in the noise of retraining, so: no verdict on the scores."""
    effects = removed(removal, None).dropna(subset=["error"])
    change, error = effects["measured"].abs(), effects["error"]
    lost = float((change <= 2 * error).mean()) if len(effects) else 0.0
    if lost <= 0.5 or removal.agreement["all"].spearman.low > 0:
        return None
    return (
        f"**Inconclusive**: {lost:.0%} of the measured changes are within two standard errors of none (a change is "
        f"{change.median():.2g} and its error {error.median():.2g}, in {unit}, by the median): the noise of retraining "
        "is larger than the effect, and more seeds would be needed."
    )


def _flips_verdict(removal: RemovalEvidence) -> str | None:
    curves = removal.tables["curves"]
    most = curves["count"].max()
    at = curves[curves["count"] == most].set_index("choice")
    if "helpful" not in at.index or not np.isfinite(at.loc["helpful", "flipped"]):
        return None

    def share(choice: str) -> str:
        values = at.loc[choice, ["flipped", "flipped_low", "flipped_high"]].to_numpy(float)
        return "{:.0%} ({:.0%} to {:.0%})".format(*values)

    text = f"Without the {most:,} most helpful, **{share('helpful')} of the trainings** name another class"
    others = [f"{CHOICES[each]} {share(each)}" for each in ("harmful", "neighbours", "random") if each in at.index]
    nothing = curves[curves["choice"] == "none"]
    if len(nothing):
        others.append(f"nothing removed {nothing['flipped'].iloc[0]:.0%}")
    return f"{text}; {', '.join(others)}." if others else f"{text}."


def _support_verdict(support: Support) -> str:
    if not support.tried:
        return "Data support: none was predicted within what can be removed."
    text = (
        f"Data support: of {support.tried:,} targets whose predicted support was removed, {support.flipped:.0%} "
        f"are then mostly named another class, and {support.negative:.0%} have a negative mean margin."
    )
    if support.spearman is not None:
        text += f" Predicted and found supports agree at {support.spearman:.2f} (Spearman, {support.found:,})."
    return text


def mislabel_verdict(name: str, against: Interval | None, found: Interval, loss: Interval) -> str:
    """Whether a ranking finds more flips than plain loss; ``against`` is how much more, with an interval."""
    text = f"{percent(found)} of the flips in the first 20 %; plain loss {percent(loss)}"
    if against is None:
        return f"{name}: {text}."
    if against.low > 0:
        return f"{name} **finds more than plain loss**: {text}."
    if against.high < 0:
        return f"**Plain loss finds more than** {name}: {text}."
    return f"**Plain loss does as well as {name}**: {text}; the difference is within chance."


# --- tables ---------------------------------------------------------------------------------------------------------


def lds_table(lds: Judged) -> pd.DataFrame:
    """A row a method that was judged, the result first: name, score, low, high."""
    rows = [
        (NAMES[name], each.mean, each.low, each.high)
        for name in ("result", "neighbours", "same-class", "random")
        if (each := lds.methods.get(name)) is not None
    ]
    return pd.DataFrame(rows, columns=["scores", "LDS", "low", "high"])


def removed(removal: RemovalEvidence, count: int | None) -> pd.DataFrame:
    """The removals of so many examples, or all, by choice; those without a prediction or a measurement are left out."""
    effects = removal.tables["effects"]
    effects = effects if count is None else effects[effects["count"] == count]
    kept = effects.dropna(subset=["predicted", "measured"]).assign(choice=effects["choice"].astype(str))
    return kept.sort_values(["choice", "target", "count"], kind="stable").reset_index(drop=True)


@dataclass(frozen=True)
class Search:
    """How the rankings did on one kind of flips.

    Parameters
    ----------
    flips : str
        As in `FLIPS`.
    table : pd.DataFrame
        ranking, area, area interval, found, found interval, more than loss.
    verdicts : list of str
    """

    flips: str
    table: pd.DataFrame
    verdicts: list[str]


def searches(mislabels: MislabelsEvidence) -> list[Search]:
    """What every ranking found, and whether that is more than plain loss finds: computed from the kept scores."""
    found = []
    for kind, rankings in mislabels.found.items():
        lines, verdicts = [], []
        for name, figures in rankings.items():
            more = mislabels.more_than_loss[kind].get(name)
            area, share = figures.area, figures.at_20
            lines.append(
                (
                    name,
                    evidence.RANKINGS.get(name, ""),
                    short(area),
                    f"{share.mean:.0%} ({share.low:.0%}–{share.high:.0%})",
                    "–" if more is None else f"{more.mean:+.1%} ({more.low:+.1%} to {more.high:+.1%})",
                )
            )
            if name in ("self-influence", "own-weight"):
                verdicts.append(mislabel_verdict(name, more, share, rankings["loss"].at_20))
        columns = ["ranking", "what it is", "area", "found in the first 20 %", "more than loss"]
        found.append(Search(kind, pd.DataFrame(lines, columns=columns), verdicts))
    return found


def sizes_table(scores: pd.DataFrame) -> pd.DataFrame:
    """A row an estimator, the best last; a column a number of models, the first for those that fit no outcomes."""
    shown = pd.DataFrame(
        {
            "weights from": scores["estimator"].astype(str),
            "models": ["none" if each in evidence.REFERENCES else f"{n:,}" for each, n in _pairs(scores)],
            "text": [
                f"{row.mean:.3f} ({row.low:.3f} to {row.high:.3f})"
                for row in scores[["mean", "low", "high"]].itertuples(name="Row")
            ],
        }
    )
    order = ["none", *(f"{n:,}" for n in sorted(set(fitted_sizes(scores)["models"])))]
    best = scores["mean"].groupby(shown["weights from"]).max().sort_values()
    table = shown.pivot(index="weights from", columns="models", values="text")
    return table.loc[best.index, [name for name in order if name in table]].fillna("–")


def fitted_sizes(scores: pd.DataFrame) -> pd.DataFrame:
    """The scores of estimators that were fitted on outcomes."""
    return scores[~scores["estimator"].isin(list(evidence.REFERENCES))]


def sizes_verdict(scores: pd.DataFrame) -> str:
    """Which estimator leads at every number of models, or at how many."""
    fitted = fitted_sizes(scores)
    leaders = fitted.loc[fitted.groupby("models")["mean"].idxmax()]
    most = leaders["estimator"].mode()[0]
    led = int((leaders["estimator"] == most).sum())
    where = "every number" if led == len(leaders) else f"{led} of {len(leaders)} numbers"
    last = leaders.iloc[-1]
    return (
        f"**{most} leads at {where} of models**; with {last['models']:,} the best is {last['estimator']}, at "
        f"{last['mean']:.3f}."
    )


def _pairs(scores: pd.DataFrame) -> list[tuple[str, int]]:
    return list(zip(scores["estimator"].astype(str), scores["models"], strict=True))


def caveats(manifest: ResultManifest, found: Evaluated) -> dict[str, list[str]]:
    """What was compared and what the figures do not say, by kind of evidence."""
    said: dict[str, list[str]] = {"The method": [manifest.caveat]}
    if isinstance(manifest, DatamodelsManifest):
        said["The method"].append(manifest.protocol)
    titles: Sequence[tuple[str, Any]] = (
        ("LDS", found.lds),
        ("Removal", found.removal),
        ("Mislabels", found.mislabels),
        ("Sizes", found.sizes),
    )
    return said | {title: each.notes for title, each in titles if each is not None}
