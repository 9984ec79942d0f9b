"""The config of an outcome store."""

from functools import lru_cache

from influence import datasets
from influence.config import Config, setting
from influence.datamodels.subsets import SubsetConfig
from influence.datasets import Dataset
from influence.learners.base import Learner, prepared
from influence.learners.mlp import Mlp


class OutcomeConfig(Config):
    """Everything that a store's models follow from; how many there are is no part of it."""

    dataset: str = setting("digits", "Name of the data set.", argument=True, form=False)
    classes: tuple[str, ...] = setting((), "Only the examples of these classes; none means all.", form=False)
    train_size: int | None = setting(None, "Only the first so many training examples.", ge=1, form=False)
    learner: Learner = setting(Mlp(), "How models are trained.", form=False)
    subsets: SubsetConfig = setting(SubsetConfig(), "Which examples each model sees.")

    def load(self) -> Dataset:
        """Load the data set, once a process, with its training part as the learner prepares it."""
        return _load(self.dataset, self.classes, self.train_size, self.learner)


@lru_cache(maxsize=1)
def _load(name: str, classes: tuple[str, ...], train_size: int | None, learner: Learner) -> Dataset:
    return prepared(datasets.load(name, classes, train_size), learner)
