"""`evaluate mislabels`: flip labels, and see which ranking of training examples finds the flips."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from influence import datasets, evidence, homes, results
from influence.config import Config, setting
from influence.datamodels.subsets import SubsetConfig, draw
from influence.datasets import Dataset
from influence.errors import InfluenceError
from influence.jobs.evaluation.common import MANY, store_evidence
from influence.jobs.scores import trained_with
from influence.learners.base import Learner, Models, Subsets, margins, prepared
from influence.learners.mlp import Mlp
from influence.learners.toolkit.outputs import cross_entropy, outputs
from influence.learners.traceable import Traceable, TraceableTogether
from influence.measures import mislabels as flips
from influence.progress import Report, Stages, counting, silent
from influence.retraining.seeds import derived
from influence.retraining.trainer import ClassifierTrainer, Retrained
from influence.retraining.trainings import Training, Trainings
from influence.tracin.fixed_layers import without_fixed_layers
from influence.tracin.scores import TracInCP


class MislabelsConfig(Config):
    """What is flipped, and what looks for it.

    With more than `influence.jobs.evaluation.common.MANY` training examples a training takes seconds, and the defaults
    are 1 model with 3 checkpoints, and 48 on subsets.
    """

    dataset: str = setting("digits", "Name of the data set.")
    classes: tuple[str, ...] = setting((), "Only the examples of these classes; none means all.")
    train_size: int | None = setting(None, "Only the first so many training examples.", ge=1)
    learner: Learner = setting(Mlp(), "How models are trained.")
    share: float = setting(0.1, "Share of the labels that are flipped.", gt=0, le=0.5)
    models: int | None = setting(
        None, "Models trained on everything, for loss and self-influence, which are means over them. Default: 10.", ge=1
    )
    checkpoints: int | None = setting(
        None,
        "Checkpoints of each of these, about, for the self-influence; a learner without checkpoints has its finished "
        "model alone. Default: 6.",
        ge=1,
    )
    subset_models: int | None = setting(
        None, "Models trained on subsets, for memorisation and held-out loss. Default: 500.", ge=2
    )
    alpha: float = setting(0.5, "Share of the training part that each of these sees.", gt=0, lt=1)
    seed: int = setting(0, "Seed of everything that is drawn.", ge=0)

    def completed(self, n_train: int) -> "MislabelsConfig":
        """With what was left open."""
        usual = (1, 3, 48) if n_train > MANY else (10, 6, 500)
        return self.replace(
            models=self.models or usual[0],
            checkpoints=self.checkpoints or usual[1],
            subset_models=self.subset_models or usual[2],
        )


def mislabels_of(result: Path, **settings: Any) -> MislabelsConfig:
    """The config for the data set and the learner of a result."""
    trained = trained_with(results.read(result))
    if trained is None:
        raise InfluenceError(
            f"{result} does not say which learner of images made it: give the data set's name (and --learner) instead."
        )
    return MislabelsConfig(
        dataset=trained.dataset,
        classes=trained.classes,
        train_size=trained.train_size,
        learner=trained.learner,
        **settings,
    )


def default_evidence(config: MislabelsConfig) -> Path:
    """Where evidence about a data set goes, which no result holds."""
    return homes.results_home() / ".evidence" / config.dataset


def mislabels(
    config: MislabelsConfig, out: Path, about: Path | None = None, report: Report = silent, folder: Path | None = None
) -> Path:
    """Flip labels, train, and see which ranking finds the flips.

    Parameters
    ----------
    config : MislabelsConfig
    out : Path
        The folder that gets the evidence.
    about : Path or None
        The result that it is about, if any.
    report : Report
    folder : Path or None
        Where finished trainings are kept; None is a hidden folder among the results.
    """
    started = time.monotonic()
    if not datasets.facts(config.dataset).classes:
        raise InfluenceError(f"{config.dataset} has no classes, and so no labels to flip: choose digits or cifar10.")
    clean = prepared(datasets.load(config.dataset, config.classes, config.train_size), config.learner)
    uniform = flips.flip(clean.train.labels, config.share, config.seed)  # may refuse, so before anything is trained
    config = config.completed(len(clean.train))
    stages = Stages(dict.fromkeys(evidence.FLIPS, 1.0), report)
    examples, curves, found, notes = [], [], {}, _mislabels_notes(config, clean)
    wrong = np.empty(0)
    for kind in evidence.FLIPS:
        labels, flipped = clean.train.labels, np.zeros(len(clean.train), bool)
        if kind == "uniform":
            flipped, labels = uniform
        elif kind == "adversarial":
            flipped, labels = flips.flip(labels, config.share, config.seed, wrong)
        noisy = replace(clean, train=replace(clean.train, labels=labels))
        rankings, named = _suspicions(config, noisy, folder, stages, kind)
        if kind == "none":
            wrong = named
        else:
            looks = {name: flips.found(scores, flipped, seed=config.seed) for name, scores in rankings.items()}
            curves += [_curve(kind, name, look) for name, look in looks.items()]
            found[kind] = {
                name: {"area": look.area.as_dict(), "at_20": look.at_20.as_dict()} for name, look in looks.items()
            }
            notes.append(_verdict(kind, rankings, looks, flipped))
        examples.append(
            pa.table(
                {
                    "flips": evidence.names([kind] * len(labels)),
                    "train": clean.train.index,
                    "label": labels.astype(np.int32),
                    "true": clean.train.labels.astype(np.int32),
                }
                | {name: shortened(scores) for name, scores in rankings.items()}
            )
        )
    report(1.0, "done")
    manifest = {
        "about": {"dataset_hash": clean.content_hash} if about is None else evidence.about(results.read(about)),
        "config": config.as_dict(),
        "figures": {"found": found, "flipped": round(config.share * len(clean.train)), "train": len(clean.train)},
        "notes": notes,
    }
    tables = {"curves": _stacked(curves), "examples": _stacked(examples)}
    return store_evidence(out, "mislabels", manifest, started, tables, report)


def _suspicions(
    config: MislabelsConfig, noisy: Dataset, folder: Path | None, stages: Stages, stage: str
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Scores of all training examples by every ranking, and the wrong class that the first model scores highest."""
    n = len(noisy.train)
    assert config.models is not None
    assert config.checkpoints is not None
    assert config.subset_models is not None
    whole = Trainings(_Suspicions(noisy, config.learner, config.checkpoints), folder)
    everything = [Training(np.empty(0, np.int32), seed) for seed in derived(config.seed, 1, config.models)]
    masks = draw(SubsetConfig(alpha=config.alpha, seed=config.seed), np.arange(config.subset_models), n).masks
    seeds = derived(config.seed, 2, config.subset_models)
    halves = [Training(np.flatnonzero(~mask).astype(np.int32), s) for mask, s in zip(masks, seeds, strict=True)]
    parts = Trainings(ClassifierTrainer(noisy, config.learner, part="train"), folder)
    lacking = len(whole.missing(everything)), len(parts.missing(halves))
    total = max(1, sum(lacking))
    count = counting(stages, stage, f"labels flipped: {stage}")
    whole.complete(everything, lambda finished, _: count(finished, total))
    parts.complete(halves, lambda finished, _: count(lacking[0] + finished, total))
    said = whole.read(everything)
    outputs = np.stack([each.outputs for each in said])
    outputs = outputs[np.isfinite(outputs).all(axis=1)]
    own = np.stack([each.outputs for each in parts.read(halves)])
    finite = np.isfinite(own).all(axis=1)
    if not len(outputs) or finite.sum() < 2:
        raise InfluenceError("Nearly all models diverged: lower the learner's learning rate.")
    inside, outside = flips.inside_and_outside(masks[finite], own[finite])
    held_out_loss = flips.inside_and_outside(masks[finite], flips.losses(own[finite]))[1]
    loss, self_influence = outputs.mean(axis=0, dtype=np.float64).reshape(2, n)
    rankings = {
        "self-influence": self_influence,
        "own-weight": inside - outside,
        "loss": loss,
        "held-out-loss": held_out_loss,
    }
    return rankings, said[0].predictions.astype(np.int64)


