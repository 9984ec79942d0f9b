"""All results there are, of every data set and method: what they are called, where they are shown, how they compare."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from influence import datasets, homes, results
from influence.errors import InfluenceError
from influence.results import SHIPPED, Entry, Result

IMAGES_PAGE, HOUSES_PAGE = "pages/images.py", "pages/houses.py"


@dataclass(frozen=True)
class Listed:
    """A result in the list of all: its manifest has been read, its tables have not.

    Parameters
    ----------
    id : str
        What lists and links call it: ``digits/datamodels-lasso`` of those that ship, else the folder's name.
    entry : Entry
    manifest : dict
    """

    id: str
    entry: Entry
    manifest: dict[str, Any]

    @property
    def dataset(self) -> str:
        return str(self.manifest["dataset"])

    @property
    def has_classes(self) -> bool:
        return "classes" in self.manifest


def every() -> tuple[dict[str, Listed], list[str]]:
    """The results by id, those that ship first, then the newest; and what is wrong with other folders."""
    shipped: list[Listed] = []
    own: list[Listed] = []
    problems = []
    for id_, entry_name, path in _folders():
        try:
            manifest = results.read_manifest(path)
        except InfluenceError as error:
            problems.append(str(error))
            continue
        listed = Listed(id_, Entry(entry_name, path, manifest["created"]), manifest)
        (shipped if listed.entry.is_shipped else own).append(listed)
    own.sort(key=lambda each: each.entry.created, reverse=True)
    return {each.id: each for each in (*shipped, *own)}, problems


def _folders() -> Iterator[tuple[str, str, Path]]:
    """Id, name on the page of the method, and path of what may be a result."""
    home = homes.precomputed_home()
    for manifest in sorted(home.glob("*/*/manifest.json")):
        path = manifest.parent
        yield f"{path.parent.name}/{path.name}", SHIPPED + "".join(path.name.partition("-")[1:]), path
    own = homes.results_home()
    for path in sorted(own.iterdir()) if own.is_dir() else ():
        if path.is_dir() and not path.name.startswith("."):
            yield path.name, path.name, path


def of_dataset(all_results: dict[str, Listed], dataset: str) -> dict[str, Listed]:
    return {id_: listed for id_, listed in all_results.items() if listed.dataset == dataset}


# --- what a result is -----------------------------------------------------------------------------------------------


def method(manifest: dict[str, Any]) -> str:
    """The method in a few words, with what sets its results apart."""
    if manifest["method"] == "datamodels":
        return f"datamodels, {manifest['config']['estimator']}"
    if manifest["method"] == "tracin":
        return "TracIn, last layer alone" if manifest["config"].get("layers") == "last" else "TracIn"
    return str(manifest["method"])


def learner(manifest: dict[str, Any]) -> str:
    """The learner's name, without its settings."""
    name: str = manifest["learner"]
    return name.partition(" (")[0].partition(":")[0]


def models(manifest: dict[str, Any]) -> str:
    """How many models a result is made of."""
    if manifest["method"] == "datamodels":
        return f"{manifest['quality']['fitted']:,} on {manifest['config']['outcomes']['subsets']['alpha']:.0%}"
    if manifest["method"] == "tracin":
        return f"1, at {len(manifest['checkpoint_epochs'])} checkpoints"
    return "–"


# --- where it is shown ----------------------------------------------------------------------------------------------


def page_of(listed: Listed, **choice: int) -> tuple[str, dict[str, str]]:
    """The page that shows a result, and the parameters of a link to it.

    ``choice`` may name a ``target`` or a ``train`` example.
    """
    if listed.has_classes:
        link = {"data": listed.dataset, "method": listed.manifest["method"], "result": listed.entry.name}
        names = {"target": "image", "train": "train"}
        return IMAGES_PAGE, link | {names[name]: str(index) for name, index in choice.items()}
    link = {"result": listed.entry.name}
    if "train" in choice:
        return HOUSES_PAGE, link | {"show": "Self-influence", "ring": str(choice["train"])}
    return HOUSES_PAGE, link | ({"house": str(choice["target"])} if "target" in choice else {})


def noun(listed: Listed) -> str:
    """What an example is called."""
    return datasets.facts(listed.dataset).noun


def typed(path: Path) -> str:
    """A path as it would be typed in the folder where the server runs; a shell may want it quoted."""
    try:
        short = str(path.resolve().relative_to(Path.cwd().resolve()))
    except ValueError:
        return str(path)
    return f"./{short}" if short.startswith("-") else short  # else it would be an option


# --- what may be compared -------------------------------------------------------------------------------------------


def why_not_together(first: Result, second: Result) -> str | None:
    """Why the rankings of two results can't be compared, in one sentence; None if they can."""
    ours, theirs = first.manifest["dataset"], second.manifest["dataset"]
    if ours != theirs:
        return f"“{first.name}” is about {ours} and “{second.name}” about {theirs}: choose two of one data set."
    if not np.array_equal(np.sort(first.train.index.to_numpy()), np.sort(second.train.index.to_numpy())):
        return (
            f"“{first.name}” ranks {len(first.train):,} training examples of {ours} and “{second.name}” "
            f"{len(second.train):,} others: choose two of the same classes and training size."
        )
    if first.manifest["dataset_hash"] != second.manifest["dataset_hash"]:
        return (
            f"“{first.name}” and “{second.name}” were made from different versions of {ours}: compute the older one "
            "again."
        )
    return None


def part_of(manifest: dict[str, Any]) -> tuple[tuple[str, ...], int | None]:
    """The classes (none means all) and the training size of the part of the data set that a result is about."""
    config = manifest["config"].get("outcomes", manifest["config"])
    return tuple(config.get("classes") or ()), config.get("train_size")


def load_data(listed: Listed) -> datasets.Dataset:
    """The data that a result is about, for looking at some of it.

    Raises
    ------
    InfluenceError
        If they are not on this machine, or are another version than the result's.
    """
    dataset = datasets.mapped(listed.dataset, *part_of(listed.manifest))
    if dataset.content_hash != listed.manifest["dataset_hash"]:
        raise InfluenceError(
            f"The result {listed.id} was made from another version of {dataset.name} than the one on this machine: "
            "compute it again."
        )
    return dataset
