"""Which training examples made my model do that? Datamodels, TracIn and exact derivatives, with an explorer."""

from typing import TYPE_CHECKING

from influence.deferring import on_first_use

if TYPE_CHECKING:
    from influence.datasets import Dataset, Split
    from influence.errors import InfluenceError
    from influence.learners.toolkit.checkpoints import Checkpoint
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

__getattr__ = on_first_use(
    __name__,
    {
        **dict.fromkeys(__all__, "tracin"),
        **dict.fromkeys(("Dataset", "Split"), "datasets"),
        **dict.fromkeys(("SGD", "Adam"), "unrolled.optimizers"),
        **dict.fromkeys(("Step", "shuffled"), "unrolled.training"),
        "Checkpoint": "learners.toolkit.checkpoints",
        "InfluenceError": "errors",
        "ModuleTraining": "unrolled.modules",
        "Unrolled": "unrolled.scores",
    },
)