@dataclass(frozen=True)
class _Suspicions:
    """Trains on everything; says loss and self-influence of every training example, one after the other, and names the
    wrong class with the largest logit, of those that training examples have."""

    dataset: Dataset
    learner: Learner
    checkpoints: int

    @property
    def identity(self) -> dict[str, object]:
        says = f"loss and self-influence over {self.checkpoints} checkpoints"
        if len(self._absent):  # trainings of all classes that were kept before stay valid
            says += ", and the likeliest wrong class of those present"
        return {"dataset": self.dataset.content_hash, "learner": self.learner.as_dict(), "says": says}

    @property
    def _absent(self) -> np.ndarray:
        """Classes below the highest label that no training example has; learners have an output for them too."""
        labels = self.dataset.train.labels
        return np.setdiff1d(np.arange(labels.max()), labels)

    @property
    def batch(self) -> int:
        return self.learner.batch

    @property
    def n_train(self) -> int:
        return len(self.dataset.train)

    def train(self, masks: np.ndarray, seeds: np.ndarray) -> list[Retrained]:
        """See `influence.retraining.trainer.Trainer`."""
        train, subsets = self.dataset.train, Subsets(masks, seeds)
        if isinstance(self.learner, TraceableTogether):
            every = max(1, self.learner.epochs // self.checkpoints)
            moments: Sequence[tuple[float, Models]] = self.learner.checkpoints(train, subsets, every)
        elif isinstance(self.learner, Traceable):
            return [self._traced(self.learner, int(seed)) for seed in seeds]
        else:
            moments = [(1.0, self.learner.fit(train, subsets))]
        self_influence = sum(rate * own_gradients(models, train.inputs, train.labels) for rate, models in moments)
        return self._said(moments[-1][1].logits(train.inputs), np.asarray(self_influence))

    def _traced(self, learner: Traceable, seed: int) -> Retrained:
        """One model, by its checkpoints and all its layers."""
        traced = learner.trace(self.dataset.train, seed, max(1, learner.epochs // self.checkpoints))
        moving, train, _ = without_fixed_layers(traced, self.dataset)
        self_influence = TracInCP(moving.model, moving.checkpoints, cross_entropy).self_influence(train)
        moving.model.load_state_dict(moving.checkpoints[-1].state)
        logits = outputs(moving.model, train.inputs)
        return self._said(logits[None].numpy(), self_influence[None].numpy())[0]

    def _said(self, logits: np.ndarray, self_influence: np.ndarray) -> list[Retrained]:
        """(k, n, n_classes) and (k, n)"""
        labels = self.dataset.train.labels
        loss = flips.losses(margins(logits, labels))
        others = np.array(logits)
        others[:, np.arange(len(labels)), labels] = -np.inf
        others[:, :, self._absent] = -np.inf
        outputs = np.concatenate([loss, self_influence], axis=1).astype(np.float32)
        return [Retrained(*each) for each in zip(outputs, others.argmax(axis=2).astype(np.uint8), strict=True)]


def own_gradients(models: Models, inputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(k, n): squared norm of the gradient of each example's cross-entropy, by the weights of the linear layers that
    `influence.learners.base.Models.factors` gives: all of an mlp's, the last of a convnet's.
    """
    logits = models.logits(inputs).astype(np.float64)
    delta = np.exp(logits - logits.max(axis=2, keepdims=True))
    delta /= delta.sum(axis=2, keepdims=True)
    delta[:, np.arange(len(labels)), labels] -= 1
    factors = models.factors(inputs, delta.astype(np.float32))
    squares = [[np.square(part).sum(axis=2, dtype=np.float64) for part in layer] for layer in factors]
    return np.asarray(sum(a * d for a, d in squares))


def shortened(scores: np.ndarray) -> np.ndarray:
    """As float32, rounded to three digits, about: the rest of them is noise, which would fill the table."""
    mantissa, exponent = np.frexp(scores.astype(np.float64))
    return np.ldexp(np.round(mantissa * 1024) / 1024, exponent).astype(np.float32)


def _curve(kind: str, name: str, look: flips.Found) -> pa.Table:
    at = np.unique(np.linspace(0, len(look.found) - 1, 101).round().astype(int))
    return pa.table(
        {
            "flips": evidence.names([kind] * len(at)),
            "ranking": evidence.names([name] * len(at)),
            "inspected": look.inspected[at].astype(np.float32),
            "found": look.found[at].astype(np.float32),
        }
    )


def _stacked(tables: list[pa.Table]) -> pa.Table:
    return pa.concat_tables(tables).unify_dictionaries().combine_chunks()


def _verdict(kind: str, rankings: dict[str, np.ndarray], looks: dict[str, flips.Found], flipped: np.ndarray) -> str:
    """Whether attribution finds more than plain loss, in a sentence."""
    best = max(("self-influence", "own-weight"), key=lambda name: looks[name].at_20.mean)
    more = flips.advantage(rankings[best], rankings["loss"], flipped)
    shares = f"{looks[best].at_20.mean:.0%} against {looks['loss'].at_20.mean:.0%} of the flips in the first 20 %"
    text = {"uniform": "Labels flipped at random", "adversarial": "Labels flipped to the likeliest wrong class"}[kind]
    if more.low > 0:
        return f"{text}: {best} finds more than plain loss ({shares})."
    if more.high < 0:
        return f"{text}: plain loss finds more than {best}, the better of self-influence and own weight ({shares})."
    return f"{text}: plain loss does as well as {best} ({shares}; the difference is within chance)."


def _mislabels_notes(config: MislabelsConfig, clean: Dataset) -> list[str]:
    names, present = clean.classes, np.unique(clean.train.labels)
    among = "" if len(present) == len(names) else f" among the classes {', '.join(names[label] for label in present)}"
    settings = ", ".join(f"{name} {value}" for name, value in config.learner.as_dict().items() if name != "name")
    how = (
        f"all layers, about {config.checkpoints} checkpoints weighted by their learning rate"
        if isinstance(config.learner, Traceable)
        else "the last layer of the finished model alone"
    )
    return [
        f"{config.share:.0%} of the training labels were flipped{among}; {config.learner.name} ({settings}).",
        f"Loss and self-influence ({how}) are "
        + (f"means over {config.models} models" if config.models != 1 else "those of one model")
        + " trained on everything; own weights "
        f"(difference in means) and held-out loss come from {config.subset_models} models, each trained on "
        f"{config.alpha:.0%}. A ranking at random has area 0.5 and finds 20 % in the first 20 %.",
    ]
