"""The estimator without a least squares problem."""

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from influence.datamodels.estimators.base import Estimator, check_outcomes

if TYPE_CHECKING:
    from influence.datamodels.estimators.toolkit.dual import DualDatamodel
    from influence.datamodels.priors import Prior


class DifferenceInMeans(Estimator):
    """Mean margin of the models that saw an example, less that of those that did not (Feldman and Zhang 2020)."""

    name: Literal["difference-in-means"] = "difference-in-means"
    title: ClassVar[str] = "difference in means (Feldman and Zhang 2020)"

    def fit(self, masks: np.ndarray, margins: np.ndarray, prior: "Prior | None" = None) -> "DualDatamodel":
        """Compute the differences of means; see `Estimator.fit`."""
        import torch

        from influence.datamodels.estimators.toolkit.centring import centred
        from influence.datamodels.estimators.toolkit.dual import DualDatamodel

        check_outcomes(masks, margins)
        a, y, mean_a, mean_y = centred(masks, margins, torch.float64)
        a /= len(masks) * mean_a * (1 - mean_a)
        intercept = (mean_y - (mean_a @ a.T) @ y).numpy()
        return DualDatamodel(intercept, y.to(torch.float32).numpy(), a.T.to(torch.float32))
