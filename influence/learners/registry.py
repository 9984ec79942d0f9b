"""The learners, by name: what a config stored as JSON is turned back into."""

import difflib
from dataclasses import asdict
from typing import Any

from influence.errors import InfluenceError
from influence.learners.base import Learner
from influence.learners.convnet import ConvNet
from influence.learners.mlp import Mlp
from influence.learners.patchnet import PatchNet

_LEARNERS: dict[str, Any] = {learner.name: learner for learner in (ConvNet, Mlp, PatchNet)}
NAMES = tuple(_LEARNERS)


def as_dict(learner: Learner) -> dict[str, Any]:
    """A learner's name and settings, as JSON can hold them."""
    return {"name": learner.name, **asdict(learner)}  # type: ignore[call-overload]


def from_dict(values: dict[str, Any]) -> Learner:
    """The inverse of `as_dict`; an unknown name or setting is an `InfluenceError`."""
    settings = dict(values)
    name = settings.pop("name", None)
    if name not in _LEARNERS:
        close = difflib.get_close_matches(str(name), NAMES, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise InfluenceError(f"There is no learner {name!r}: {hint}The learners are {', '.join(NAMES)}.")
    try:
        learner: Learner = _LEARNERS[name](**settings)
    except TypeError as error:
        raise InfluenceError(f"The learner {name} can't be set up like this ({error}): check its settings.") from error
    return learner
