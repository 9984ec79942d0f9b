"""The LASSO of the datamodels paper (Ilyas et al. 2022, section 3): sparse weights, for all targets at once.

For each target, 1/(2m) ||y - b - A w||^2 + lambda ||w||_1, scikit-learn's objective, in the original units: masks are
0 or 1, weights are in units of the margin. All targets share the masks, and so the Gram matrix A'A / m: an iteration
of accelerated proximal gradient descent is one product of matrices for all of them, and each target walks down its own
path of lambdas, starts each from the solution of the one before, and leaves when its held-out error has risen.
"""

import warnings
from dataclasses import dataclass
from typing import Self

import numpy as np
import scipy.sparse
import torch
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from influence.datamodels.linear import LinearDatamodel, centred, check_outcomes
from influence.errors import InfluenceError

LEAST_MODELS = 10
_CHECK_EVERY = 10  # iterations from one look at the optimality conditions to the next


class Lasso(LinearDatamodel):
    """L1-penalised least squares; lambda by held-out error, then a refit on all models.

    Parameters
    ----------
    lambdas : int
        Length of the path, which falls geometrically from the smallest lambda whose solution is zero.
    ratio : float
        Last lambda over first, in (0, 1).
    held_out : float
        Share of the models on which lambda is chosen, in (0, 1).
    patience : int
        A target leaves the path after so many lambdas without a smaller held-out error.
    tolerance : float
        Of the final fit: how far the optimality conditions may be violated, relative to the target's first lambda.
    path_tolerance : float
        Likewise on the path, where only the held-out error counts.
    max_iterations : int
        A lambda. Targets that have not converged by then are counted in a `ConvergenceWarning`.
    block : int
        Targets fitted together: what limits the memory.
    seed : int
        Of the split.
    dtype : torch.dtype
        float32 is accurate to about 1e-4 of the largest weight.

    Attributes
    ----------
    weights_ : scipy.sparse.csr_array (n_targets, n_train) float32
    lambda_ : (n_targets,) float64
    held_out_error_ : (n_targets,) float64
        Mean squared error at lambda_ over the held-out margins' variance.
    """

    def __init__(
        self,
        lambdas: int = 50,
        ratio: float = 1e-2,
        held_out: float = 0.1,
        patience: int = 3,
        tolerance: float = 1e-4,
        path_tolerance: float = 2e-3,
        max_iterations: int = 2000,
        block: int = 512,
        seed: int = 0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        for name, value in (("ratio", ratio), ("held_out", held_out)):
            if not 0 < value < 1:
                raise InfluenceError(f"{name} is {value}, but must lie strictly between 0 and 1.")
        for name, count in (("lambdas", lambdas), ("patience", patience), ("block", block)):
            if count < 1:
                raise InfluenceError(f"{name} is {count}, but must be at least 1.")
        self.lambdas, self.ratio, self.held_out, self.patience = lambdas, ratio, held_out, patience
        self.tolerance, self.path_tolerance, self.max_iterations = tolerance, path_tolerance, max_iterations
        self.block, self.seed, self.dtype = block, seed, dtype

    def fit(self, masks: np.ndarray, margins: np.ndarray) -> Self:
        check_outcomes(masks, margins, LEAST_MODELS)
        order = np.random.default_rng(self.seed).permutation(len(masks))
        n_held_out = max(2, round(self.held_out * len(masks)))
        fitted, held_out = order[n_held_out:], order[:n_held_out]
        check_outcomes(masks[fitted], margins[fitted])
        part, whole = Problem.of(masks[fitted], self.dtype), Problem.of(masks, self.dtype)
        test = torch.as_tensor(masks[held_out], dtype=self.dtype) - part.mean
        blocks, lambdas, errors, intercepts, unfinished = [], [], [], [], 0
        for start in range(0, margins.shape[1], self.block):
            y = torch.as_tensor(margins[:, start : start + self.block], dtype=self.dtype)
            weights, chosen, error = self._path(part, y[fitted], test, y[held_out])
            mean = y.mean(dim=0)
            solution = whole.solve(whole.correlate(y - mean), chosen, weights, self.tolerance, self.max_iterations)
            unfinished += int((~solution.converged).sum())
            blocks.append(scipy.sparse.csr_array(solution.weights.T.numpy().astype(np.float32)))
            lambdas.append(chosen.numpy())
            errors.append(error.numpy())
            intercepts.append((mean - whole.mean @ solution.weights).numpy())
        if unfinished:
            warnings.warn(
                f"{unfinished} targets did not converge in {self.max_iterations} iterations: their weights are "
                "approximate; raise max_iterations or ratio.",
                ConvergenceWarning,
                stacklevel=2,
            )
        self.weights_ = scipy.sparse.vstack(blocks, format="csr")
        self.lambda_, self.held_out_error_, self.intercept_ = (
            np.concatenate(parts).astype(np.float64) for parts in (lambdas, errors, intercepts)
        )
        return self

    def coef(self, targets: np.ndarray | slice) -> np.ndarray:
        dense: np.ndarray = self.weights_[targets].toarray()
        return dense

    def _path(self, problem: "Problem", y: Tensor, test: Tensor, y_test: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Walk down the path.

        Returns
        -------
        weights : (n_train, k)
            At the lambda of the smallest held-out error.
        lambdas, errors : (k,)
        """
        mean = y.mean(dim=0)
        right = problem.correlate(y - mean)
        largest = right.abs().amax(dim=0)
        variance = (y_test - y_test.mean(dim=0)).square().mean(dim=0)
        variance = torch.where(variance > 0, variance, torch.ones_like(variance))

        def error(columns: Tensor, weights: Tensor) -> Tensor:
            return (y_test[:, columns] - mean[columns] - test @ weights).square().mean(dim=0) / variance[columns]

        best = torch.zeros_like(right)
        active = torch.arange(right.shape[1])
        best_error = error(active, best)
        best_lambda = largest.clone()
        worse = torch.zeros(right.shape[1], dtype=torch.int64)
        weights = best.clone()
        for step in range(1, self.lambdas):
            lam = largest[active] * self.ratio ** (step / (self.lambdas - 1))
            weights = problem.solve(right[:, active], lam, weights, self.path_tolerance, self.max_iterations).weights
            errors = error(active, weights)
            better = errors < best_error[active]
            improved = active[better]
            best[:, improved], best_error[improved], best_lambda[improved] = (
                weights[:, better],
                errors[better],
                lam[better],
            )
            worse[active] = torch.where(better, 0, worse[active] + 1)
            stay = worse[active] < self.patience
            active, weights = active[stay], weights[:, stay]
            if not len(active):
                break
        return best, best_lambda, best_error


@dataclass(frozen=True)
class Solution:
    """Weights (n_train, k), and which of the k targets fulfil the optimality conditions."""

    weights: Tensor
    converged: Tensor


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
    lipschitz : float
        The largest eigenvalue of the Gram matrix.
    """

    masks: Tensor
    gram: Tensor | None
    mean: Tensor
    lipschitz: float

    @classmethod
    def of(cls, masks: np.ndarray, dtype: torch.dtype) -> "Problem":
        centred_masks, _, mean, _ = centred(masks, np.zeros((len(masks), 1)), dtype)
        m, n = centred_masks.shape
        gram = centred_masks.T @ centred_masks / m if n <= 2 * m else None
        # The largest eigenvalue, by powers; centring makes the first one stand out little, so add a margin.
        vector = torch.from_numpy(np.random.default_rng(0).standard_normal(n)).to(dtype)
        size = 0.0
        for _ in range(100):
            vector = centred_masks.T @ (centred_masks @ (vector / vector.norm())) / m
            size = float(vector.norm())
        return cls(centred_masks, gram, mean, 1.05 * size)

    def correlate(self, y: Tensor) -> Tensor:
        """masks' y / m: (n_train, k)"""
        return self.masks.T @ y / len(self.masks)

    def times(self, weights: Tensor) -> Tensor:
        """The Gram matrix times (n_train, k)."""
        if self.gram is not None:
            return self.gram @ weights
        return self.masks.T @ (self.masks @ weights) / len(self.masks)

    def solve(self, right: Tensor, lam: Tensor, start: Tensor, tolerance: float, max_iterations: int) -> Solution:
        """Accelerated proximal gradient descent (Beck and Teboulle 2009), restarted target by target where the
        momentum points uphill (O'Donoghue and Candes 2015). Targets that have converged drop out of the products.

        Parameters
        ----------
        right : (n_train, k)
            From `correlate`.
        lam : (k,)
        start : (n_train, k)
        tolerance : float
            Of the optimality conditions, relative to each target's largest entry of ``right``.
        max_iterations : int
        """
        result = start.clone()
        converged = torch.zeros(right.shape[1], dtype=torch.bool)
        scale = right.abs().amax(dim=0)
        columns = torch.arange(right.shape[1])
        weights = point = start
        momentum = torch.ones_like(lam)
        for iteration in range(max_iterations + 1):
            if iteration % _CHECK_EVERY == 0:
                violation = self._violation(weights, right, lam)
                done = violation <= tolerance * scale
                result[:, columns] = weights
                converged[columns[done]] = True
                if done.all() or iteration == max_iterations:
                    break
                if done.any():
                    rest = ~done
                    columns, weights, point, right = (
                        columns[rest],
                        weights[:, rest],
                        point[:, rest],
                        right[:, rest],
                    )
                    lam, scale, momentum = lam[rest], scale[rest], momentum[rest]
            moved = point - (self.times(point) - right) / self.lipschitz
            threshold = lam / self.lipschitz
            following = torch.nn.functional.relu(moved - threshold) - torch.nn.functional.relu(-moved - threshold)
            step = following - weights
            uphill = ((point - following) * step).sum(dim=0) > 0
            momentum = torch.where(uphill, 1.0, momentum)
            larger = (1 + (1 + 4 * momentum.square()).sqrt()) / 2
            point = torch.addcmul(following, step, (momentum - 1) / larger)
            momentum, weights = larger, following
        return Solution(result, converged)

    def _violation(self, weights: Tensor, right: Tensor, lam: Tensor) -> Tensor:
        """(k,): the largest distance of zero from the subdifferential."""
        gradient = self.times(weights) - right
        at_zero = (gradient.abs() - lam).clamp_(min=0)
        elsewhere = (gradient + lam * weights.sign()).abs()
        return torch.where(weights == 0, at_zero, elsewhere).amax(dim=0)
