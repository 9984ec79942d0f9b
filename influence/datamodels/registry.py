"""The estimators, by name, and the settings that each takes: what a config stored as JSON is turned back into."""

import inspect
from collections.abc import Mapping
from typing import Any, get_args, get_type_hints

import numpy as np

from influence.datamodels.estimators import DifferenceInMeans, PriorInformed, Ridge
from influence.datamodels.lasso import Lasso
from influence.datamodels.linear import LinearDatamodel
from influence.datamodels.priors import Prior
from influence.errors import InfluenceError

_ESTIMATORS: dict[str, type[LinearDatamodel]] = {
    "prior-informed": PriorInformed,
    "lasso": Lasso,
    "ridge": Ridge,
    "difference-in-means": DifferenceInMeans,
}
NAMES = tuple(_ESTIMATORS)
_NOT_SETTINGS = ("prior", "block", "dtype")  # what is made by the job, and what only time and memory depend on


def settings(name: str) -> dict[str, Any]:
    """The settings of an estimator, with their default values."""
    parameters = inspect.signature(_estimator(name)).parameters.values()
    return {each.name: each.default for each in parameters if each.name not in _NOT_SETTINGS}


def make(name: str, values: Mapping[str, Any], prior: Prior | None = None) -> LinearDatamodel:
    """An estimator with some settings, not yet fitted.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    values : mapping
        As JSON holds them; settings that are left out have their defaults.
    prior : Prior or None
        Of prior-informed alone.

    Raises
    ------
    InfluenceError
        If there is no such estimator or setting, or a value won't do.
    """
    kinds = get_type_hints(_estimator(name).__init__)
    allowed = settings(name)
    for setting, value in values.items():
        if setting not in allowed:
            has = f"has {', '.join(allowed)}" if allowed else "has none"
            raise InfluenceError(f"The estimator {name} has no setting {setting!r}: it {has}.")
        if not _is_of(value, kinds[setting]):
            raise InfluenceError(f"{setting} of {name} is {value!r}, but must be {_described(kinds[setting])}.")
    arguments = {setting: tuple(value) if isinstance(value, list) else value for setting, value in values.items()}
    if name == "prior-informed":
        arguments["prior"] = prior or _NO_PRIOR
    return _estimator(name)(**arguments)


def check(name: str, values: Mapping[str, Any]) -> None:
    """Raise an `InfluenceError` unless an estimator can be made like this."""
    make(name, values)


_NO_PRIOR = Prior(np.ones((1, 1), dtype=np.float32))


def _estimator(name: str) -> type[LinearDatamodel]:
    if name not in _ESTIMATORS:
        raise InfluenceError(f"estimator is {name!r}, but must be one of {', '.join(NAMES)}.")
    return _ESTIMATORS[name]


def _is_of(value: Any, kind: Any) -> bool:
    """Whether a value read from JSON is of a parameter's type."""
    if type(None) in get_args(kind):  # X | None
        return value is None or _is_of(value, get_args(kind)[0])
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind == tuple[float, ...]:
        return isinstance(value, (list, tuple)) and len(value) > 0 and all(_is_of(each, float) for each in value)
    return value in get_args(kind)


def _described(kind: Any) -> str:
    known = {int: "a whole number", float: "a number", tuple[float, ...]: "a list of numbers"}
    if type(None) in get_args(kind):
        return f"{_described(get_args(kind)[0])}, or null"
    return known.get(kind) or f"one of {', '.join(map(str, get_args(kind)))}"
