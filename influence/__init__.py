"""Which training examples made my model do that? Datamodels and TracIn, with an explorer."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from influence.datasets import Dataset, Split
    from influence.errors import InfluenceError
    from influence.learners.checkpoints import Checkpoint
    from influence.tracin import Examples, Projection, TopK, TracInCP, tracin_ideal

__all__ = [
    "Checkpoint",
    "Dataset",
    "Examples",
    "InfluenceError",
    "Projection",
    "Split",
    "TopK",
    "TracInCP",
    "tracin_ideal",
]

_HOMES = {
    "Dataset": "influence.datasets",
    "Split": "influence.datasets",
    "InfluenceError": "influence.errors",
    "Checkpoint": "influence.learners.checkpoints",
}


def __getattr__(name: str) -> object:
    """Import on first use: the explorer and ``--help`` need no torch, whose import takes seconds."""
    if name not in __all__:
        raise AttributeError(f"module 'influence' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES.get(name, "influence.tracin")), name)
