"""The config of an outcome store."""

from influence.config import setting
from influence.datamodels.subsets import SubsetConfig
from influence.learners.recipe import Recipe


class OutcomeConfig(Recipe):
    """Everything that a store's models follow from; how many there are is no part of it."""

    subsets: SubsetConfig = setting(SubsetConfig(), "Which examples each model sees.")
