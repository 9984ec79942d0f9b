"""The estimator without a least squares problem."""

from typing import ClassVar, Literal

import numpy as np
import torch

from influence.datamodels.estimators.base import Estimator, centred, check_outcomes
from influence.datamodels.estimators.dual import DualDatamodel
from influence.datamodels.priors import Prior


class DifferenceInMeans(Estimator):
    """Mean margin of the models that saw an example, less that of those that did not (Feldman and Zhang 2020)."""

    name: Literal["difference-in-means"] = "difference-in-means"
    title: ClassVar[str] = "difference in means (Feldman and Zhang 2020)"

    def fit(self, masks: np.ndarray, margins: np.ndarray, prior: Prior | None = None) -> DualDatamodel:
        """Compute the differences of means; see `Estimator.fit`."""
        check_outcomes(masks, margins)
        a, y, mean_a, mean_y = centred(masks, margins, torch.float64)
        a /= len(masks) * mean_a * (1 - mean_a)
        intercept = (mean_y - (mean_a @ a.T) @ y).numpy()
        return DualDatamodel(intercept, y.to(torch.float32).numpy(), a.T.to(torch.float32))
