"""The settings of datamodels."""

from typing import Any, Self

from pydantic import model_validator

from influence.config import Config, setting
from influence.datamodels.estimators.base import ESTIMATORS, Estimator
from influence.datamodels.outcomes.config import OutcomeConfig
from influence.errors import InfluenceError
from influence.measures.lds import LEAST_MODELS as LEAST_HELD_OUT
from influence.settings import defaults_in_words


class DatamodelsConfig(Config):
    """Everything that a result follows from; where outcomes are stored is no part of it."""

    outcomes: OutcomeConfig = setting(OutcomeConfig(), "How the models are trained.")
    models: int = setting(1000, "Models that are fitted.", ge=2)
    held_out: int = setting(512, "Models that are never fitted; they judge the fit.", ge=LEAST_HELD_OUT)
    estimator: str = setting(
        "prior-informed", f"How weights are fitted to the outcomes: one of {', '.join(ESTIMATORS)}.", form=False
    )
    prior_models: int = setting(
        16,
        "Models whose gradients make the prior of the prior-informed estimator; they are among the fitted models.",
        ge=1,
    )
    ceiling: bool = setting(
        True, "Train the held-out subsets a second time, which shows how much of a margin is chance.", form=False
    )
    k: int = setting(50, "Training examples kept for each target, in either direction.", form=False)
    reverse_k: int = setting(20, "Targets kept for each training example, in either direction.", ge=1, form=False)
    settings: dict[str, Any] = setting(
        {},
        f"A setting of the estimator; repeatable. By default {defaults_in_words(ESTIMATORS)}",
        added=True,
        option="--estimator-setting",
        form=False,
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        least = self.fitted_by.least_models
        if self.models < least:
            raise InfluenceError(
                f"models is {self.models}, but must be at least {least}, which {self.estimator} needs to be fitted."
            )
        return self

    @property
    def fitted_by(self) -> Estimator:
        """The estimator with its settings."""
        return ESTIMATORS[self.estimator](**self.settings)
