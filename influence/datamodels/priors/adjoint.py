"""The derivative of a margin by the presence of each training example, through the training itself.

SGD with momentum is a chain of steps, and the chain rule runs back along it. With theta the weights, v the velocity,
eta_s the rate, mu the momentum, lambda the weight decay and L_s the loss of step s,

    v_s+1 = mu v_s + grad L_s(theta_s) + lambda theta_s,     theta_s+1 = theta_s - eta_s (grad L_s + lambda theta_s +
    mu v_s+1),

the derivatives a of the margin by theta and b by v go back by

    b <- b - eta_s mu a,     c = b - eta_s a,     a <- a + (H_s + lambda) c + share of the average,     b <- mu b,

and an example of step s has the effect c . grad loss. Exactly, every target needs a Hessian product at every step.
Here the weights are taken as constant during an epoch, as in "Training data attribution via approximate unrolled
differentiation" (Bae et al. 2024): H is the epoch's Gauss-Newton matrix, in whose eigenbasis the recursion is one of
scalars. All vectors are sketches (see `sketches`). An example is taken as it was augmented in that epoch, which
matters: the mirrored picture is another picture.
"""

import torch
from torch import Tensor

from influence.learners.unrollable import LastEpochs

_BLOCK = 500  # targets at once


class Adjoint:
    """The derivatives a and b, on their way back through a training.

    Parameters
    ----------
    unrolled : LastEpochs
    margins : (n_targets, d)
        Gradients of the targets' margins at the final weights.
    """

    def __init__(self, unrolled: LastEpochs, margins: Tensor) -> None:
        self.unrolled = unrolled
        # a and b, at first zero, and what a gains from each averaged step; in the basis of the last curvature.
        self._parts = torch.zeros(3, *margins.shape, dtype=margins.dtype)
        self._parts[2] = margins
        self._basis: Tensor | None = None

    def back(self, start: int, stop: int, curvature: Tensor) -> Tensor:
        """Go back through steps stop - 1 to start, which are next, under one (d, d) curvature.

        Returns
        -------
        (n_targets, d)
            The mean of c over these steps, divided as their losses are: an example that was in one of them has this
            times its loss gradient as its effect.
        """
        values, vectors = torch.linalg.eigh(curvature)
        turn = vectors if self._basis is None else self._basis.T @ vectors
        outside = vectors.T / self.unrolled.divisor
        is_averaging = stop > len(self.unrolled.rates) - self.unrolled.averaged
        used = slice(2 if self._basis is None else 0, 3 if is_averaging else 2)  # what is not zero, or not needed
        factors = _recursion(self.unrolled, start, stop, values)[:, used, None]
        directions = torch.empty_like(self._parts[0])
        for first in range(0, len(directions), _BLOCK):
            block = slice(first, first + _BLOCK)
            self._parts[used, block] = inside = self._parts[used, block] @ turn
            self._parts[0, block], self._parts[1, block], mean = (factors * inside).sum(dim=1)
            directions[block] = mean @ outside
        self._basis = vectors
        return directions


def _recursion(unrolled: LastEpochs, start: int, stop: int, values: Tensor) -> Tensor:
    """Express a, b and the mean of c by a and b before and the margins: factors (3, 3, d) for (d,) curvatures."""
    a, b, total = torch.zeros(3, 3, len(values), dtype=values.dtype)
    a[0], b[1] = 1, 1
    if stop == len(unrolled.rates):
        a[2] = 1 / unrolled.averaged
    first_averaged = len(unrolled.rates) - unrolled.averaged
    for step in range(stop - 1, start - 1, -1):
        rate = float(unrolled.rates[step])
        b = b - rate * unrolled.momentum * a
        c = b - rate * a
        total = total + c
        a = a + (values + unrolled.weight_decay) * c
        if step > first_averaged:  # the weights that this step starts from are among those averaged
            a[2] += 1 / unrolled.averaged
        b = unrolled.momentum * b
    return torch.stack([a, b, total / (stop - start)])
