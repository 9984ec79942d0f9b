"""What a trained network gives for many examples, and the losses that learners minimise."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from influence.datasets import Split
from influence.learners.base import margins
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


def described(split: Split, logits: np.ndarray) -> dict[str, np.ndarray]:
    """Columns of a table of examples with classes: what models say of each.

    Parameters
    ----------
    split : Split
    logits : (models, n, n_classes) float32

    Returns
    -------
    dict
        ``label`` and ``prediction``, the class of the mean logits, int16; ``loss`` and ``margin``, means over the
        models, float32.
    """
    labels = torch.tensor(split.labels)
    losses = torch.stack([cross_entropy(torch.from_numpy(each), labels) for each in logits]).mean(0)
    return {
        "label": split.labels.astype(np.int16),
        "prediction": logits.mean(axis=0).argmax(axis=1).astype(np.int16),
        "loss": losses.numpy().astype(np.float32),
        "margin": margins(logits, split.labels).mean(axis=0),
    }
