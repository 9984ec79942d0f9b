"""What the quality page says, worked out without Streamlit: sentences and tables, each from evidence alone."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from influence import evidence
from influence.evidence import Evaluated, MislabelsEvidence, NearCopiesEvidence, RemovalEvidence
from influence.evidence.removal import Support
from influence.explorer import describing
from influence.explorer.verdicts import NAMES, Judged, interval, judged, means_of, number, percent, short
from influence.library import Entry
from influence.methods.datamodels.kind import DatamodelsManifest
from influence.results import Interval, ResultManifest

CHOICES = {"helpful": "most helpful", "harmful": "most harmful", "neighbours": "neighbours", "random": "random"}
FLIPS = {"uniform": "to another class at random", "adversarial": "to the likeliest wrong class"}


# --- the overview ---------------------------------------------------------------------------------------------------


def row(listed: Entry, found: Evaluated) -> dict[str, str]:
    """A result's line in the list of all."""
    lds = judged(listed.manifest, found.lds)
    return {
        "result": listed.id,
        "method": f"{describing.method(listed.manifest)} of {describing.learner(listed.manifest)}",
        "models": describing.models(listed.manifest),
        "LDS": short(lds.own) if lds else "–",
        "best": number(lds.best) if lds and lds.best is not None else "–",
        "evidence": ", ".join(found.kinds) or ("its own LDS" if lds else "not evaluated"),
    }


def has_evidence(listed: Entry) -> bool:
    """Whether there is a folder of any kind of evidence, whatever is in it."""
    return any(evidence.place(listed.path, kind).exists() for kind in evidence.KINDS)


# --- models that it has not seen ------------------------------------------------------------------------------------


def lds_verdict(lds: Judged) -> str:
    """How far the scores predict models that they have not seen."""
    own = lds.own
    score = f"LDS **{own.mean:.3f}** ({own.level:.0%} interval {own.low:.3f} to {own.high:.3f})"
    if lds.explained is not None and lds.ceiling is not None:
        return (
            f"**Explains {lds.explained:.0%} of what could be explained**: {score}. The rest is chance: training twice "
            f"on one subset agrees at {lds.ceiling.mean:.3f}, so that a perfect predictor would get about "
            f"{number(lds.best or 0)}."
        )
    if lds.ceiling is None and lds.repeatable is None:
        return f"{score}. How much could be explained was **not evaluated**: there is no noise ceiling."
    text = f"{score}, on models that share their initial weights: there is no chance in them that would cap it"
    if lds.repeatable is not None:
        text += f" (with a few of their training examples swapped, they agree at {lds.repeatable.mean:.3f})"
    if lds.ceiling is None:
        return f"{text}. How much holds for other initial weights was **not evaluated**."
    return (
        f"{text}. From other initial weights, the same subsets predict them at {lds.ceiling.mean:.3f}: so much holds "
        "for any."
    )


def against_baselines(lds: Judged) -> str:
    """Which baselines a result beats: those whose intervals lie below its own."""
    said: dict[str, list[str]] = {}
    for name in ("neighbours", "same-class"):
        if (other := lds.methods.get(name)) is not None:
            how = (
                "beats"
                if lds.own.low > other.high
                else "does worse than"
                if lds.own.high < other.low
                else "is no better than"
            )
            said.setdefault(how, []).append(f"{NAMES[name]} ({other.mean:.3f})")
    return f"It {', and '.join(f'{how} ' + ' and '.join(names) for how, names in said.items())}." if said else ""


def lds_table(lds: Judged) -> pd.DataFrame:
    """A row a method that was judged, the result first: scores, LDS, low, high."""
    rows = [
        (title, each.mean, each.low, each.high)
        for name, title in NAMES.items()
        if (each := lds.methods.get(name)) is not None
    ]
    return pd.DataFrame(rows, columns=["scores", "LDS", "low", "high"])


# --- removal --------------------------------------------------------------------------------------------------------


def removal_verdicts(removal: RemovalEvidence, unit: str, count: int | None = None) -> list[str]:
    """Say how well retraining without the listed examples agrees with the scores.

    Parameters
    ----------
    removal : RemovalEvidence
    unit : str
        Of the output.
    count : int or None
        Speak of removals of so many alone; None speaks of each number by itself. They are never pooled: more removals
        change more, so that pooled ones agree for their sizes alone.
    """
    counts = removal.counts if count is None else [count]
    said = [_agreement(removal, each, unit) for each in counts]
    if not any(said):
        said = [_not_told(removal)]
    if noise := _noise(removal, unit, count):
        said.append(noise)
    said.append(_flips(removal, max(counts)))
    if removal.support is not None:
        said.append(_support(removal.support))
    return [each for each in said if each]


