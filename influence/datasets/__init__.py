"""The data sets, by name. A new one is a file here with FACTS, is_present, fetch and load, and perhaps pictures."""

import difflib
import importlib
import pkgutil
from dataclasses import replace
from types import ModuleType

import numpy as np

from influence.datasets.base import Dataset, Split
from influence.datasets.facts import Classification, Facts, Group, Regression
from influence.errors import InfluenceError
from influence.progress import Report, silent

__all__ = [
    "NAMES",
    "Classification",
    "Dataset",
    "Facts",
    "Group",
    "Regression",
    "Split",
    "check_name",
    "facts",
    "fetch",
    "is_present",
    "load",
    "mapped",
    "pictures",
]


def _found() -> dict[str, ModuleType]:
    modules = (importlib.import_module(f"{__name__}.{each.name}") for each in pkgutil.iter_modules(__path__))
    members = [module for module in modules if isinstance(getattr(module, "FACTS", None), Facts)]
    return {module.FACTS.name: module for module in sorted(members, key=lambda module: module.FACTS.name)}


_MODULES = _found()
NAMES = tuple(_MODULES)


def _module(name: str) -> ModuleType:
    if name not in _MODULES:
        close = difflib.get_close_matches(name, NAMES, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise InfluenceError(f"There is no data set {name!r}; the data sets are {', '.join(NAMES)}.{hint}")
    return _MODULES[name]


def check_name(name: str) -> None:
    """Raise an `InfluenceError` with a suggestion unless ``name`` is a data set's."""
    _module(name)


def load(name: str, classes: tuple[str, ...] = (), train_size: int | None = None) -> Dataset:
    """The data set called ``name``; an `InfluenceError` says what to do where it is missing or damaged.

    Parameters
    ----------
    name : str
    classes : sequence of str
        Keep the examples of these classes alone, in both parts; none means all. Labels stay what they are.
    train_size : int or None
        Keep the first so many training examples (of those classes), in canonical order.
    """
    module = _module(name)
    return _part(module, module.load(), classes, train_size)


def mapped(name: str, classes: tuple[str, ...] = (), train_size: int | None = None) -> Dataset:
    """Load a data set like `load`, to look at a few examples: inputs stay on disk if the data set has such a copy."""
    module = _module(name)
    return _part(module, getattr(module, "mapped", module.load)(), classes, train_size)


def _part(module: ModuleType, dataset: Dataset, classes: tuple[str, ...], train_size: int | None) -> Dataset:
    name = dataset.name
    if classes:
        known = dataset.classes
        unknown = [each for each in classes if each not in known]
        if unknown:
            close = difflib.get_close_matches(unknown[0], known, n=1)
            hint = f"did you mean {close[0]}? " if close else ""
            raise InfluenceError(
                f"{name} has no class {unknown[0]!r}: {hint}Its classes are "
                f"{', '.join(known) or 'none, it has values'}."
            )
        labels = [known.index(each) for each in classes]
        train, test = (part.take(np.isin(part.labels, labels)) for part in (dataset.train, dataset.test))
        dataset = replace(dataset, train=train, test=test)
    if train_size is not None:
        if not 0 < train_size <= len(dataset.train):
            raise InfluenceError(
                f"train_size is {train_size}, but must lie between 1 and the {len(dataset.train)} training examples "
                f"that {name} has."
            )
        dataset = replace(dataset, train=dataset.train.take(np.arange(train_size)))
    return dataset


def facts(name: str) -> Facts:
    """What a data set says of itself, without loading it."""
    declared: Facts = _module(name).FACTS
    return declared


def pictures(name: str, inputs: np.ndarray) -> np.ndarray:
    """Inputs as pictures: (n, height, width) grey or (n, height, width, 3) uint8, 0 black and 255 white."""
    drawn: np.ndarray = _module(name).pictures(inputs)
    return drawn


def is_present(name: str) -> bool:
    """Whether the files of a data set are on this machine (they are verified when loaded)."""
    present: bool = _module(name).is_present()
    return present


def fetch(name: str, report: Report = silent) -> None:
    """Download a data set unless it is present, and verify it."""
    _module(name).fetch(report)
