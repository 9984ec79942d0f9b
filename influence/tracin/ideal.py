"""TracInIdeal (Pruthi et al. 2020, section 3.1): train on one example at a time, and book every change of a target's
loss to the example that was just visited."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from influence.errors import InfluenceError
from influence.gradients.factors import FactorExtractor
from influence.gradients.passes import Loss, own_modes, run
from influence.tracin.models import copied
from influence.tracin.scores import Examples, add_inner_products, check


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
    """
    check(train, targets)
    model = copied(model).eval()
    extract = FactorExtractor(model, loss)
    parameters = [p for p in model.parameters() if p.requires_grad]
    order = torch.as_tensor(list(visits), dtype=torch.int64)
    change, first_order = [], []

    if not len(order):
        raise InfluenceError("There is no step to follow: visits is empty.")
    with torch.no_grad():
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
