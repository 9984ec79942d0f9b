"""Datamodels with closed forms: difference in means, ridge, and ridge with a prior that knows the training examples.

scikit-learn's conventions: ``fit(masks, margins)``, ``coef_``, ``intercept_``, ``predict``. The LASSO of the paper is
in `influence.datamodels.lasso`.
"""

from typing import Literal, Self, get_args

import numpy as np
import torch
from torch import Tensor

from influence.datamodels.linear import BLOCK, LinearDatamodel, centred, check_outcomes
from influence.datamodels.priors import Prior
from influence.errors import InfluenceError

Choice = Literal["overall", "target"]


class _Dual(LinearDatamodel):
    """Weights that are a fixed matrix times the centred masks times m numbers a target: nothing of size n_train x
    n_targets is held."""

    dual_: np.ndarray  # (m, n_targets) float32
    _spread: Tensor  # (n_train, m) float32

    def coef(self, targets: np.ndarray | slice) -> np.ndarray:
        weights: np.ndarray = (self._spread @ torch.from_numpy(self.dual_[:, targets])).T.numpy()
        return weights


class DifferenceInMeans(_Dual):
    """Mean margin of the models that saw an example, less that of those that did not (Feldman and Zhang 2020)."""

    def fit(self, masks: np.ndarray, margins: np.ndarray) -> Self:
        check_outcomes(masks, margins)
        a, y, mean_a, mean_y = centred(masks, margins, torch.float64)
        a /= len(masks) * mean_a * (1 - mean_a)
        self.dual_ = y.to(torch.float32).numpy()
        self._spread = a.T.to(torch.float32)
        self.intercept_ = (mean_y - (mean_a @ a.T) @ y).numpy()
        return self


class Ridge(_Dual):
    """Least squares with a penalty on the squared weights, solved in its dual form.

    The cost is one eigendecomposition of m x m for all targets and all penalties, whatever the number of training
    examples. The penalty is chosen by the closed form of the leave-one-out error, which refits the intercept too.

    Parameters
    ----------
    choose : "overall" or "target"
        One penalty for all targets (the mean of the relative errors decides), or one for each.
    penalties : sequence of float
        To choose from, relative to the mean diagonal of the m x m Gram matrix; a single one is fixed.

    Attributes
    ----------
    penalty_ : (n_targets,) float64
        In absolute terms: the problem solved is ||y - b - A w||^2 + penalty ||w||^2.
    loo_error_ : (n_targets,) float64
        Mean squared leave-one-out error, over the margin's variance.
    """

    def __init__(self, choose: Choice = "overall", penalties: tuple[float, ...] | None = None) -> None:
        self.choose = _checked(choose)
        self.penalties = _checked_penalties(penalties)

    def fit(self, masks: np.ndarray, margins: np.ndarray) -> Self:
        check_outcomes(masks, margins)
        a, y, mean_a, mean_y = centred(masks, margins, torch.float64)
        gram = a @ a.T
        solver = DualSolver(gram)
        dual, self.penalty_, self.loo_error_ = solver.choose(y, self.penalties, self.choose)
        self.dual_ = dual.to(torch.float32).numpy()
        self._spread = a.T.to(torch.float32)
        self.intercept_ = (mean_y - (mean_a @ a.T) @ dual).numpy()
        return self


