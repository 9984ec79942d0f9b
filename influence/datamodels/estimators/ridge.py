"""Ridge regression, for all targets and penalties from one eigendecomposition."""

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from influence.datamodels.estimators.base import check_outcomes
from influence.datamodels.estimators.penalised import Penalised

if TYPE_CHECKING:
    from influence.datamodels.estimators.toolkit.dual import PenalisedDatamodel
    from influence.datamodels.priors import Prior


class Ridge(Penalised):
    """Least squares with a penalty on the squared weights, solved in its dual form.

    The cost is one eigendecomposition of m x m for all targets and all penalties, whatever the number of training
    examples. The penalty is chosen by the closed form of the leave-one-out error, which refits the intercept too.
    """

    name: Literal["ridge"] = "ridge"
    title: ClassVar[str] = "ridge regression"

    def fit(self, masks: np.ndarray, margins: np.ndarray, prior: "Prior | None" = None) -> "PenalisedDatamodel":
        """Fit the weights; see `Estimator.fit`."""
        import torch

        from influence.datamodels.estimators.toolkit.centring import centred
        from influence.datamodels.estimators.toolkit.dual import DualSolver, PenalisedDatamodel

        check_outcomes(masks, margins)
        a, y, mean_a, mean_y = centred(masks, margins, torch.float64)
        dual, penalty, error = DualSolver(a @ a.T).choose(y, self.grid, self.choose)
        intercept = (mean_y - (mean_a @ a.T) @ dual).numpy()
        return PenalisedDatamodel(intercept, dual.to(torch.float32).numpy(), a.T.to(torch.float32), penalty, error)

    def seconds(self, models: int, targets: int) -> float:
        """Estimate the time of one eigendecomposition."""
        return 1e-10 * models**3
