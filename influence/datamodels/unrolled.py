"""The derivative of a margin by the presence of each training example, through the training itself.

SGD with momentum is a chain of steps, and the chain rule runs back along it. With theta the weights, v the velocity,
eta_s the rate, mu the momentum, lambda the weight decay and L_s the loss of step s,

    v_s+1 = mu v_s + grad L_s(theta_s) + lambda theta_s,     theta_s+1 = theta_s - eta_s (grad L_s + lambda theta_s +
    mu v_s+1),

the derivatives a of the margin by theta and b by v go back by

    b <- b - eta_s mu a,     c = b - eta_s a,     a <- a + (H_s + lambda) c + share of the average,     b <- mu b,

and an example of step s has the effect c . grad loss. Exactly, every target needs a Hessian product at every step.
Here the weights stand still for an epoch, as in "Training data attribution via approximate unrolled differentiation"
(Bae et al. 2024): H is the epoch's Gauss-Newton matrix, in whose eigenbasis the recursion is one of scalars. It is done
in the space of a sketch (see `influence.datamodels.sketches`). An example is taken as it was augmented in that epoch,
which matters: the mirrored picture is another picture.
"""

import torch
from torch import Tensor

from influence.learners.unrollable import Unrolled


class Adjoint:
    """The derivatives a and b, on their way back through a training.

    Parameters
    ----------
    unrolled : Unrolled
    margins : (n_targets, d)
        Gradients of the targets' margins at the final weights.
    """

    def __init__(self, unrolled: Unrolled, margins: Tensor) -> None:
        self.unrolled, self.margins = unrolled, margins
        self.a: Tensor = margins / unrolled.averaged
        self.b: Tensor | None = None  # zero

    def back(self, start: int, stop: int, curvature: Tensor, last: bool = False) -> Tensor:
        """Go back through steps stop - 1 to start, which are next, under one (d, d) curvature.

        After the ``last`` call there is no other: what it would start from is not worked out.

        Returns
        -------
        (n_targets, d)
            The mean of c over these steps, divided as their losses are: an example that was in one of them has this
            times its loss gradient as its effect.
        """
        values, vectors = torch.linalg.eigh(curvature)
        averaging = stop > len(self.unrolled.rates) - self.unrolled.averaged
        parts = [self.a, self.b, self.margins if averaging else None]
        inside = [None if part is None else part @ vectors for part in parts]

        def outside(factors: Tensor) -> Tensor:
            terms = [part * factor for part, factor in zip(inside, factors, strict=True) if part is not None]
            together: Tensor = torch.stack(terms).sum(dim=0) @ vectors.T
            return together

        a, b, mean = _recursion(self.unrolled, start, stop, values)
        if not last:
            self.a, self.b = outside(a), outside(b)
        return outside(mean) / self.unrolled.divisor


def _recursion(unrolled: Unrolled, start: int, stop: int, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What a, b and the mean of c are for (d,) curvatures, as (3, d) factors of a and b before and of the margins'."""
    a, b, total = torch.zeros(3, 3, len(values), dtype=values.dtype)
    a[0], b[1] = 1, 1
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
    return a, b, total / (stop - start)
