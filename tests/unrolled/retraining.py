"""Trainings by torch.optim, one example's weight moved a little: what derivatives are compared with."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from influence.unrolled.modules import ModuleTraining
from influence.unrolled.optimizers import SGD


def optimizer_of(training: ModuleTraining, model: nn.Module) -> torch.optim.Optimizer:
    own = training.optimizer
    if isinstance(own, SGD):
        return torch.optim.SGD(
            model.parameters(), 1, own.momentum, weight_decay=own.weight_decay, nesterov=own.nesterov
        )
    kind = torch.optim.AdamW if own.decoupled else torch.optim.Adam
    return kind(model.parameters(), 1, (own.beta1, own.beta2), own.eps, own.weight_decay)


def retrained(training: ModuleTraining, weights: Tensor) -> nn.Module:
    """The module after a training with other weights of the examples, by torch's own optimizer and autograd."""
    model = copy.deepcopy(training.model)
    optimizer = optimizer_of(training, model)
    total = len(training.steps)
    sums = [torch.zeros_like(each) for each in model.parameters()]
    for number, step in enumerate(training.steps):
        for group in optimizer.param_groups:
            group["lr"] = step.rate
        losses = training.loss(model(training.inputs[step.rows]), training.labels[step.rows])
        optimizer.zero_grad()
        ((losses * weights[step.rows]).sum() / step.divisor).backward()
        optimizer.step()
        if number >= total - training.averaged:
            for part, each in zip(sums, model.parameters(), strict=True):
                part += each.detach() / training.averaged
    for part, each in zip(sums, model.parameters(), strict=True):
        each.data.copy_(part)
    return model


def differences(
    training: ModuleTraining, targets: Callable[[nn.Module], Tensor], width: float, fourth_order: bool = True
) -> Tensor:
    """(k, n_train) differences of (k,) targets by every weight, from two or four trainings each."""

    def at(example: int, shift: float) -> Tensor:
        weights = training.weights.clone()
        weights[example] += shift
        return targets(retrained(training, weights)).detach()

    columns = []
    for example in range(len(training.weights)):
        near = (at(example, width) - at(example, -width)) / (2 * width)
        if fourth_order:
            far = (at(example, 2 * width) - at(example, -2 * width)) / (4 * width)
            near = (4 * near - far) / 3
        columns.append(near)
    return torch.stack(columns, dim=1)
