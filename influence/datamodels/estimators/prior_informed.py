"""Ridge regression with a prior that knows the training examples."""

from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np
import torch
from pydantic import model_validator
from torch import Tensor

from influence.config import Real, setting
from influence.datamodels.estimators.base import BLOCK, centred, check_outcomes
from influence.datamodels.estimators.dual import DualSolver, Penalised, PenalisedDatamodel
from influence.datamodels.priors import Prior
from influence.errors import InfluenceError


@dataclass(frozen=True)
class PriorInformedDatamodel(PenalisedDatamodel):
    """A datamodel whose weights start from a prior mean.

    Attributes
    ----------
    beta_ : float
        Factor of the prior mean.
    mix_ : float
        Factor of the prior's kernel, beside the identity.
    prior_mean_ : (n_targets, n_train) float32 or None
    """

    beta_: float
    mix_: float
    prior_mean_: np.ndarray | None

    def coef(self, targets: np.ndarray | slice) -> np.ndarray:
        weights = super().coef(targets)
        return weights if self.prior_mean_ is None else weights + np.float32(self.beta_) * self.prior_mean_[targets]


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
        "Values of c to choose from; the kernel has mean diagonal 1. With 0 alone and no prior mean, this is ridge.",
    )
    choose_on: int = setting(500, "Number of models on which c is chosen, the first of those that are fitted.", ge=1)

    @model_validator(mode="after")
    def _check_mixes(self) -> Self:
        if not self.mixes or min(self.mixes) < 0:
            raise InfluenceError(f"mixes is {self.mixes}, but must hold at least one number, none of them negative.")
        return self

    def fit(self, masks: np.ndarray, margins: np.ndarray, prior: Prior | None = None) -> PriorInformedDatamodel:
        """Fit the weights, starting from the prior; see `Estimator.fit`."""
        if prior is None:
            raise InfluenceError(f"The estimator {self.name} needs a prior: make one with tangent_prior.")
        check_outcomes(masks, margins)
        prior.check(masks.shape[1], margins.shape[1])
        a, y, mean_a, mean_y = centred(masks, margins, torch.float64)
        rest, beta = y, 0.0
        if prior.mean is not None:
            expected = _predicted(a.to(torch.float32), prior.mean).double()
            beta = float((expected * y).sum() / expected.square().sum())
            rest = y - beta * expected
        variance = y.square().mean(dim=0)
        plain, spread = a @ a.T, prior.times(a.T)
        similar = a @ spread
        mix = self._chosen_mix(plain, similar, rest, variance)
        dual, penalty, error = DualSolver(plain + mix * similar).choose(rest, self.grid, self.choose, variance)
        spread.mul_(mix).add_(a.T)
        at_mean = (mean_a @ spread) @ dual
        if prior.mean is not None:
            at_mean = at_mean + beta * torch.cat(
                [torch.as_tensor(rows, dtype=torch.float64) @ mean_a for rows in _blocks(prior.mean)]
            )
        return PriorInformedDatamodel(
            (mean_y - at_mean).numpy(),
            dual.to(torch.float32).numpy(),
            spread.to(torch.float32),
            penalty,
            error,
            beta,
            mix,
            prior.mean,
        )

    def _chosen_mix(self, plain: Tensor, similar: Tensor, rest: Tensor, variance: Tensor) -> float:
        """Choose c by the leave-one-out error on the first models."""
        if len(self.mixes) == 1:
            return float(self.mixes[0])
        part = slice(0, self.choose_on)
        # Centring the first rows once more takes their own mean out, which the leave-one-out form expects.
        inner = rest[part] - rest[part].mean(dim=0)
        errors = [
            DualSolver(_centre_both(plain[part, part] + mix * similar[part, part]))
            .choose(inner, self.grid, self.choose, variance)[2]
            .mean()
            for mix in self.mixes
        ]
        return float(self.mixes[int(np.argmin(errors))])

    def seconds(self, models: int, targets: int) -> float:
        """Estimate the time of a prior and some eigendecompositions."""
        return 3 + 2e-10 * models**3


def _predicted(masks: Tensor, weights: np.ndarray) -> Tensor:
    return torch.cat([masks @ torch.as_tensor(rows).T for rows in _blocks(weights)], dim=1)


def _blocks(rows: np.ndarray) -> list[np.ndarray]:
    return np.array_split(rows, max(1, len(rows) // BLOCK))


def _centre_both(gram: Tensor) -> Tensor:
    rows = gram.mean(dim=0)
    return gram - rows - rows[:, None] + rows.mean()
