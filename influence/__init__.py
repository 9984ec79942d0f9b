"""Which training examples made my model do that? Datamodels and TracIn, with an explorer."""

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
