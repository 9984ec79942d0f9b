"""Sentences of the images page: what the model says of an image, what a ranking rests on, what a score means."""

from typing import Any

import numpy as np
import pandas as pd

from influence.explorer import describing, glossary, verdicts
from influence.explorer.images.filters import ALL, HARD, INDEX, MISTAKES, NEAR_COPIES, PICTURED, Filters
from influence.explorer.images.picks import Pick, Reach, Removal
from influence.explorer.images.records import Images
from influence.explorer.text import escaped
from influence.methods.datamodels.kind import DatamodelsManifest
from influence.methods.tracin.kind import TracInManifest
from influence.methods.unrolled.kind import UnrolledManifest
from influence.results import ResultManifest
from influence.text import command, inline_code, typed

CHIPS = {
    ALL: "All",
    MISTAKES: "Mistakes",
    HARD: "Hard",
    NEAR_COPIES: "Near-copies",
    PICTURED: "With a picture",
}
_TINY = 0.1  # of a margin: a strongest score below this part of it moves nothing alone
_TEN = 10


def number(score: float, largest: float | None = None) -> str:
    """A score with its sign, and as many digits as can be read at a glance, in a list whose largest may be told."""
    size = abs(largest or score)
    form = "+,.0f" if size >= 100 else "+.2f" if size >= 0.095 or not size else "+.2g"
    return format(score, form).replace("-", "−")


def plain(value: float) -> str:
    """An amount without a sign, with two digits."""
    return number(abs(value))[1:]


def has_margins(manifest: ResultManifest) -> bool:
    """Whether scores are parts of a margin, so that a sum of them predicts a change of it."""
    return isinstance(manifest, DatamodelsManifest | UnrolledManifest)


# --- a test image ---------------------------------------------------------------------------------------------------


def verdict(images: Images, pick: Pick) -> list[str]:
    """What is to be said of a test image, a sentence or two a line, in Markdown."""
    row, manifest = pick.row, images.result.manifest
    return [
        _says(row, describing.has_many_models(manifest)),
        _margin(row, manifest),
        _strength(images, pick),
        *_caveats(images, pick),
    ]


def _says(row: "pd.Series[Any]", many: bool) -> str:
    own, said = str(row["class"]), str(row["named"])
    who = "The models say" if many else "The model says"
    return f"It is **{describing.with_article(own)}**. {who} **{escaped(said)}**{' too' if own == said else ''}."


def _margin(row: "pd.Series[Any]", manifest: ResultManifest) -> str:
    margin, wrong = float(row["margin"]), bool(row["wrong"])
    if margin < 0:
        means = "so it leans to the wrong side" if wrong else "yet no other single class has more"
    else:
        means = "yet most of them say otherwise" if wrong else "so the right class has more than half"
    text = f"{glossary.link('Margin')} **{verdicts.number(margin)}**, {means}."
    if isinstance(manifest, DatamodelsManifest):
        models = manifest.quality.fitted + manifest.quality.held_out
        return f"{text} {row['correct']:.0%} of {models:,} models get it right."
    return text + (f" Loss {row['loss']:.2g} nats." if "loss" in row else "")


def _strength(images: Images, pick: Pick) -> str:
    """How much single training images, and all that are kept, move."""
    kept = images.pick(pick.target, images.max_k)
    helped, hurt = kept.positive["score"].to_numpy(float), kept.negative["score"].to_numpy(float)
    strongest = max(np.abs(helped).max(initial=0.0), np.abs(hurt).max(initial=0.0))
    if not has_margins(images.result.manifest):
        return (
            f"The strongest score is {plain(strongest)}. Scores compare training images with each other: they are no "
            "parts of the margin."
        )
    margin = float(pick.row["margin"])
    if margin > 0 and strongest < _TINY * margin:
        return (
            f"**No single training image matters here.** The strongest is worth {plain(strongest)} of a margin of "
            f"{plain(margin)}; the {len(helped)} that helped most are worth {helped.sum() / margin:.0%} of it together."
        )
    side, what = (hurt, "hurt") if pick.row["wrong"] else (helped, "helped")
    if not len(side):
        return f"The strongest is worth {plain(strongest)} of margin; none that is kept {what} it."
    first = float(abs(side[0]))
    return (
        f"**{'No single image decides' if first < abs(margin) else 'One image can decide'}.** The one that {what} it "
        f"most is worth {plain(first)} of margin; the {min(_TEN, len(side))} that {what} it most, "
        f"{plain(side[:_TEN].sum())} together."
    )