class PriorInformed(_Dual):
    """Bayesian linear regression whose prior says that similar training examples have similar weights.

    The prior of a target's weights is w ~ N(beta tau, s (I + c K)), with tau a first guess, K a kernel on the training
    examples (see `influence.datamodels.priors`), and noise of one variance. The posterior mean is that of kernel ridge
    regression: beta tau + (I + c K) A' (A (I + c K) A' + penalty I)^-1 (y - beta A tau), one m x m factorisation for
    all targets.

    beta is the least squares fit of the guess's predictions, one number for all targets. c is chosen among
    ``mixes`` by leave-one-out error on the first ``choose_on`` models, then the penalty on all of them.

    Parameters
    ----------
    prior : Prior
    choose : "overall" or "target"
        Whether the penalty is chosen for all targets together or for each.
    mixes : sequence of float
        Values of c to choose from; the kernel has mean diagonal 1. With 0 alone and no guess, this is `Ridge`.
    penalties : sequence of float
        As for `Ridge`.
    choose_on : int

    Attributes
    ----------
    beta_, mix_ : float
    penalty_, loo_error_ : (n_targets,) float64
        As for `Ridge`; the error is relative to the margin's variance, not that of what the guess leaves.
    """

    def __init__(
        self,
        prior: Prior,
        choose: Choice = "overall",
        mixes: tuple[float, ...] = (0.0, 1.0, 10.0, 100.0),
        penalties: tuple[float, ...] | None = None,
        choose_on: int = 500,
    ) -> None:
        if not mixes or min(mixes) < 0:
            raise InfluenceError(f"mixes is {mixes}, but must hold at least one number, none of them negative.")
        self.prior = prior
        self.choose = _checked(choose)
        self.mixes = mixes
        self.penalties = _checked_penalties(penalties)
        self.choose_on = choose_on

    def fit(self, masks: np.ndarray, margins: np.ndarray) -> Self:
        check_outcomes(masks, margins)
        self.prior.check(masks.shape[1], margins.shape[1])
        a, y, mean_a, mean_y = centred(masks, margins, torch.float64)
        if self.prior.guess is None:
            self._guess, rest, self.beta_ = None, y, 0.0
        else:
            self._guess = self.prior.guess
            guessed = _predicted(a.to(torch.float32), self._guess).double()
            self.beta_ = float((guessed * y).sum() / guessed.square().sum())
            rest = y - self.beta_ * guessed
        variance = y.square().mean(dim=0)
        plain, spread = a @ a.T, self.prior.times(a.T)
        similar = a @ spread
        self.mix_ = self.mixes[0]
        if len(self.mixes) > 1:
            part = slice(0, self.choose_on)
            # Centring the first rows once more takes their own mean out, which the leave-one-out form expects.
            inner = rest[part] - rest[part].mean(dim=0)
            errors = [
                DualSolver(_centre_both(plain[part, part] + mix * similar[part, part]))
                .choose(inner, self.penalties, self.choose, variance)[2]
                .mean()
                for mix in self.mixes
            ]
            self.mix_ = self.mixes[int(np.argmin(errors))]
        solver = DualSolver(plain + self.mix_ * similar)
        dual, self.penalty_, self.loo_error_ = solver.choose(rest, self.penalties, self.choose, variance)
        self.dual_ = dual.to(torch.float32).numpy()
        spread.mul_(self.mix_).add_(a.T)
        self._spread = spread.to(torch.float32)
        at_mean = (mean_a @ spread) @ dual
        if self._guess is not None:
            at_mean = at_mean + self.beta_ * torch.cat(
                [torch.as_tensor(rows, dtype=torch.float64) @ mean_a for rows in _blocks(self._guess)]
            )
        self.intercept_ = (mean_y - at_mean).numpy()
        return self

    def coef(self, targets: np.ndarray | slice) -> np.ndarray:
        weights = super().coef(targets)
        return weights if self._guess is None else weights + np.float32(self.beta_) * self._guess[targets]


class DualSolver:
    """(gram + penalty I)^-1 y for many penalties and targets, with leave-one-out errors in closed form.

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
        self, y: Tensor, penalties: tuple[float, ...], choice: Choice, variance: Tensor | None = None
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
        """(n_targets,): mean squared leave-one-out error.

        With H the hat matrix, the error of model i is residual_i / (1 - H_ii), and I - H = penalty (G + penalty)^-1 -
        11'/m: the last part is the intercept's.
        """
        shrink = penalty / (self.values + penalty)
        residual = self.vectors @ (rotated * shrink[:, None])
        free = self.vectors.square() @ shrink - 1 / len(shrink)
        error: Tensor = (residual / free[:, None]).square().mean(dim=0)
        return error


def _predicted(masks: Tensor, weights: np.ndarray) -> Tensor:
    return torch.cat([masks @ torch.as_tensor(rows).T for rows in _blocks(weights)], dim=1)


def _blocks(rows: np.ndarray) -> list[np.ndarray]:
    return np.array_split(rows, max(1, len(rows) // BLOCK))


def _centre_both(gram: Tensor) -> Tensor:
    rows = gram.mean(dim=0)
    return gram - rows - rows[:, None] + rows.mean()


def _checked(choose: Choice) -> Choice:
    if choose not in get_args(Choice):
        raise InfluenceError(f"choose is {choose!r}, but must be one of {', '.join(get_args(Choice))}.")
    return choose


def _checked_penalties(penalties: tuple[float, ...] | None) -> tuple[float, ...]:
    if penalties is None:
        return tuple(10.0 ** np.arange(-2, 2.01, 0.25))
    if not (penalties and min(penalties) > 0):
        raise InfluenceError(f"penalties is {penalties}, but must hold at least one number, all of them positive.")
    return penalties
