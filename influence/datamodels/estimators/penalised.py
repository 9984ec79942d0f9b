"""The settings of estimators that choose a penalty among several."""

from typing import Literal, Self

import numpy as np
from pydantic import model_validator

from influence.config import Real, setting
from influence.datamodels.estimators.base import Estimator
from influence.errors import InfluenceError

Choice = Literal["overall", "target"]

_PENALTIES = tuple(10.0 ** np.arange(-2, 2.01, 0.25))


class Penalised(Estimator):
    """An estimator whose penalty is chosen by leave-one-out error."""

    choose: Choice = setting(
        "overall",
        "overall: one penalty for all targets, chosen by the mean of their relative errors. target: one for each.",
        label="Penalty",
    )
    penalties: tuple[Real, ...] | None = setting(
        None,
        "Penalties to choose from, relative to the mean diagonal of the Gram matrix; a single one is fixed. Default: "
        "17 values from 0.01 to 100.",
    )

    @model_validator(mode="after")
    def _check_penalties(self) -> Self:
        if self.penalties is not None and not (self.penalties and min(self.penalties) > 0):
            raise InfluenceError(
                f"penalties is {self.penalties}, but must hold at least one number, all of them positive."
            )
        return self

    @property
    def grid(self) -> tuple[Real, ...]:
        """The penalties to choose from."""
        return _PENALTIES if self.penalties is None else self.penalties