def _caveats(images: Images, pick: Pick) -> list[str]:
    """How far to trust the scores of this image."""
    said = []
    own = pick.row.get("lds")
    if own is not None and not pd.isna(own):
        mean = images.mean_lds
        how = "a little " if abs(own - mean) < 0.1 else ""
        where = "about" if abs(own - mean) < 0.02 else f"{how}{'below' if own < mean else 'above'}"
        said.append(
            f":small[:gray[Trust for this image: {glossary.link('LDS')} {verdicts.number(own)}, {where} the average of "
            f"{verdicts.number(mean)}.]]"
        )
    share = images.share_of_class(pick.target)
    if share is not None:
        said.append(
            f":small[:gray[{share:.0%} of the variance of its scores lies between classes: they tell little more than "
            "which class a training image has.]]"
        )
    return said


def near_copy(images: Images, target: int) -> tuple[int, str] | None:
    """The near-copy of a test image and what to say of it; None without one."""
    found = images.near_copy(target)
    if found is None:
        return None
    train, similarity, rank = found
    n = len(images.train)
    if rank is None:
        at = "it is not among the strongest that are kept"
    else:
        at = f"it is #{abs(rank):,} of {n:,} of those that {'helped' if rank > 0 else 'hurt'}"
    return train, (
        f"**{glossary.link('Near-copy')}.** Training image {train} is almost the same picture (their pixels correlate "
        f"at {similarity:.2f}); {at}. Being right here says little."
    )


# --- a training image -----------------------------------------------------------------------------------------------


def learned(images: Images, reach: Reach) -> str:
    """What is known of a training image, in Markdown."""
    row, train = reach.row, images.train
    parts = [f"It is labelled **{escaped(row['class'])}**."]
    if "named" in row:
        said = "The model agrees" if row["named"] == row["class"] else f"The model says **{escaped(row['named'])}**"
        parts[0] += f" {said}, with a loss of {row['loss']:.2g} nats."
    if "self_influence" in row:
        rank = 1 + int((train["self_influence"] > row["self_influence"]).sum())
        parts.append(
            f"{glossary.link('Self-influence')} {row['self_influence']:.3g}: number {rank:,} of {len(train):,} from "
            "the highest."
        )
    if "own_class" in row:
        own, other = number(float(row["own_class"])), number(float(row["other_classes"]))
        parts.append(f"Its mean score is {own} for test images of its class, and {other} for others.")
    return "  \n".join(parts)


def kept_for_each(images: Images) -> str:
    k: int = images.result.manifest.reverse_k
    return f"{k} test images are kept of each training image, either way."


# --- the gallery ----------------------------------------------------------------------------------------------------


def about_chip(images: Images, show: str) -> str:
    """What a chip shows, where its name does not say it."""
    if show == NEAR_COPIES:
        return (
            "Each stands beside the training image that looks most like it. Being right on such an image says little."
        )
    if show == HARD:
        return (
            f"Their {glossary.link('LDS')} is below {images.hard:.2f}, three quarters of the mean: trust their scores "
            "least."
        )
    if show == PICTURED:
        return images.picture.what_is_shown.capitalize() + "."
    return ""


def nothing(filters: Filters) -> str:
    """What to say where nothing passes."""
    what = {MISTAKES: "No mistake", NEAR_COPIES: "No near-copy", HARD: "No image that is hard to explain"}
    return f"{what.get(filters.show, 'No test image')} passes these filters. Choose any class, or show all."


def sort_name(sort: str) -> str:
    """What a list calls an order, short enough for a narrow one."""
    short = {INDEX: "By number", "most like a training image first": "Most alike"}
    return short.get(sort) or describing.capital(sort.removesuffix(" first"))


# --- predicted removals ---------------------------------------------------------------------------------------------


def support(removal: Removal) -> str:
    """After how many removals the margin is predicted to be negative."""
    if removal.support is None:
        return "Even without all that helped, it would stay positive."
    if removal.support == 0:
        return "It is negative already with all of them."
    return f"It crosses zero when the {removal.support:,} that helped most are gone."


# --- what it rests on -----------------------------------------------------------------------------------------------


def provenance(images: Images) -> str:
    """One line: from what, by what and when."""
    result = images.result
    manifest = result.manifest
    n, seed = f"{len(result.train):,} training images", f"seed {_seed(manifest)}"
    made = f"made {manifest.created[:10]} in {manifest.seconds:.0f} s · result “{result.name}”"
    if isinstance(manifest, DatamodelsManifest):
        of = f"{manifest.quality.fitted:,} models of {manifest.learner} on subsets of {manifest.subset_size:,} of {n}"
        seeds = manifest.config.outcomes.subsets.seeds
        return f"{manifest.dataset} · {of} (alpha {manifest.alpha:g}) · {seed}, {seeds} · {manifest.estimator} · {made}"
    if isinstance(manifest, TracInManifest):
        epochs = manifest.checkpoint_epochs
        at = f"{len(epochs)} checkpoints (epochs {epochs[0]} to {epochs[-1]})"
        return f"{manifest.dataset} · one model of {manifest.learner} · {n} · {at} · {seed} · {made}"
    if isinstance(manifest, UnrolledManifest):
        trainings = f"{manifest.trainings} training{'s' * (manifest.trainings > 1)} of {manifest.learner}"
        steps = f"{manifest.steps:,} steps, all followed back"
        return f"{manifest.dataset} · {trainings} · {n} of weight {manifest.weight:g} · {steps} · {seed} · {made}"
    return f"{manifest.dataset} · {manifest.learner} · {n} · {made}"


