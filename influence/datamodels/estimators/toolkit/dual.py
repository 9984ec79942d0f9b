"""What estimators with closed forms share: weights in their dual form, and penalties by leave-one-out error."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from influence.config import Real
from influence.datamodels.estimators.base import LinearDatamodel
from influence.datamodels.estimators.penalised import Choice


@dataclass(frozen=True)
class DualDatamodel(LinearDatamodel):
    """Weights that are a matrix for all targets times m numbers for each: nothing of size n_train x n_targets is held.

    Parameters
    ----------
    intercept_ : (n_targets,) float64
    dual_ : (m, n_targets) float32
    spread_ : (n_train, m) float32
    """

    intercept_: np.ndarray
    dual_: np.ndarray
    spread_: Tensor

    def coef(self, targets: np.ndarray | slice) -> np.ndarray:
        weights: np.ndarray = (self.spread_ @ torch.from_numpy(self.dual_[:, targets])).T.numpy()
        return weights


@dataclass(frozen=True)
class PenalisedDatamodel(DualDatamodel):
    """Weights with their penalties.

    Attributes
    ----------
    penalty_ : (n_targets,) float64
        In absolute terms: the problem solved is ||y - b - A w||^2 + penalty ||w||^2.
    loo_error_ : (n_targets,) float64
        Mean squared leave-one-out error, over the margin's variance.
    """

    penalty_: np.ndarray
    loo_error_: np.ndarray


class DualSolver:
    """Solver of (gram + penalty I)^-1 y for many penalties and targets, with leave-one-out errors in closed form.

    The rows of ``gram`` and of ``y`` sum to zero (both are centred), which stands for a free intercept.

    Parameters
    ----------
    gram : (m, m) float64
    """

    def __init__(self, gram: Tensor) -> None:
        self.values, self.vectors = torch.linalg.eigh(gram)
        self.values.clamp_(min=0)
        self.scale = float(self.values.mean())

    def choose(
        self, y: Tensor, penalties: Sequence[Real], choice: Choice, variance: Tensor | None = None
    ) -> tuple[Tensor, np.ndarray, np.ndarray]:
        """Solve at the penalty of the smallest leave-one-out error.

        Parameters
        ----------
        y : (m, n_targets)
        penalties : sequence of float
            Relative to the mean diagonal of the Gram matrix.
        variance : (n_targets,) or None
            What errors are divided by; None is the variance of ``y``.

        Returns
        -------
        dual : (m, n_targets)
        penalty : (n_targets,)
        error : (n_targets,)
        """
        variance = y.square().mean(dim=0) if variance is None else variance
        variance = torch.where(variance > 0, variance, torch.ones_like(variance))
        rotated = self.vectors.T @ y
        absolute = torch.tensor(penalties, dtype=y.dtype) * self.scale
        errors = torch.stack([self._error(rotated, float(penalty)) / variance for penalty in absolute])
        overall = errors.mean(dim=1).argmin().expand(y.shape[1])
        best = overall if choice == "overall" else errors.argmin(dim=0)
        penalty = absolute[best]
        dual = self.vectors @ (rotated / (self.values[:, None] + penalty))
        return dual, penalty.numpy(), errors.gather(0, best[None])[0].numpy()

    def _error(self, rotated: Tensor, penalty: float) -> Tensor:
        """Compute the mean squared leave-one-out error of each target, (n_targets,).

        With H the hat matrix, the error of model i is residual_i / (1 - H_ii), and I - H = penalty (G + penalty)^-1 -
        11'/m: the last part is the intercept's.
        """
        shrink = penalty / (self.values + penalty)
        residual = self.vectors @ (rotated * shrink[:, None])
        free = self.vectors.square() @ shrink - 1 / len(shrink)
        error: Tensor = (residual / free[:, None]).square().mean(dim=0)
        return error
