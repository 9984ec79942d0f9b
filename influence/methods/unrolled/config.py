"""The settings of derivatives through training."""

from influence.config import Real, setting
from influence.errors import InfluenceError
from influence.learners.base import Learner
from influence.learners.differentiable import Differentiable
from influence.learners.mlp import Mlp
from influence.learners.recipe import Recipe


class UnrolledConfig(Recipe):
    """Everything that a result follows from."""

    learner: Learner = setting(Mlp(), "How the model is trained; its training must be differentiable.")
    seed: int = setting(
        0,
        "Seed of the initial weights and the order of examples: those of the models of an outcome store with this seed "
        "and common seeds.",
        ge=0,
        lt=2**63,
    )
    weight: Real = setting(
        1.0,
        "Weight of every training example in the training. 1: the model of all examples. 0.5: the centre of random "
        "halves, from where subsets of half of the examples are predicted best.",
        gt=0,
        le=1,
    )
    trainings: int = setting(
        1,
        "Trainings whose derivatives are averaged. With more than one, each has initial weights and an order of its "
        "own, and the result is about the recipe.",
        ge=1,
    )
    whole_steps: bool = setting(
        False,
        "Take as many steps as the training of all examples, whatever the weight: for what happens to that training "
        "where a share of 1 - weight is left out.",
        silent=True,
        form=False,
    )
    k: int = setting(50, "Training examples kept for each target, either way.", ge=1)
    reverse_k: int = setting(20, "Targets kept for each training example, either way.", ge=1, form=False)
    block: int = setting(
        256, "Targets that are followed back together; a finished block survives a stop.", ge=1, form=False
    )

    def expected(self, n_train: int) -> tuple[int, int]:
        """How many of so many examples are expected to count, and from how many the number of steps follows."""
        size = max(round(self.weight * n_train), 1)
        return size, n_train if self.whole_steps else size

    @property
    def differentiable(self) -> Differentiable:
        """The learner; an `InfluenceError` if its training can't be differentiated."""
        if not isinstance(self.learner, Differentiable):
            raise InfluenceError(
                f"The training of the learner {self.learner.name} can't be differentiated: use --learner mlp or "
                "patchnet."
            )
        return self.learner
