"""The data sets, by name. A new one is a file here with NAME, is_present, fetch and load, and a line below."""

import difflib
from types import ModuleType

from influence.datasets import california_housing, cifar10
from influence.datasets.base import Dataset, Split, data_home
from influence.errors import InfluenceError

__all__ = ["NAMES", "Dataset", "Split", "check_name", "data_home", "fetch", "is_present", "load"]

_MODULES: dict[str, ModuleType] = {module.NAME: module for module in (california_housing, cifar10)}
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


def load(name: str) -> Dataset:
    """The data set called ``name``; an `InfluenceError` says what to do where it is missing or damaged."""
    dataset: Dataset = _module(name).load()
    return dataset


def is_present(name: str) -> bool:
    """Whether the files of a data set are on this machine (they are verified when loaded)."""
    present: bool = _module(name).is_present()
    return present


def fetch(name: str) -> None:
    """Download a data set unless it is present, and verify it."""
    _module(name).fetch()
