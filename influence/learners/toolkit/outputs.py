"""What a trained network gives for many examples, and the losses that learners minimise."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from influence.learners.toolkit.threads import in_threads

_ROWS = 1000

Loss = Callable[[Tensor, Tensor], Tensor]
"""(n, d) outputs and (n,) labels -> (n,) losses."""


def outputs(model: nn.Module, inputs: Tensor) -> Tensor:
    """Pass inputs (n, ...) through a model -> (n, ...), each block by one of torch's threads."""

    def work(rows: Tensor) -> Tensor:
        with torch.no_grad():
            given: Tensor = model(rows)
        return given

    return torch.cat(in_threads(work, inputs.split(_ROWS)))


def cross_entropy(outputs: Tensor, labels: Tensor) -> Tensor:
    """Losses of classes: (n, n_classes) outputs and (n,) labels -> (n,)."""
    return nn.functional.cross_entropy(outputs, labels, reduction="none")


def squared_error(outputs: Tensor, labels: Tensor) -> Tensor:
    """Losses of values: (n, 1) outputs and (n,) labels -> (n,)."""
    return (outputs[:, 0] - labels).square()
