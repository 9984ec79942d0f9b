"""The trained networks of `influence.learners.patchnet.PatchNet`, on what the fixed layer answers."""

import numpy as np
import torch
from torch import Tensor, nn

from influence.learners.patchnet.patches import BLOCK, Patches
from influence.learners.toolkit.threads import in_threads


class PatchNets:
    """k trained networks, and the fixed layer before them."""

    def __init__(self, networks: list[nn.Sequential], patches: Patches) -> None:
        self.networks = networks
        self.patches = patches

    def features(self, inputs: np.ndarray) -> np.ndarray:
        """What the last layer sees: (k, n, width grid^2)."""
        return self._apply(inputs, slice(0, -1))

    def logits(self, inputs: np.ndarray) -> np.ndarray:
        """(k, n, n_classes)"""
        return self._apply(inputs, slice(None))

    def factors(self, inputs: np.ndarray, gradients: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Factors of both layers, the first with a position for every field; see `learners.base.Models.factors`."""
        return self.factors_of(self.patches.of(inputs), gradients)

    def factors_of(self, answers: Tensor, gradients: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """The same from what the fixed layer answers, (n, grid^2, 2 filters)."""
        fields = answers.float()
        hidden, deltas = [], []
        for network, gradient in zip(self.networks, torch.as_tensor(gradients), strict=True):
            z = network[0](fields).requires_grad_()
            with torch.enable_grad():
                h = network[1](z)
            (delta,) = torch.autograd.grad(h, z, (gradient @ network[-1].weight).reshape(h.shape))
            hidden.append(h.detach().flatten(1))
            deltas.append(delta)
        ones = fields.new_ones(len(self.networks), len(fields), 1)
        seen = torch.cat([fields, fields.new_ones(*fields.shape[:2], 1)], dim=2).expand(len(self.networks), -1, -1, -1)
        last = torch.cat([torch.stack(hidden), ones], dim=2)
        return [(seen.numpy(), torch.stack(deltas).numpy()), (last.numpy(), gradients)]

    def _apply(self, inputs: np.ndarray, layers: slice) -> np.ndarray:
        return self.apply_to(self.patches.of(inputs), layers)

    def apply_to(self, answers: Tensor, layers: slice = slice(None)) -> np.ndarray:
        """(k, n, ...) what some of the trained layers make of the fixed layer's answers."""
        blocks = answers.split(BLOCK)

        def work(network: nn.Sequential) -> np.ndarray:
            with torch.no_grad():
                result: np.ndarray = torch.cat([network[layers](block.float()) for block in blocks]).numpy()
            return result

        return np.stack(in_threads(work, self.networks))


def build(channels: int, width: int, grid: int, n_classes: int, stream: np.random.Generator) -> nn.Sequential:
    """(n, grid^2, channels) -> (n, n_classes); a linear layer on every field is a 1 x 1 convolution.

    The last layer starts at zero, the first from the stream.
    """
    first, last = nn.Linear(channels, width), nn.Linear(width * grid * grid, n_classes)
    initial = stream.uniform(-1, 1, size=(width, channels)) / np.sqrt(channels)
    first.weight.data.copy_(torch.from_numpy(initial))
    for value in (first.bias, last.weight, last.bias):
        value.data.zero_()
    return nn.Sequential(first, nn.GELU(), nn.Flatten(), last)
