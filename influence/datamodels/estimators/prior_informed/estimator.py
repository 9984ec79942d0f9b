"""The settings of the prior-informed estimator."""

from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
from pydantic import model_validator

from influence.config import Real, setting
from influence.datamodels.estimators.base import check_outcomes
from influence.datamodels.estimators.penalised import Penalised
from influence.errors import InfluenceError

if TYPE_CHECKING:
    from influence.datamodels.estimators.prior_informed.fitting import PriorInformedDatamodel
    from influence.datamodels.priors import Prior


class PriorInformed(Penalised):
    """Bayesian linear regression whose prior says that similar training examples have similar weights.

    The prior of a target's weights is w ~ N(beta tau, s (I + c K)), with tau the prior mean, K a kernel on the training
    examples (see `influence.datamodels.priors`), and noise of one variance. The posterior mean is that of kernel ridge
    regression: beta tau + (I + c K) A' (A (I + c K) A' + penalty I)^-1 (y - beta A tau), one m x m factorisation for
    all targets.

    beta is the least squares fit of the prior mean's predictions, one number for all targets. c is chosen among
    ``mixes`` by leave-one-out error on the first ``choose_on`` models, then the penalty on all of them. Errors are
    relative to the margin's variance, not to the variance of what the prior mean leaves.
    """

    name: Literal["prior-informed"] = "prior-informed"
    title: ClassVar[str] = "ridge regression with a prior that similar training images have similar weights"
    needs_prior: ClassVar[bool] = True
    mixes: tuple[Real, ...] = setting(
        (0.0, 1.0, 10.0, 100.0),
        "Weights c of the prior's kernel to choose from; its mean diagonal is 1. With 0 alone and no prior mean, this "
        "is ridge regression.",
        form=False,
    )
    choose_on: int = setting(
        500, "Number of models on which c is chosen: the first of those that are fitted.", ge=1, form=False
    )

    @model_validator(mode="after")
    def _check_mixes(self) -> Self:
        if not self.mixes or min(self.mixes) < 0:
            raise InfluenceError(f"mixes is {self.mixes}, but must hold at least one number, none of them negative.")
        return self

    def fit(self, masks: np.ndarray, margins: np.ndarray, prior: "Prior | None" = None) -> "PriorInformedDatamodel":
        """Fit the weights, starting from the prior; see `Estimator.fit`."""
        from influence.datamodels.estimators.prior_informed import fitting

        if prior is None:
            raise InfluenceError(f"The estimator {self.name} needs a prior: make one with tangent_prior.")
        check_outcomes(masks, margins)
        return fitting.fit(self, masks, margins, prior)

    def seconds(self, models: int, targets: int) -> float:
        """Estimate the time of a prior and some eigendecompositions."""
        return 3 + 2e-10 * models**3
