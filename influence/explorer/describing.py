"""What pages say of a result: its method and models in a few words, where it is shown, what it may be compared with."""

from typing import Any

import numpy as np

from influence import datasets
from influence.errors import InfluenceError
from influence.evidence import Evaluated
from influence.explorer.menu import PAGES
from influence.explorer.text import escaped
from influence.explorer.verdicts import judged
from influence.library import Entry
from influence.methods.datamodels.kind import DatamodelsManifest
from influence.methods.tracin.kind import TracInManifest
from influence.methods.unrolled.kind import UnrolledManifest
from influence.results import Interval, Result, ResultManifest


def method(manifest: ResultManifest) -> str:
    """The method in a few words, with what sets its results apart."""
    if isinstance(manifest, DatamodelsManifest):
        return f"datamodels, {manifest.estimator}"
    if isinstance(manifest, TracInManifest):
        return "TracIn, last layer alone" if manifest.is_of_last_layer else "TracIn"
    if isinstance(manifest, UnrolledManifest):
        return "derivatives through training"
    return manifest.method


def capital(text: str) -> str:
    """A text with its first letter large: "TracIn" stays what it is."""
    return text[:1].upper() + text[1:]


def learner(manifest: ResultManifest) -> str:
    """The learner's name, without its settings."""
    return manifest.learner.partition(" (")[0].partition(":")[0]


def models(manifest: ResultManifest) -> str:
    """How many models a result is made of."""
    if isinstance(manifest, DatamodelsManifest):
        return f"{manifest.quality.fitted:,} on {manifest.alpha:.0%}"
    if isinstance(manifest, TracInManifest):
        return f"1, at {len(manifest.checkpoint_epochs)} checkpoints"
    if isinstance(manifest, UnrolledManifest):
        return f"{manifest.trainings}, with weights {manifest.weight:g}"
    return "–"


def has_many_models(manifest: ResultManifest) -> bool:
    """Whether what is said of a target is what many models say."""
    return isinstance(manifest, DatamodelsManifest)


def label(entry: Entry) -> str:
    """A result's name with what tells it from others of its method, for lists: "shipped, 1,100 models"."""
    manifest = entry.manifest
    if isinstance(manifest, DatamodelsManifest):
        return f"{entry.name}, {manifest.quality.fitted:,} models"
    if isinstance(manifest, TracInManifest):
        return f"{entry.name}, {len(manifest.checkpoint_epochs)} checkpoints"
    if isinstance(manifest, UnrolledManifest):
        return f"{entry.name}, {manifest.trainings} trainings"
    return entry.name


def lds(entry: Entry, evaluated: Evaluated) -> Interval | None:
    """The linear datamodeling score of a result; None if it has none."""
    found = judged(entry.manifest, evaluated.lds)
    return None if found is None else found.own


def with_article(noun: str) -> str:
    """A class with its article, in Markdown; a digit has none."""
    if noun.isdecimal():
        return noun
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {escaped(noun)}"


def noun(entry: Entry) -> str:
    """What an example is called."""
    return datasets.facts(entry.dataset).noun


# --- where it is shown ----------------------------------------------------------------------------------------------


def home_of(entry: Entry) -> str:
    """The name of the page that shows a result: what kind of data it is about decides."""
    return home_of_data(entry.dataset)


def home_of_data(name: str) -> str:
    """The name of the page that shows a data set; of tables without coordinates only the evidence is shown."""
    facts = datasets.facts(name)
    if dict(facts.roles).keys() >= {"latitude", "longitude"}:
        return "houses"
    return "images" if facts.classes else "quality"


def page_of(entry: Entry, **choice: int) -> tuple[str, dict[str, str]]:
    """The file of the page that shows a result, and the parameters of a link to it.

    ``choice`` may name a ``target`` or a ``train`` example.
    """
    link = {"data": entry.dataset, "method": entry.method, "result": entry.name}
    if home_of(entry) == "quality":
        return PAGES["quality"].file, link
    if home_of(entry) == "images":
        names = {"target": "image", "train": "train"}
        return PAGES["images"].file, link | {names[name]: str(index) for name, index in choice.items()}
    if "train" in choice:
        link |= {"show": "Self-influence", "ring": str(choice["train"])}
    return PAGES["houses"].file, link | ({"house": str(choice["target"])} if "target" in choice else {})


# --- what may be compared -------------------------------------------------------------------------------------------


def why_not_together(first: Result[Any], second: Result[Any]) -> str | None:
    """Why the rankings of two results can't be compared, in one sentence; None if they can."""
    ours, theirs = first.manifest.dataset, second.manifest.dataset
    if ours != theirs:
        return f"“{first.name}” is about {ours} and “{second.name}” about {theirs}: choose two of one data set."
    if not np.array_equal(np.sort(first.train.index.to_numpy()), np.sort(second.train.index.to_numpy())):
        return (
            f"“{first.name}” ranks {len(first.train):,} training examples of {ours} and “{second.name}” "
            f"{len(second.train):,} others: choose two of the same classes and training size."
        )
    if first.manifest.dataset_hash != second.manifest.dataset_hash:
        return (
            f"“{first.name}” and “{second.name}” were made from different versions of {ours}: compute the older one "
            "again."
        )
    return None


def load_data(entry: Entry) -> datasets.Dataset:
    """The data that a result is about, for looking at some of it.

    Raises
    ------
    InfluenceError
        If they are not on this machine, or are another version than the result's.
    """
    dataset = datasets.mapped(entry.dataset, *entry.manifest.part)
    if dataset.content_hash != entry.manifest.dataset_hash:
        raise InfluenceError(
            f"The result {entry.id} was made from another version of {dataset.name} than the one on this machine: "
            "compute it again."
        )
    return dataset
