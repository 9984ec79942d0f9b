"""The fit of `influence.datamodels.estimators.prior_informed.PriorInformed`."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from influence.datamodels.estimators.base import BLOCK
from influence.datamodels.estimators.prior_informed.estimator import PriorInformed
from influence.datamodels.estimators.toolkit.centring import centred
from influence.datamodels.estimators.toolkit.dual import DualSolver, PenalisedDatamodel
from influence.datamodels.priors import Prior


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


def fit(settings: PriorInformed, masks: np.ndarray, margins: np.ndarray, prior: Prior) -> PriorInformedDatamodel:
    """Fit the weights, starting from the prior; see `PriorInformed.fit`."""
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
    mix = _chosen_mix(settings, plain, similar, rest, variance)
    dual, penalty, error = DualSolver(plain + mix * similar).choose(rest, settings.grid, settings.choose, variance)
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


def _chosen_mix(settings: PriorInformed, plain: Tensor, similar: Tensor, rest: Tensor, variance: Tensor) -> float:
    """Choose c by the leave-one-out error on the first models."""
    if len(settings.mixes) == 1:
        return float(settings.mixes[0])
    part = slice(0, settings.choose_on)
    # Centring the first rows once more takes their own mean out, which the leave-one-out form expects.
    inner = rest[part] - rest[part].mean(dim=0)
    errors = [
        DualSolver(_centre_both(plain[part, part] + mix * similar[part, part]))
        .choose(inner, settings.grid, settings.choose, variance)[2]
        .mean()
        for mix in settings.mixes
    ]
    return float(settings.mixes[int(np.argmin(errors))])


def _predicted(masks: Tensor, weights: np.ndarray) -> Tensor:
    return torch.cat([masks @ torch.as_tensor(rows).T for rows in _blocks(weights)], dim=1)


def _blocks(rows: np.ndarray) -> list[np.ndarray]:
    return np.array_split(rows, max(1, len(rows) // BLOCK))


def _centre_both(gram: Tensor) -> Tensor:
    rows = gram.mean(dim=0)
    return gram - rows - rows[:, None] + rows.mean()