def _agreement(removal: RemovalEvidence, count: int, unit: str) -> str:
    known = removal.agreement_of(count)
    if not known:
        return ""
    first = "helpful" if "helpful" in known else next(iter(known))
    rank = known[first].spearman
    text = (
        f"**Without the {count:,} {CHOICES.get(first, 'chosen')}, predicted and measured changes agree at "
        f"{number(rank.mean)}** (rank correlation, {interval(rank)}; 1 is perfect)"
    )
    if removal.has_scale:
        slope = known[first].slope
        text += f"; where 1 was predicted, {number(slope.mean)} came ({interval(slope)}; {unit})"
    others = [f"{CHOICES[name]} {short(each.spearman)}" for name, each in known.items() if name not in (first, "all")]
    if others:
        return f"{text}. Others: {'; '.join(others)}."
    return f"{text}. Other removals were not predicted."


def _not_told(removal: RemovalEvidence) -> str:
    if not removal.agreement:
        return "No change was predicted, so none can be compared."
    return (
        "How well changes agree among removals of one number was not measured by the version that made this evidence: "
        "evaluate again, which trains nothing that was kept."
    )


def _noise(removal: RemovalEvidence, unit: str, count: int | None) -> str:
    """Say that the noise of retraining hides most predicted changes, and so gives no verdict on the scores."""
    effects = removed(removal, count).dropna(subset=["error"])
    counts = removal.counts if count is None else [count]
    agree = [known["all"].spearman.low for each in counts if "all" in (known := removal.agreement_of(each))]
    change, error = effects["measured"].abs(), effects["error"]
    lost = float((change <= 2 * error).mean()) if len(effects) else 0.0
    if lost <= 0.5 or not agree or max(agree) > 0:
        return ""
    return (
        f"**Inconclusive**: {lost:.0%} of the measured changes are within two standard errors of none (a change is "
        f"{change.median():.2g} and its error {error.median():.2g}, in {unit}, by the median): the noise of training "
        "is larger than the effect, and more seeds would be needed."
    )


def _flips(removal: RemovalEvidence, count: int) -> str:
    at = means_of(removal, count)
    if "helpful" not in at or not np.isfinite(at["helpful"]["flipped"]):
        return ""

    def share(choice: str) -> str:
        return "{flipped:.0%} ({flipped_low:.0%} to {flipped_high:.0%})".format(**at[choice])

    text = f"Without the {count:,} most helpful, **{share('helpful')} of the trainings** name another class"
    others = [f"{CHOICES[each]} {share(each)}" for each in ("harmful", "neighbours", "random") if each in at]
    if "none" in (nothing := means_of(removal, 0)):
        others.append(f"nothing removed {nothing['none']['flipped']:.0%}")
    return f"{text}; {', '.join(others)}." if others else f"{text}."


def _support(support: Support) -> str:
    if not support.tried:
        return "Data support: none was predicted within what can be removed."
    text = (
        f"Data support: of {support.tried:,} targets whose predicted support was removed, {support.flipped:.0%} "
        f"are then mostly predicted as another class, and {support.negative:.0%} have a negative mean margin."
    )
    if support.spearman is not None:
        text += (
            f" Predicted and found supports agree at {number(support.spearman)} (rank correlation, {support.found:,})."
        )
    return text


def how_trained(removal: RemovalEvidence, count: int | None) -> str:
    """How many trainings a measured change is, and with which seeds."""
    trained = removed(removal, count, predicted=False)["trained"]
    if not len(trained):
        return "No removal of so many was trained."
    least, most = int(trained.min()), int(trained.max())
    each = "one training" if most == 1 else f"the mean of {least if least == most else f'{least} to {most}'} trainings"
    seeds = {
        True: "with the initial weights and the order of the training on everything",
        False: "with seeds of their own" if most > 1 else "with a seed of its own",
        None: "",
    }[removal.figures.is_common]
    return f"A point is a removal: {each}{' ' * bool(seeds)}{seeds}."


def removed(removal: RemovalEvidence, count: int | None, predicted: bool = True) -> pd.DataFrame:
    """The removals of so many examples, or all, by choice; without what was not measured, or not predicted."""
    effects = removal.tables["effects"]
    effects = effects if count is None else effects[effects["count"] == count]
    kept = effects.dropna(subset=["predicted", "measured"] if predicted else ["measured"])
    kept = kept.assign(choice=kept["choice"].astype(str))
    return kept.sort_values(["choice", "target", "count"], kind="stable").reset_index(drop=True)


