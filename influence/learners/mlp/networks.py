"""The trained networks of `influence.learners.mlp.Mlp`: weights of all models side by side."""

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from influence.learners.toolkit.scaling import Scaled


@dataclass(frozen=True)
class Mlps:
    """k trained networks.

    Parameters
    ----------
    w1 : (k, n_in + 1, width) float32
    w2 : (k, width + 1, n_classes) float32
        The last row of either is the bias.
    mean, scale : float
        What inputs are shifted and divided by.
    """

    w1: Tensor
    w2: Tensor
    mean: float
    scale: float

    def features(self, inputs: np.ndarray) -> np.ndarray:
        """The hidden layer, after the ReLU: (k, n, width)."""
        return self._hidden(inputs).numpy()

    def logits(self, inputs: np.ndarray) -> np.ndarray:
        """(k, n, n_classes)"""
        hidden = self._hidden(inputs)
        return torch.baddbmm(self.w2[:, -1:], hidden, self.w2[:, :-1]).numpy()

    def factors(self, inputs: np.ndarray, gradients: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Factors of both layers; see `influence.learners.base.Models.factors`."""
        hidden = self._hidden(inputs)
        delta2 = torch.as_tensor(gradients)
        delta1 = torch.bmm(delta2, self.w2[:, :-1].transpose(1, 2)) * (hidden > 0)
        x = flattened(inputs, self.mean, self.scale).expand(len(self.w1), -1, -1)
        ones = hidden.new_ones(*hidden.shape[:2], 1)
        return [(x.numpy(), delta1.numpy()), (torch.cat([hidden, ones], dim=2).numpy(), gradients)]

    def module(self, model: int = 0) -> nn.Sequential:
        """One of the networks as a module, from inputs as the data set has them to logits."""
        layers = []
        for both in (self.w1[model], self.w2[model]):
            layer = nn.Linear(len(both) - 1, both.shape[1])
            with torch.no_grad():
                layer.weight.copy_(both[:-1].T)
                layer.bias.copy_(both[-1])
            layers.append(layer)
        hidden, last = layers
        scaled = Scaled(self.mean, self.scale)
        return nn.Sequential(OrderedDict(scaled=scaled, flat=nn.Flatten(), hidden=hidden, relu=nn.ReLU(), last=last))

    def _hidden(self, inputs: np.ndarray) -> Tensor:
        x = flattened(inputs, self.mean, self.scale)[:, :-1].expand(len(self.w1), -1, -1)
        return torch.baddbmm(self.w1[:, -1:], x, self.w1[:, :-1]).relu_()


def flattened(inputs: np.ndarray, mean: float, scale: float) -> Tensor:
    """(n, ...) -> (n, n_in + 1) float32, standardised, the last column 1."""
    flat = (inputs.reshape(len(inputs), -1).astype(np.float32) - np.float32(mean)) / np.float32(scale)
    return torch.from_numpy(np.concatenate([flat, np.ones((len(flat), 1), np.float32)], axis=1))
