"""TracInIdeal (Pruthi et al. 2020, section 3.1): train on one example at a time, and book every change of a target's
loss to the example that was just visited."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Real

import numpy as np
import torch
from torch import Tensor, nn

from influence.errors import InfluenceError
from influence.gradients.factors import FactorExtractor
from influence.gradients.passes import Loss, own_modes, run
from influence.gradients.products import add_inner_products
from influence.tracin.examples import Examples, check
from influence.tracin.models import copied, rewritten


@dataclass(frozen=True)
class Ideal:
    """What each visit did to each target, for a sequence of visits (steps of SGD with batch size 1).

    Parameters
    ----------
    visits : (n_steps,) int64
        The training example of each step.
    change : (n_steps, n_targets)
        Loss before the step minus loss after it: positive where the step helped.
    first_order : (n_steps, n_targets)
        What the gradients predict for the same step: eta <grad l(w, z), grad l(w, z')>.
    """

    visits: Tensor
    change: Tensor
    first_order: Tensor

    def scores(self, n_train: int) -> Tensor:
        """(n_targets, n_train): TracInIdeal. Its rows sum to each target's total loss reduction."""
        totals = self.change.new_zeros(n_train, self.change.shape[1])
        return totals.index_add_(0, self.visits, self.change).T


@own_modes()
def tracin_ideal(
    model: nn.Module, loss: Loss, train: Examples, targets: Examples, visits: Iterable[int], learning_rate: float
) -> Ideal:
    """Follow plain SGD through ``visits`` from the model's own weights (the model is copied, not changed).

    Costs a forward pass over all targets a step: for small models and short training.

    Raises
    ------
    InfluenceError
        If a visit is no position of a training example, the learning rate is no positive number, or TracIn would be
        wrong for the model.
    """
    check(train, targets)
    _check_rate(learning_rate)
    order = torch.tensor(_positions(visits, len(train.inputs)), dtype=torch.int64)
    model, made_of_parameters = copied(model)
    extract = FactorExtractor(model, loss)
    parameters = [p for p in model.parameters() if p.requires_grad]
    change, first_order = [], []
    with torch.no_grad(), rewritten(model, made_of_parameters):
        _, before = run(model, loss, *targets)
    for visit in order:
        example = Examples(train.inputs[visit, None], train.labels[visit, None])
        predicted = before.new_zeros(1, len(before))
        add_inner_products(predicted, extract(*example), extract(*targets))
        first_order.append(learning_rate * predicted[0])

        _, value = run(model, loss, *example)
        gradients = torch.autograd.grad(value.sum(), parameters, allow_unused=True, materialize_grads=True)
        with torch.no_grad():
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.sub_(learning_rate * gradient)
            _, after = run(model, loss, *targets)
        change.append(before - after)
        before = after
    return Ideal(order, torch.stack(change), torch.stack(first_order))


def _check_rate(rate: object) -> None:
    if isinstance(rate, bool) or not isinstance(rate, Real) or not 0 < float(rate) < math.inf:
        raise InfluenceError(f"The learning rate is {rate!r}, but must be a positive number.")


def _positions(visits: object, n: int) -> list[int]:
    """The visits as Python's numbers."""
    given = list(visits) if isinstance(visits, Iterable) else [visits]
    if not given:
        raise InfluenceError("There is no step to follow: visits is empty.")
    found = []
    for each in given:
        number = each.item() if isinstance(each, (Tensor, np.generic)) else each
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < n:
            raise InfluenceError(
                f"A visit is {each!r}, but must be the position of one of the {n} training examples, from 0 to {n - 1}."
            )
        found.append(number)
    return found
