"""The settings of the LASSO."""

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from influence.config import Real, setting
from influence.datamodels.estimators.base import Estimator

if TYPE_CHECKING:
    from influence.datamodels.estimators.lasso.path import SparseDatamodel
    from influence.datamodels.priors import Prior


class Lasso(Estimator):
    """L1-penalised least squares; lambda by held-out error, then a refit on all models."""

    name: Literal["lasso"] = "lasso"
    title: ClassVar[str] = "LASSO, as in the datamodels paper (Ilyas et al. 2022)"
    least_models: ClassVar[int] = 10
    is_slow: ClassVar[bool] = True
    lambdas: int = setting(
        50,
        "Number of penalties that are tried, falling geometrically from the smallest one that leaves no weight.",
        ge=1,
    )
    ratio: Real = setting(1e-2, "The last penalty that is tried, over the first.", gt=0, lt=1)
    held_out: Real = setting(0.1, "Share of the models on which the penalty is chosen.", gt=0, lt=1, form=False)
    patience: int = setting(
        3, "A target leaves the path after this many penalties without a smaller held-out error.", ge=1, form=False
    )
    tolerance: Real = setting(
        1e-4,
        "Largest duality gap of the final fit, over the margins' variance; it is scikit-learn's tol.",
        gt=0,
        form=False,
    )
    path_tolerance: Real = setting(
        1e-3,
        "Largest duality gap on the path, where only the held-out error matters, over the margins' variance.",
        gt=0,
        form=False,
    )
    max_iterations: int = setting(
        2000,
        "Most iterations at one penalty; a warning counts the targets that have not converged by then.",
        ge=1,
        form=False,
    )
    seed: int = setting(0, "Seed of the split into fitted and held-out models.", ge=0, lt=2**63, form=False)

    def fit(self, masks: np.ndarray, margins: np.ndarray, prior: "Prior | None" = None) -> "SparseDatamodel":
        """Fit the weights; see `Estimator.fit`."""
        from influence.datamodels.estimators.lasso import path

        return path.fit(self, masks, margins)

    def seconds(self, models: int, targets: int) -> float:
        """Estimate the time of the paths, one for each target."""
        return 2e-5 * models * targets
