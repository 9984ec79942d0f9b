"""The settings of `evaluate scaling`."""

from typing import Self

from pydantic import model_validator

from influence.config import Config, setting
from influence.errors import InfluenceError


class ScalingConfig(Config):
    """What is compared."""

    sizes: tuple[int, ...] = setting(
        (50, 100, 250, 500, 1000, 2000),
        "Numbers of models that are fitted, the first of those that the result's fit saw; numbers that it did not have "
        "are left out.",
    )
    targets: int = setting(1000, "Test examples, drawn at random, over which the score is averaged.", ge=1)
    lasso_targets: int = setting(50, "Test examples for the LASSO, which takes longest; 0 leaves it out.", ge=0)
    feature_models: int = setting(
        4, "Number of models whose features find neighbours; they are trained for this. 0 compares pixels.", ge=0
    )
    bootstrap: int = setting(200, "Bootstrap resamples of the held-out models.", ge=10)
    seed: int = setting(0, "Seed of the drawn targets and of random scores.", ge=0)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.sizes or min(self.sizes) < 2:
            raise InfluenceError(f"sizes is {self.sizes}, but must hold numbers of models, each at least 2.")
        return self
