"""The path of `influence.datamodels.estimators.lasso.Lasso`: one penalty after the other, for all targets at once."""

import warnings
from dataclasses import dataclass

import numpy as np
import scipy.sparse
import torch
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from influence.datamodels.estimators.base import LinearDatamodel, check_outcomes
from influence.datamodels.estimators.lasso.estimator import Lasso
from influence.datamodels.estimators.toolkit.centring import centred

_LEAST_CURVATURE = 0.1  # of a step, relative to that along one weight
_RELAXATION = 1.95  # of the step of the greatest descent; at 2, nothing is gained


@dataclass(frozen=True)
class SparseDatamodel(LinearDatamodel):
    """A datamodel with few weights that are not zero.

    Attributes
    ----------
    intercept_ : (n_targets,) float64
    weights_ : scipy.sparse.csr_array (n_targets, n_train) float32
    lambda_ : (n_targets,) float64
    held_out_error_ : (n_targets,) float64
        Mean squared error at lambda_ over the held-out margins' variance.
    """

    intercept_: np.ndarray
    weights_: scipy.sparse.csr_array
    lambda_: np.ndarray
    held_out_error_: np.ndarray

    def coef(self, targets: np.ndarray | slice) -> np.ndarray:
        dense: np.ndarray = self.weights_[targets].toarray()
        return dense


def fit(
    settings: Lasso, masks: np.ndarray, margins: np.ndarray, block: int = 512, dtype: torch.dtype = torch.float32
) -> SparseDatamodel:
    """Fit the weights.

    Parameters
    ----------
    settings : Lasso
    masks, margins
        See `influence.datamodels.estimators.base.Estimator.fit`.
    block : int
        Targets fitted together: what limits the memory.
    dtype : torch.dtype
        float32 is accurate to about 1e-4 of the largest weight.
    """
    check_outcomes(masks, margins, settings.least_models)
    fitted, held_out = split(settings, len(masks))
    check_outcomes(masks[fitted], margins[fitted])
    part, whole = Problem.of(masks[fitted], dtype), Problem.of(masks, dtype)
    test = torch.as_tensor(masks[held_out], dtype=dtype) - part.mean
    blocks, lambdas, errors, intercepts, unfinished = [], [], [], [], 0
    for start in range(0, margins.shape[1], block):
        y = torch.as_tensor(margins[:, start : start + block].T, dtype=dtype).contiguous()
        weights, chosen, error = _path(settings, part, y[:, fitted], test, y[:, held_out])
        targets = whole.targets(y)
        solution = whole.solve(targets, chosen, weights, settings.tolerance, settings.max_iterations)
        unfinished += int((~solution.converged).sum())
        blocks.append(scipy.sparse.csr_array(solution.weights.numpy().astype(np.float32)))
        lambdas.append(chosen.numpy())
        errors.append(error.numpy())
        intercepts.append((targets.mean - solution.weights @ whole.mean).numpy())
    if unfinished:
        warnings.warn(
            f"{unfinished} targets did not converge in {settings.max_iterations} iterations: their weights are "
            "approximate; raise max_iterations or ratio.",
            ConvergenceWarning,
            stacklevel=3,
        )
    intercept, best, held_out_error = (
        np.concatenate(parts).astype(np.float64) for parts in (intercepts, lambdas, errors)
    )
    return SparseDatamodel(intercept, scipy.sparse.vstack(blocks, format="csr"), best, held_out_error)


def split(settings: Lasso, models: int) -> tuple[np.ndarray, np.ndarray]:
    """Split the models' positions into those that the path is fitted on and those on which lambda is chosen."""
    order = np.random.default_rng(settings.seed).permutation(models)
    n_held_out = max(2, round(settings.held_out * models))
    return order[n_held_out:], order[:n_held_out]


