"""The networks of `influence.learners.convnet.ConvNet`, and the device that they work on."""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from influence.errors import InfluenceError

_EVALUATE = 1000  # images at once


class ConvNets:
    """k trained networks, kept in ordinary memory."""

    def __init__(self, networks: list[nn.Sequential], scaling: tuple[float, float]) -> None:
        self.networks = networks
        self.scaling = scaling

    def features(self, inputs: np.ndarray) -> np.ndarray:
        """What is left after the pooling: (k, n, 4 width)."""
        return self._apply(inputs, slice(0, -1))

    def logits(self, inputs: np.ndarray) -> np.ndarray:
        """(k, n, n_classes)"""
        return self._apply(inputs, slice(None))

    def factors(self, inputs: np.ndarray, gradients: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Factors of the last layer; see `influence.learners.base.Models.factors`."""
        features = self.features(inputs)
        ones = np.ones((*features.shape[:2], 1), np.float32)
        return [(np.concatenate([features, ones], axis=2), gradients)]

    def _apply(self, inputs: np.ndarray, layers: slice) -> np.ndarray:
        device = device_here()
        results = []
        with torch.no_grad(), memory_explained():
            for network in self.networks:
                part = network[layers].to(device)
                blocks = [part(block).float().cpu() for block in blocks_of(inputs, self.scaling, device)]
                network.cpu()
                results.append(torch.cat(blocks).numpy())
        return np.stack(results)


def device_here() -> torch.device:
    """Choose CUDA where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@contextmanager
def memory_explained() -> Iterator[None]:
    """Turn "out of memory" on a device into an `InfluenceError`."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise InfluenceError(
            "The GPU's memory does not hold this training: lower the learner's batch_size or width, or end other "
            "programs that use the GPU."
        ) from error


def build(channels: int, width: int, n_classes: int) -> nn.Sequential:
    """(n, channels, height, width) -> (n, n_classes); the last module is the linear layer."""
    return nn.Sequential(
        OrderedDict(
            first=_block(channels, width),
            second=_block(width, 2 * width),
            shrink=nn.AvgPool2d(2),
            residual=_Residual(2 * width),
            third=_block(2 * width, 4 * width),
            shrink_again=nn.AvgPool2d(2),
            residual_again=_Residual(4 * width),
            pool=nn.AdaptiveAvgPool2d(1),
            flat=nn.Flatten(),
            last=nn.Linear(4 * width, n_classes),
        )
    )


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(_block(width, width), _block(width, width))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.inner(x)
        return result


def _block(width_in: int, width_out: int) -> nn.Sequential:
    convolution = nn.Conv2d(width_in, width_out, 3, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(width_out), nn.GELU())


def prepared_images(inputs: np.ndarray, scaling: tuple[float, float], device: torch.device) -> Tensor:
    """(n, h, w) or (n, h, w, channels) -> (n, channels, h, w) float32, channels last in memory."""
    images = torch.from_numpy(inputs if inputs.ndim == 4 else inputs[..., None]).to(device)
    return images.to(torch.float32).sub_(scaling[0]).div_(scaling[1]).permute(0, 3, 1, 2)


def blocks_of(inputs: np.ndarray, scaling: tuple[float, float], device: torch.device) -> Iterator[Tensor]:
    for start in range(0, len(inputs), _EVALUATE):
        yield prepared_images(inputs[start : start + _EVALUATE], scaling, device)
