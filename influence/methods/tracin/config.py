"""The settings of TracIn."""

from typing import Literal

from influence.config import Config, setting
from influence.learners.base import Learner
from influence.learners.mlp import Mlp
from influence.learners.recipe import Recipe
from influence.learners.regression import RegressionConfig


class TracInConfig(Config):
    """Everything that a TracIn result follows from."""

    dataset: str = setting("california-housing", "Name of the data set.", argument=True, form=False)
    k: int = setting(50, "Training examples kept for each target, either way.")
    learner: RegressionConfig = setting(RegressionConfig(), "How the model is trained.")
    layers: Literal["all", "last"] = setting(
        "all", "Layers whose gradients count; the last alone is an approximation.", added=True, form=False
    )


class TracInImagesConfig(Recipe):
    """Everything that a TracIn result on images follows from."""

    classes: tuple[str, ...] = setting((), "Only the examples of these classes; none means all.")
    train_size: int | None = setting(None, "Only the first so many training examples.", ge=1)
    learner: Learner = setting(Mlp(), "How the model is trained; it must keep checkpoints.")
    seed: int = setting(0, "Seed of the initial weights and the order of examples.", ge=0, lt=2**63)
    checkpoint_every: int = setting(
        5, "Epochs from one checkpoint to the next; the first is after so many, the last at the end.", ge=1
    )
    k: int = setting(50, "Training examples kept for each target, either way.")
    reverse_k: int = setting(20, "Targets kept for each training example, either way.", ge=1)
