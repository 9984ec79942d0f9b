"""The recipe of a model: what it is trained on, and how. It is the base of every training config."""

from functools import lru_cache

from influence import datasets
from influence.config import Config, setting
from influence.datasets import Dataset
from influence.learners.base import Learner, prepared
from influence.learners.mlp import Mlp


class Recipe(Config):
    """A part of a data set and a learner; with a subset and a seed, a model follows from them."""

    dataset: str = setting("digits", "Name of the data set.", argument=True, form=False)
    classes: tuple[str, ...] = setting((), "Only the examples of these classes; none means all.", form=False)
    train_size: int | None = setting(None, "Number of training examples to keep. Default: all.", ge=1, form=False)
    learner: Learner = setting(Mlp(), "How models are trained.", form=False)

    def load(self) -> Dataset:
        """Load the data set, once a process, with its training part as the learner prepares it."""
        return _load(self.dataset, self.classes, self.train_size, self.learner)


@lru_cache(maxsize=1)
def _load(name: str, classes: tuple[str, ...], train_size: int | None, learner: Learner) -> Dataset:
    return prepared(datasets.load(name, classes, train_size), learner)
