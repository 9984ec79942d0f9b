"""Which ranking of the training examples finds flipped labels."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from influence import datasets, evidence
from influence.datasets import Dataset
from influence.errors import InfluenceError
from influence.evaluation.base import Findings
from influence.evaluation.mislabels.config import MislabelsConfig
from influence.evaluation.mislabels.suspicions import suspicions
from influence.evidence.mislabels import more_than_loss
from influence.learners.base import prepared
from influence.learners.traceable import Traceable
from influence.measures import mislabels as flips
from influence.progress import Report, Stages, silent


@dataclass
class _Looks:
    """What was found so far, by kind of flips."""

    seed: int
    found: dict[str, Any] = field(default_factory=dict)
    curves: list[pa.Table] = field(default_factory=list)
    examples: list[pa.Table] = field(default_factory=list)
    verdicts: list[str] = field(default_factory=list)

    def look(self, kind: str, rankings: dict[str, np.ndarray], flipped: np.ndarray) -> None:
        """See how many of the flips each ranking finds."""
        looks = {name: flips.found(scores, flipped, seed=self.seed) for name, scores in rankings.items()}
        self.curves += [_curve(kind, name, look) for name, look in looks.items()]
        self.found[kind] = {
            name: {"area": look.area.as_dict(), "at_20": look.at_20.as_dict()} for name, look in looks.items()
        }
        self.verdicts.append(_verdict(kind, rankings, looks, flipped))

    def add_examples(self, kind: str, clean: Dataset, labels: np.ndarray, rankings: dict[str, np.ndarray]) -> None:
        """Keep every training example's score by every ranking."""
        columns = {
            "flips": evidence.names([kind] * len(labels)),
            "train": clean.train.index,
            "label": labels.astype(np.int32),
            "true": clean.train.labels.astype(np.int32),
        }
        self.examples.append(pa.table(columns | {name: shortened(scores) for name, scores in rankings.items()}))


def evaluate(
    config: MislabelsConfig, about: dict[str, Any] | None = None, folder: Path | None = None, report: Report = silent
) -> Findings:
    """Flip labels, train, and see which ranking finds the flips.

    Parameters
    ----------
    config : MislabelsConfig
    about : dict or None
        What tells the result that it is about from others; None if it is about the data set alone.
    folder : Path or None
        Where finished trainings are kept; None is a hidden folder among the results.
    report : Report
    """
    if not datasets.facts(config.dataset).classes:
        raise InfluenceError(f"{config.dataset} has no classes, and so no labels to flip: choose digits or cifar10.")
    clean = prepared(datasets.load(config.dataset, config.classes, config.train_size), config.learner)
    uniform = flips.flip(clean.train.labels, config.share, config.seed)  # may refuse, so before anything is trained
    config = config.completed(len(clean.train))
    stages = Stages(dict.fromkeys(evidence.FLIPS, 1.0), report)
    looks, wrong = _Looks(config.seed), np.empty(0)
    for kind in evidence.FLIPS:
        labels, flipped = clean.train.labels, np.zeros(len(clean.train), bool)
        if kind == "uniform":
            flipped, labels = uniform
        elif kind == "adversarial":
            flipped, labels = flips.flip(labels, config.share, config.seed, wrong)
        noisy = replace(clean, train=replace(clean.train, labels=labels))
        rankings, predicted = suspicions(config, noisy, folder, stages, kind)
        if kind == "none":
            wrong = predicted
        else:
            looks.look(kind, rankings, flipped)
        looks.add_examples(kind, clean, labels, rankings)
    examples = _stacked(looks.examples)
    return Findings(
        config=config.as_dict(),
        figures={
            "found": looks.found,
            "more_than_loss": more_than_loss(examples.to_pandas()),
            "flipped": round(config.share * len(clean.train)),
            "train": len(clean.train),
        },
        notes=[*_notes(config, clean), *looks.verdicts],
        tables={"curves": _stacked(looks.curves), "examples": examples},
        about={"dataset_hash": clean.content_hash} if about is None else about,
    )


def shortened(scores: np.ndarray) -> np.ndarray:
    """Round to float32 with about three digits: the other digits are noise, and would fill the table."""
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


def _notes(config: MislabelsConfig, clean: Dataset) -> list[str]:
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