def _seed(manifest: ResultManifest) -> int:
    config: Any = manifest.config  # type: ignore[attr-defined]
    seed: int = config.outcomes.subsets.seed if isinstance(manifest, DatamodelsManifest) else config.seed
    return seed


def trust(images: Images) -> str:
    """How well the scores predict models that they were not made from, in plain words."""
    result = images.result
    lds = verdicts.judged(result.manifest, images.evaluated.lds)
    if lds is None:
        how = inline_code(command("evaluate", "lds", typed(result.path), "--store", "STORE"))
        return (
            "**Not evaluated**: how well these scores predict models trained on other subsets has not been measured. "
            f"{how} does, with the models of an outcome store of this data set."
        )
    own = lds.own
    text = (
        f"On {lds.held_out:,} models that the scores have not seen, their sums over a subset and what those models "
        f"said correlate at **{own.mean:.3f}** (linear datamodeling score, LDS; {own.level:.0%} interval {own.low:.3f} "
        f"to {own.high:.3f}; 1 is perfect). Random scores get {lds.methods['random'].mean:.3f}."
    )
    if "same-class" in lds.methods:
        text += f" Knowing only which images are of its class gets {lds.methods['same-class'].mean:.3f}."
    if lds.best is not None and lds.ceiling is not None:
        text += (
            f" Trained twice on the same subset, one model predicts the other at {lds.ceiling.mean:.3f}: the rest is "
            f"chance, and a perfect predictor would get about {lds.best:.2f}."
        )
    elif lds.ceiling is not None and lds.common:
        text += (
            f" The same subsets trained from another initialisation predict these models at {lds.ceiling.mean:.3f}: so "
            "much of what is explained here holds for any initialisation."
        )
    return text


def meaning(manifest: ResultManifest) -> str:
    """What a score says, and what it does not."""
    if isinstance(manifest, DatamodelsManifest):
        return (
            "**What a score says.** Models that saw this training image had a margin on the test image that is larger "
            f"by about the score, averaged over random subsets of {manifest.alpha:.0%} of the training set, all other "
            "scores being equal. **What it does not say.** That the two images look alike; what one certain model did; "
            "or what would happen in the full training set, where a near-copy may fill the gap. Single small scores "
            "are mostly noise."
        )
    if isinstance(manifest, TracInManifest):
        return (
            "**What a score says.** By how much gradient steps on this training image, at the learning rate of their "
            "time, lowered the test image's loss, to first order, summed over the checkpoints. **What it does not "
            "say.** That the two images look alike; or what a model trained without this image would do: one training "
            "is followed, and none is repeated. Images with large gradients, such as mislabelled ones, are high in "
            "many lists."
        )
    if isinstance(manifest, UnrolledManifest):
        return (
            "**What a score says.** By how much the test image's margin changes, to first order, if the weight of this "
            "training image goes from 0 to 1, with initial weights, order, batches and number of steps as they were. "
            "The chain rule is followed through every step. Minus the sum over some images predicts the change without "
            "them. **What it does not say.** What happens when much is left out: the larger the removal, the less it "
            f"tells. It was taken where every training image has weight {manifest.weight:g}."
        )
    return ""


def details(manifest: ResultManifest) -> dict[str, str]:
    """What else to know before trusting it, by title."""
    found = {"Method": f"{manifest.title}."}
    if isinstance(manifest, DatamodelsManifest):
        quality = manifest.quality
        found["Protocol"] = manifest.protocol
        found["The models"] = (
            f"{quality.accuracy:.1%} of the test images right on average; {quality.fitted:,} were fitted, "
            f"{quality.held_out:,} judged, {quality.diverged:,} diverged and were left out."
        )
        found["Error"] = (
            f"Predictions for models that were not fitted miss by {quality.error:.0%} of the margins’ variance on "
            f"average; their mean correlation (Pearson) is {quality.correlation:.3f}."
        )
    else:
        shares = manifest.quality.accuracy
        found["The model"] = f"{shares.test:.1%} of the test images right, {shares.train:.1%} of the training images."
        found["Units"] = manifest.units or "not stated"
    return found | {"Caveat": manifest.caveat}
