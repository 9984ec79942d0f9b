"""What the images page says of the scores of each method."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import pandas as pd

from influence.evidence import LdsEvidence
from influence.methods.datamodels.kind import DatamodelsManifest
from influence.methods.tracin.kind import TracInOfClasses
from influence.methods.unrolled.kind import UnrolledManifest
from influence.results import Interval, Result, ResultManifest
from influence.text import command, inline_code, typed

M = TypeVar("M", bound=ResultManifest)


class Words(ABC, Generic[M]):
    """The words for one method.

    Attributes
    ----------
    method : str
        As the manifest calls it.
    score, scores : str
        What one number is called, and several.
    form : str
        How a number is written: a format.
    sides : (str, str)
        Titles of the training images that helped and hurt a test image.
    walked : (str, str)
        Titles of the test images that a training image helped and hurt.
    judge : str
        Who says whether a test image is right.
    axis : str
        Of the histogram.
    """

    method: ClassVar[str]
    score: ClassVar[str]
    scores: ClassVar[str]
    form: ClassVar[str]
    sides: ClassVar[tuple[str, str]]
    walked: ClassVar[tuple[str, str]]
    judge: ClassVar[str]
    axis: ClassVar[str]

    def number(self, score: float) -> str:
        return format(score, self.form)

    @abstractmethod
    def of_target(self, row: "pd.Series[Any]") -> str:
        """What is known of a test image, from its row of `Images.test`."""

    @abstractmethod
    def of_train(self, train: pd.DataFrame, index: int) -> str:
        """What is known of a training image, one of `Images.train`."""

    @abstractmethod
    def provenance(self, result: Result[M]) -> str:
        """One line: from what, by what and when."""

    @abstractmethod
    def trust(self, result: Result[M], lds: LdsEvidence | None) -> str:
        """How well the scores predict models that they were not made from, in plain words."""

    def lds_of_fit(self, manifest: M) -> Interval | None:
        """The LDS that the method measured itself; None if it measures none."""
        return None

    @abstractmethod
    def meaning(self, manifest: M) -> str:
        """What a score says, and what it does not."""

    @abstractmethod
    def details(self, manifest: M) -> dict[str, str]:
        """What else to know before trusting it, by title."""


class Datamodels(Words[DatamodelsManifest]):
    method = "datamodels"
    score = "weight"
    scores = "weights"
    form = "+.3f"
    sides = (
        ":blue[**+ Most positive**]: training on them raised its margin",
        ":orange[**− Most negative**]: training on them lowered it",
    )
    walked = (
        ":blue[**+ Helps most**]: it raised their margins",
        ":orange[**− Hurts most**]: it lowered them",
    )
    judge = "majority vote of the models"
    axis = "weight: hurts (left of 0) or helps (right)"

    def of_target(self, row: "pd.Series[Any]") -> str:
        return (
            f"Class **{row['class']}**; the models say {_verdict(row)}  \n"
            f"{row['agreement']:.0%} of the models agree on that, {row['correct']:.0%} are right  \n"
            f"Margin **{row['margin']:+.2f}** ± {row['margin_sd']:.2f} from model to model  \n"
            f"Held-out LDS of this image **{row['lds']:.2f}**, error {row['error']:.2f} of the margin’s variance"
        )

    def of_train(self, train: pd.DataFrame, index: int) -> str:
        row = train.loc[index]
        return (
            f"Class **{row['class']}**  \n"
            f"Mean weight on test images of its class **{row['own_class']:+.4f}**, "
            f"of other classes **{row['other_classes']:+.4f}**"
        )

    def provenance(self, result: Result[DatamodelsManifest]) -> str:
        manifest = result.manifest
        config, quality = manifest.config, manifest.quality
        subsets = config.outcomes.subsets
        return (
            f"{manifest.dataset} · {quality.fitted:,} models of {manifest.learner} on subsets of "
            f"{manifest.subset_size:,} of {len(result.train):,} training images (alpha {subsets.alpha:g}) · "
            f"seed {subsets.seed}, {subsets.seeds} · {config.estimator} · {_made(result)}"
        )

    def trust(self, result: Result[DatamodelsManifest], lds: LdsEvidence | None) -> str:
        manifest = result.manifest
        quality = manifest.quality
        own, random, ceiling = quality.lds, quality.random, quality.ceiling
        if own is None or random is None:
            return _trust_of_evidence(result, lds, "weights")
        text = (
            f"On {quality.held_out} models that were not used for the weights, what the weights predict for a test "
            f"image and what those models said correlate at **{own.mean:.3f}** (linear datamodeling score, LDS; "
            f"{own.level:.0%} interval {own.low:.3f} to {own.high:.3f}; 1 is perfect). "
            f"Random weights get {random.mean:.3f}."
        )
        if ceiling is not None and manifest.config.outcomes.subsets.seeds == "fresh":
            best = np.sqrt(max(ceiling.mean, 0.0))
            text += (
                f" Training twice on the same subset with two seeds, one result predicts the other at "
                f"{ceiling.mean:.3f}: the rest is chance, and a perfect predictor would get about {best:.2f}."
            )
        elif ceiling is not None:
            text += (
                f" The same subsets trained from another initialisation predict these models at {ceiling.mean:.3f}: "
                "so much of what is explained here holds for any initialisation."
            )
        return text

    def lds_of_fit(self, manifest: DatamodelsManifest) -> Interval | None:
        return manifest.quality.lds

    def meaning(self, manifest: DatamodelsManifest) -> str:
        share = manifest.alpha
        return (
            "**What a weight says.** Models that saw this training image had a margin on the test image that is larger "
            f"by about the weight, averaged over random subsets of {share:.0%} of the training set, all other images' "
            "weights being equal. Margin: the correct class's logit minus the log-sum-exp of the others; above 0 the "
            "model gives the correct class more than half. **What it does not say.** That the two images look alike; "
            "what one certain model did; or what would happen in the full training set, where a near-duplicate may "
            "fill the gap. Single small weights are mostly noise: the strongest few are what the held-out score "
            "vouches for."
        )

    def details(self, manifest: DatamodelsManifest) -> dict[str, str]:
        quality = manifest.quality
        return {
            "Method": f"{manifest.title}.",
            "Protocol": manifest.protocol,
            "The models": f"{quality.accuracy:.1%} of the test images right on average; {quality.fitted:,} were "
            f"fitted, {quality.held_out:,} judged, {quality.diverged:,} diverged and were left out.",
            "Error": f"predictions for held-out models miss by {quality.error:.0%} of the margins’ variance on "
            f"average; their mean correlation (Pearson) is {quality.correlation:.3f}.",
            "Caveat": manifest.caveat,
        }


class TracIn(Words[TracInOfClasses]):
    method = "tracin"
    score = "score"
    scores = "scores"
    form = "+.3g"
    sides = (
        ":blue[**+ Proponents**]: steps on them lowered its loss",
        ":orange[**− Opponents**]: steps on them raised it",
    )
    walked = (
        ":blue[**+ Helps most**]: steps on it lowered their losses",
        ":orange[**− Hurts most**]: steps on it raised them",
    )
    judge = "the model’s last checkpoint"
    axis = "score: raised its loss (left of 0) or lowered it (right)"

    def of_target(self, row: "pd.Series[Any]") -> str:
        return _of_one_model(row, " at the last checkpoint")

    def of_train(self, train: pd.DataFrame, index: int) -> str:
        row = train.loc[index]
        rank = 1 + int((train["self_influence"] > row["self_influence"]).sum())
        return (
            f"Class **{row['class']}**; the model says **{row['named']}**, loss {row['loss']:.3g} nats  \n"
            f"Self-influence **{row['self_influence']:.3g}**, number {rank:,} of {len(train):,} from the highest"
        )

    def provenance(self, result: Result[TracInOfClasses]) -> str:
        manifest = result.manifest
        epochs = manifest.checkpoint_epochs
        return (
            f"{manifest.dataset} · one model of {manifest.learner} · {len(result.train):,} training images · "
            f"{len(epochs)} checkpoints (epochs {epochs[0]} to {epochs[-1]}) · seed {manifest.config.seed} · "
            f"{_made(result)}"
        )

    def trust(self, result: Result[TracInOfClasses], lds: LdsEvidence | None) -> str:
        return _trust_of_evidence(result, lds, "scores")

    def meaning(self, manifest: TracInOfClasses) -> str:
        return (
            "**What a score says.** Summed over the checkpoints: by how much a gradient step on this training image, "
            "at the learning rate of that time, lowered the test image's loss, to first order. A proponent lowered "
            "it, an opponent raised it; an image's score on itself is its self-influence. **What it does not say.** "
            "That the two images look alike; or what a model trained without this image would do: one training is "
            "followed, and none is repeated, so nothing is predicted here of removing images. Images with large "
            "gradients of their own, such as mislabelled ones, are high in many lists."
        )

    def details(self, manifest: TracInOfClasses) -> dict[str, str]:
        accuracy = manifest.quality.accuracy
        return {
            "Method": f"{manifest.title} (Pruthi et al. 2020).",
            "The model": f"{accuracy.test:.1%} of the test images right, {accuracy.train:.1%} of the training images.",
            "Units": manifest.units or "reduction of the loss",
            "Caveat": manifest.caveat,
        }


class Unrolled(Words[UnrolledManifest]):
    method = "unrolled"
    score = "derivative"
    scores = "derivatives"
    form = "+.3g"
    sides = (
        ":blue[**+ Proponents**]: more weight on them raises its margin",
        ":orange[**− Opponents**]: more weight on them lowers it",
    )
    walked = (
        ":blue[**+ Helps most**]: more weight on it raises their margins",
        ":orange[**− Hurts most**]: more weight on it lowers them",
    )
    judge = "the trained model"
    axis = "derivative: lowers its margin (left of 0) or raises it (right)"

    def of_target(self, row: "pd.Series[Any]") -> str:
        return _of_one_model(row)

    def of_train(self, train: pd.DataFrame, index: int) -> str:
        row = train.loc[index]
        return f"Class **{row['class']}**; the model says **{row['named']}**, loss {row['loss']:.3g} nats"

    def provenance(self, result: Result[UnrolledManifest]) -> str:
        manifest = result.manifest
        return (
            f"{manifest.dataset} · {manifest.trainings} training{'s' * (manifest.trainings > 1)} of {manifest.learner} "
            f"· {len(result.train):,} training images of weight {manifest.weight:g} · {manifest.steps:,} steps, all "
            f"followed back · seed {manifest.config.seed} · {_made(result)}"
        )

    def trust(self, result: Result[UnrolledManifest], lds: LdsEvidence | None) -> str:
        return _trust_of_evidence(result, lds, "derivatives")

    def meaning(self, manifest: UnrolledManifest) -> str:
        return (
            "**What a derivative says.** By how much the test image's margin changes, in its own unit and to first "
            "order, if the weight of this training image in the training goes from 0 to 1, with initial weights, "
            "order, batches and number of steps as they were. It is exact: the chain rule is followed through every "
            "step. Minus the sum over some images predicts the change without them. **What it does not say.** What "
            "happens when much is left out: the larger the removal, the less a derivative tells. "
            f"It was taken where every training image has weight {manifest.weight:g}."
        )

    def details(self, manifest: UnrolledManifest) -> dict[str, str]:
        accuracy = manifest.quality.accuracy
        return {
            "Method": f"{manifest.title} (Ilyas and Engstrom 2025).",
            "The model": f"{accuracy.test:.1%} of the test images right, {accuracy.train:.1%} of the training images.",
            "Units": manifest.units or "change of the margin",
            "Caveat": manifest.caveat,
        }


WORDS: dict[str, Words[Any]] = {words.method: words for words in (Datamodels(), TracIn(), Unrolled())}


def _of_one_model(row: "pd.Series[Any]", when: str = "") -> str:
    """What one model says of a test image, and how well the image's scores predict models, where that is known."""
    text = (
        f"Class **{row['class']}**; the model says {_verdict(row)}  \n"
        f"Loss **{row['loss']:.3g}** nats, margin **{row['margin']:+.2f}**{when}"
    )
    return text + (f"  \nHeld-out LDS of this image **{row['lds']:.2f}**" if pd.notna(row.get("lds")) else "")


