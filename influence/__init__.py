"""Which training examples made my model do that? Datamodels, TracIn and exact derivatives, with an explorer."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from influence.datasets import Dataset, Split
    from influence.errors import InfluenceError
    from influence.learners.checkpoints import Checkpoint
    from influence.tracin import Examples, Projection, TopK, TracInCP, tracin_ideal
    from influence.unrolled.modules import ModuleTraining
    from influence.unrolled.optimizers import SGD, Adam
    from influence.unrolled.scores import Unrolled
    from influence.unrolled.training import Step, shuffled

__all__ = [
    "SGD",
    "Adam",
    "Checkpoint",
    "Dataset",
    "Examples",
    "InfluenceError",
    "ModuleTraining",
    "Projection",
    "Split",
    "Step",
    "TopK",
    "TracInCP",
    "Unrolled",
    "shuffled",
    "tracin_ideal",
]

_HOMES = {
    "Dataset": "influence.datasets",
    "Split": "influence.datasets",
    "InfluenceError": "influence.errors",
    "Checkpoint": "influence.learners.checkpoints",
    "ModuleTraining": "influence.unrolled.modules",
    "SGD": "influence.unrolled.optimizers",
    "Adam": "influence.unrolled.optimizers",
    "Unrolled": "influence.unrolled.scores",
    "Step": "influence.unrolled.training",
    "shuffled": "influence.unrolled.training",
}


def __getattr__(name: str) -> object:
    """Import on first use: the explorer and ``--help`` need no torch, whose import takes seconds."""
    if name not in __all__:
        raise AttributeError(f"module 'influence' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES.get(name, "influence.tracin")), name)