def _path(
    settings: Lasso, problem: "Problem", y: Tensor, test: Tensor, y_test: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Walk down the path of lambdas.

    Returns
    -------
    weights : (k, n_train)
        At the lambda of the smallest held-out error.
    lambdas, errors : (k,)
    """
    targets = problem.targets(y)
    y_test = y_test - targets.mean[:, None]
    variance = y_test.var(dim=1, correction=0)
    variance = torch.where(variance > 0, variance, torch.ones_like(variance))

    def error(rows: Tensor, weights: Tensor) -> Tensor:
        return (y_test[rows] - weights @ test.T).square().mean(dim=1) / variance[rows]

    best = torch.zeros_like(targets.right)
    active = torch.arange(len(best))
    best_error = error(active, best)
    best_lambda = targets.largest.clone()
    worse = torch.zeros(len(best), dtype=torch.int64)
    fall = settings.ratio ** (1 / max(settings.lambdas - 1, 1))
    before = now = Solution(best.clone(), best.clone(), torch.ones_like(active, dtype=torch.bool))
    for step in range(1, settings.lambdas):
        remaining = targets[active]
        lam = remaining.largest * fall**step
        # Solutions are piecewise linear in lambda, and lambda falls by `fall` times its last fall.
        weights = now.weights + fall * (now.weights - before.weights)
        product = now.product + fall * (now.product - before.product)
        before = now
        now = problem.solve(remaining, lam, weights, settings.path_tolerance, settings.max_iterations, product)
        errors = error(active, now.weights)
        better = errors < best_error[active]
        improved = active[better]
        best[improved], best_error[improved], best_lambda[improved] = (
            now.weights[better],
            errors[better],
            lam[better],
        )
        worse[active] = torch.where(better, 0, worse[active] + 1)
        stay = worse[active] < settings.patience
        active, before, now = active[stay], before[stay], now[stay]
        if not len(active):
            break
    return best, best_lambda, best_error


@dataclass(frozen=True)
class Solution:
    """Weights (k, n_train), their product with the Gram matrix, and which of the k targets have converged."""

    weights: Tensor
    product: Tensor
    converged: Tensor

    def __getitem__(self, rows: Tensor) -> "Solution":
        return Solution(self.weights[rows], self.product[rows], self.converged[rows])


@dataclass(frozen=True)
class Targets:
    """Statistics of k targets' margins, which are all that the least squares problem needs of them.

    Parameters
    ----------
    mean, variance : (k,)
    right : (k, n_train)
        The centred margins times the masks, over m.
    """

    mean: Tensor
    variance: Tensor
    right: Tensor

    @property
    def largest(self) -> Tensor:
        """The smallest lambda of each target whose solution is zero, (k,)."""
        return self.right.abs().amax(dim=1)

    def __getitem__(self, rows: Tensor) -> "Targets":
        return Targets(self.mean[rows], self.variance[rows], self.right[rows])


@dataclass(frozen=True)
class Problem:
    """The part of the least squares problem that all targets share.

    Parameters
    ----------
    masks : (m, n_train)
        Centred.
    gram : (n_train, n_train) or None
        masks' masks / m, or None where products with the masks themselves are cheaper.
    mean : (n_train,)
    curvature : float
        Mean diagonal of the Gram matrix.
    """

    masks: Tensor
    gram: Tensor | None
    mean: Tensor
    curvature: float

    @classmethod
    def of(cls, masks: np.ndarray, dtype: torch.dtype) -> "Problem":
        centred_masks, _, mean, _ = centred(masks, np.zeros((len(masks), 1)), dtype)
        m, n = centred_masks.shape
        gram = centred_masks.T @ centred_masks / m if n <= 2 * m else None
        return cls(centred_masks, gram, mean, float((mean * (1 - mean)).mean()))

    def targets(self, y: Tensor) -> Targets:
        """Compute the statistics of (k, m) margins."""
        variance, mean = torch.var_mean(y, dim=1, correction=0)
        return Targets(mean, variance, (y - mean[:, None]) @ self.masks / len(self.masks))

    def times(self, weights: Tensor) -> Tensor:
        """Multiply (k, n_train) weights by the Gram matrix."""
        if self.gram is not None:
            return weights @ self.gram
        return (weights @ self.masks.T) @ self.masks / len(self.masks)

    def solve(
        self,
        targets: Targets,
        lam: Tensor,
        weights: Tensor,
        tolerance: float,
        max_iterations: int,
        product: Tensor | None = None,
    ) -> Solution:
        """Solve by proximal gradient descent with steps as long as the last curvature allows (Wright et al. 2009).

        With d a target's proximal step at curvature c, and r = d'Gd / d'd the curvature along it, the objective at
        w + t d, for t of at most 1, is lower than at w by at least t (c - t r / 2) d'd. So t is just below 2 c / r, and
        c = r the next time: no step goes uphill, each takes one product with the Gram matrix, and few are needed, since
        r, unlike the Gram matrix's largest eigenvalue, is about the weights that move. (The t of the greatest descent,
        c / r, needs three times as many: so short a step meets nearly the same curvature again.) Targets that have
        converged drop out of the products.

        Parameters
        ----------
        targets : Targets
            k of them.
        lam : (k,)
        weights : (k, n_train)
            To start from.
        tolerance : float
            Largest duality gap, over the variance.
        max_iterations : int
        product : (k, n_train) or None
            The weights times the Gram matrix, where it is known.
        """
        product = self.times(weights) if product is None else product
        final = Solution(weights.clone(), product.clone(), torch.zeros_like(lam, dtype=torch.bool))
        rows = torch.arange(len(lam))
        curvature = torch.full_like(lam, self.curvature)
        for iteration in range(max_iterations + 1):
            descent = targets.right - product
            done = duality_gap(targets, lam, weights, descent) <= tolerance * targets.variance
            if done.any() or iteration == max_iterations:
                final.weights[rows], final.product[rows], final.converged[rows] = weights, product, done
                rest = ~done
                if iteration == max_iterations or not rest.any():
                    break
                rows, targets, lam, curvature = rows[rest], targets[rest], lam[rest], curvature[rest]
                weights, product, descent = weights[rest], product[rest], descent[rest]
            moved = torch.addcdiv(weights, descent, curvature[:, None])
            threshold = (lam / curvature)[:, None]
            step = moved - moved.clamp(-threshold, threshold) - weights
            change = self.times(step)
            along = (step * change).sum(dim=1) / step.square().sum(dim=1)
            share = (_RELAXATION * curvature / along).clamp(max=1.0)[:, None]
            weights, product = torch.addcmul(weights, step, share), torch.addcmul(product, change, share)
            curvature = along.clamp(min=_LEAST_CURVATURE * self.curvature)
        return final


def duality_gap(targets: Targets, lam: Tensor, weights: Tensor, descent: Tensor) -> Tensor:
    """Bound how far the objective is above its minimum: (k,).

    The residual, shrunk until no entry of masks' residual / m exceeds lambda, is a point of the dual problem.

    Parameters
    ----------
    targets : Targets
    lam : (k,)
    weights : (k, n_train)
    descent : (k, n_train)
        masks' residual / m.
    """
    left = targets.variance - (weights * targets.right).sum(dim=1)  # residual'y / m
    residual = left - (weights * descent).sum(dim=1)  # residual'residual / m
    shrink = (lam / descent.abs().amax(dim=1).clamp(min=torch.finfo(lam.dtype).tiny)).clamp(max=1.0)
    primal = residual / 2 + lam * weights.abs().sum(dim=1)
    dual = shrink * left - shrink.square() * residual / 2
    return primal - dual