# --- wrong labels ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Search:
    """How the rankings did on one kind of flips.

    Parameters
    ----------
    flips : str
        As in `FLIPS`.
    table : pd.DataFrame
        ranking, what it is, area, found, more than loss.
    verdicts : list of str
    """

    flips: str
    table: pd.DataFrame
    verdicts: list[str]


def searches(mislabels: MislabelsEvidence) -> list[Search]:
    """What every ranking found, and whether that is more than plain loss finds."""
    columns = ["ranking", "what it is", "area", "found in the first 20 %", "more than loss"]
    found = []
    for kind, rankings in mislabels.found.items():
        lines, verdicts = [], []
        for name, figures in rankings.items():
            more = mislabels.more_than_loss.get(kind, {}).get(name)
            apart = "–" if more is None else f"{more.mean:+.1%} ({more.low:+.1%} to {more.high:+.1%})".replace("-", "−")
            lines.append((name, evidence.RANKINGS.get(name, ""), short(figures.area), percent(figures.at_20), apart))
            if name in ("self-influence", "own-weight"):
                verdicts.append(mislabel_verdict(name, more, figures.at_20, rankings["loss"].at_20))
        found.append(Search(kind, pd.DataFrame(lines, columns=columns), verdicts))
    return found


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


# --- fewer models ---------------------------------------------------------------------------------------------------


def scaling_table(scores: pd.DataFrame) -> pd.DataFrame:
    """A row an estimator, the best last; a column a number of models, the first for those that fit no outcomes."""
    shown = pd.DataFrame(
        {
            "weights from": scores["estimator"].astype(str),
            "models": ["none" if each in evidence.REFERENCES else f"{n:,}" for each, n in _pairs(scores)],
            "text": [
                f"{number(mean, 3)} ({number(low, 3)} to {number(high, 3)})"
                for mean, low, high in scores[["mean", "low", "high"]].to_numpy(float)
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


def scaling_verdict(scores: pd.DataFrame) -> str:
    """Which estimator leads at every number of models, or at how many."""
    fitted = fitted_sizes(scores)
    leaders = fitted.loc[fitted.groupby("models")["mean"].idxmax()]
    most = leaders["estimator"].mode()[0]
    led = int((leaders["estimator"] == most).sum())
    where = "every number" if led == len(leaders) else f"{led} of {len(leaders)} numbers"
    last = leaders.iloc[-1]
    return (
        f"**{most} leads at {where} of models**; with {last['models']:,} the best is {last['estimator']}, at "
        f"{number(float(leaders['mean'].iloc[-1]), 3)}."
    )


def _pairs(scores: pd.DataFrame) -> list[tuple[str, int]]:
    return list(zip(scores["estimator"].astype(str), scores["models"], strict=True))


# --- near-copies ----------------------------------------------------------------------------------------------------


def near_copies_verdict(found: NearCopiesEvidence, noun: str) -> list[str]:
    """How many test images look like a training image, what the result says of them, and accuracy without them."""
    figures, accuracy = found.figures, found.figures.accuracy
    share = figures.concerned / figures.targets
    said = [
        f"**{figures.concerned:,} of {figures.targets:,} test {noun}s ({share:.1%}) have a near-copy** among the "
        f"{figures.train:,} training {noun}s: their pixels correlate at {figures.threshold:g} or more."
    ]
    if accuracy is not None and accuracy.concerned is not None:
        said.append(
            f"{accuracy.every:.1%} of all predictions are right, {accuracy.without:.1%} without those that have a "
            f"near-copy, and {accuracy.concerned:.1%} of these."
        )
    if figures.concerned:
        unknown = figures.concerned - figures.known
        text = f"For {figures.strongest:,} of them the most alike is the strongest helper"
        if figures.kept is not None and unknown:
            text += f"; for {unknown:,} it is not among the {figures.kept} kept either way"
        said.append(f"{text}.")
    return said


# --- caveats --------------------------------------------------------------------------------------------------------


def caveats(manifest: ResultManifest, found: Evaluated) -> dict[str, list[str]]:
    """What was compared and what the figures do not say, by kind of evidence."""
    said: dict[str, list[str]] = {"The method": [manifest.caveat]}
    if isinstance(manifest, DatamodelsManifest):
        said["The method"].append(manifest.protocol)
    titles = (
        ("LDS", found.lds),
        ("Removal", found.removal),
        ("Mislabels", found.mislabels),
        ("Scaling", found.scaling),
        ("Near-copies", found.near_copies),
    )
    known = {title: each.notes for title, each in titles if each is not None}
    others = {each.name.capitalize(): each.notes for each in found.others.values()}
    return said | known | others
