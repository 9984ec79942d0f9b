"""Layers that training leaves as they are, applied once for all checkpoints."""

from dataclasses import replace

import numpy as np
import torch
from torch import nn

from influence.datasets import Dataset, Split
from influence.learners.toolkit.outputs import outputs
from influence.learners.traceable import Traced
from influence.tracin.scores import Examples


def without_fixed_layers(traced: Traced, dataset: Dataset) -> tuple[Traced, Examples, Examples]:
    """Layers before the first trained one that are the same in all checkpoints are applied once for all of them.

    Returns
    -------
    moving : Traced
        The layers from there on, which give the same gradients.
    train, targets : Examples
        What they get.
    """
    parts = dataset.train, dataset.test
    moving, inputs = traced, [torch.tensor(part.inputs) for part in parts]
    if fixed := _fixed_layers(traced):
        model = traced.model.eval()
        model.load_state_dict(traced.checkpoints[0].state)
        before, rest = model[:fixed], model[fixed:]  # type: ignore[index]
        checkpoints = [
            replace(checkpoint, state={name: checkpoint.state[name] for name in rest.state_dict()})
            for checkpoint in traced.checkpoints
        ]
        moving, inputs = Traced(rest, checkpoints), [outputs(before, part) for part in inputs]
    train, targets = map(Examples, inputs, map(_labels, parts))
    return moving, train, targets


def _labels(part: Split) -> torch.Tensor:
    """Classes, or values in single precision."""
    is_whole = np.issubdtype(part.labels.dtype, np.integer)
    return torch.tensor(part.labels, dtype=torch.int64 if is_whole else torch.float32)


def _fixed_layers(traced: Traced) -> int:
    """How many layers at the front of a model are not trained, and are the same in all its checkpoints."""
    if not isinstance(traced.model, nn.Sequential):
        return 0
    is_trained = [any(each.requires_grad for each in layer.parameters()) for layer in traced.model]
    fixed = is_trained.index(True) if True in is_trained else 0
    first, *others = (checkpoint.state for checkpoint in traced.checkpoints)
    names = traced.model[:fixed].state_dict()
    return fixed if all(torch.equal(first[name], other[name]) for other in others for name in names) else 0