def _trust_of_evidence(result: Result[Any], lds: LdsEvidence | None, scores: str) -> str:
    """How well the sums of a result's scores predict models, where `evaluate lds` has measured it."""
    if lds is None:
        how = inline_code(command("evaluate", "lds", typed(result.path), "--store", "STORE"))
        return (
            f"**Not evaluated**: how well these {scores} predict what models trained on other subsets say has not been "
            f"measured. {how} does, with the models of an outcome store of this data set."
        )
    own, random, same = (lds.methods[name] for name in ("result", "random", "same-class"))
    text = (
        f"On {lds.held_out} models trained on random subsets, the sum of a subset’s {scores} for a test image and what "
        f"those models said of it correlate at **{own.mean:.3f}** (linear datamodeling score, LDS; {own.level:.0%} "
        f"interval {own.low:.3f} to {own.high:.3f}; 1 is perfect). Random {scores} get {random.mean:.3f}, and knowing "
        f"only which images are of its class {same.mean:.3f}."
    )
    if lds.ceiling is not None:
        text += (
            f" A second training on the same subsets predicts the first at {lds.ceiling.mean:.3f}: the rest is chance."
        )
    return text


def _verdict(row: "pd.Series[Any]") -> str:
    return f":orange[**{row['named']}**, wrong ✗]" if row["wrong"] else f"**{row['named']}**, right ✓"


def _made(result: Result[Any]) -> str:
    manifest = result.manifest
    return f"made {manifest.created[:10]} in {manifest.seconds:.0f} s · result “{result.name}”"
