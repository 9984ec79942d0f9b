"""Shifting and scaling of inputs by two numbers."""

import numpy as np
from torch import Tensor, nn


def mean_and_deviation(inputs: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation over all numbers of the inputs, in double precision."""
    return float(inputs.mean(dtype=np.float64)), float(inputs.std(dtype=np.float64))


class Scaled(nn.Module):
    """Shift and divide inputs of any type by two numbers; they are buffers, so that a checkpoint has them."""

    mean: Tensor
    scale: Tensor

    def __init__(self, mean: float, scale: float) -> None:
        super().__init__()
        self.register_buffer("mean", Tensor([mean]))
        self.register_buffer("scale", Tensor([scale]))

    def forward(self, inputs: Tensor) -> Tensor:
        return (inputs.to(self.mean.dtype) - self.mean) / self.scale
