"""A small residual network for images, one subset model at a time: on CUDA where there is one, else on the processor.

The shape is that of the datamodels paper's ResNet-9 (Ilyas et al. 2022, appendix), with what makes outcomes less noisy:
GELU units, average pooling, and weights averaged over the last part of the training. The training part stays in the
device's memory, channels last; on CUDA the arithmetic is bfloat16 where autocast says so.
"""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from influence.config import Real, setting
from influence.datasets import Split
from influence.errors import InfluenceError
from influence.learners.base import Learner, Subsets
from influence.learners.toolkit.descent import Descent
from influence.learners.toolkit.orders import steps, steps_an_epoch
from influence.learners.toolkit.scaling import mean_and_deviation

_EVALUATE = 1000  # images at once


class ConvNet(Learner):
    """A residual network: SGD with Nesterov momentum on the cross-entropy; the rate rises to its peak, then falls.

    Inputs are (n, height, width) or (n, height, width, channels), shifted and scaled by two numbers, mean and standard
    deviation over the whole training part.
    """

    name: Literal["convnet"] = "convnet"
    width: int = setting(
        64,
        "Channels of the first layer; later ones have twice and four times as many. The paper's value is 64.",
        ge=1,
    )
    epochs: int = setting(16, "Passes over the examples of a subset.", ge=1)
    batch_size: int = setting(512, "Training examples in a step, about; as for mlp.", ge=1)
    learning_rate: Real = setting(0.4, "Learning rate at its peak, a fifth of the way.", gt=0)
    momentum: Real = setting(0.9, "Nesterov momentum of SGD.", ge=0, lt=1)
    weight_decay: Real = setting(5e-4, "Coefficient of half the squared norm of the weights.", ge=0)
    flip: bool = setting(True, "Mirror half of the images, drawn anew in every epoch. Not for digits or letters.")
    crop: int = setting(
        2, "Shift every image by up to so many pixels in either direction; its mirror image fills the border.", ge=0
    )
    average: Real = setting(
        0.15,
        "Share of the steps, from the end, whose weights are averaged; 0 keeps the last weights alone.",
        ge=0,
        lt=1,
    )

    @property
    def batch(self) -> int:
        return 1

    def fit(self, train: Split, subsets: Subsets) -> "ConvNets":
        """Train one network a subset, one after the other."""
        if 2 * self.crop >= min(train.inputs.shape[1:3]):
            raise InfluenceError(
                f"crop is {self.crop}, too much for images of {train.inputs.shape[1]} pixels: lower it."
            )
        device = _device()
        scaling = mean_and_deviation(train.inputs)
        with _explain_memory():
            images = _prepare(train.inputs, scaling, device)
            labels = torch.as_tensor(train.labels, dtype=torch.int64, device=device)
            n_classes = int(train.labels.max()) + 1
            networks = [
                self._fit(images, labels, n_classes, mask, int(seed), subsets.common).cpu()
                for mask, seed in zip(subsets.masks, subsets.seeds, strict=True)
            ]
        return ConvNets(networks, scaling)

    def _fit(
        self, images: Tensor, labels: Tensor, n_classes: int, mask: np.ndarray, seed: int, common: bool
    ) -> nn.Sequential:
        device = images.device
        stream = np.random.Generator(np.random.Philox(seed))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed % 2**63)
            network = build(images.shape[1], self.width, n_classes)
        network = network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        descent = Descent(network, self, self.epochs * steps_an_epoch(int(mask.sum()), self.batch_size))
        network.train()
        order = steps([stream], mask[None], common, self.epochs, self.batch_size)
        for step, (rows, weight, count) in enumerate(order):
            places = rows if weight is not None else rows[0]
            # Shifts are drawn for every place of the order, so that with a common order nobody's depend on who is out.
            moves = self._moves(len(places), stream)
            if weight is not None:  # chosen here, since a device would have to be waited for
                present = weight[0].bool()
                places, moves = places[present], moves[present]
            if len(places) < 2:  # batch normalisation has nothing to normalise by
                continue
            places = places.to(device)
            batch = self._augment(images[places], moves.to(device))
            with _mixed_precision(device):
                logits = network(batch)
            loss = nn.functional.cross_entropy(logits.float(), labels[places], reduction="sum") / count
            descent.step(step, loss)
        descent.finish()
        trained: nn.Sequential = network.eval().requires_grad_(False)
        return trained

    def _moves(self, n: int, stream: np.random.Generator) -> Tensor:
        """(n, 3) int64: how far each image is shifted, down and to the right, and whether it is mirrored."""
        moves = np.zeros((n, 3), np.int64)
        if self.crop:
            moves[:, :2] = stream.integers(2 * self.crop + 1, size=(2, n)).T
        if self.flip:
            moves[:, 2] = stream.random(n) < 0.5
        return torch.from_numpy(moves)

    def _augment(self, images: Tensor, moves: Tensor) -> Tensor:
        """Shift and mirror each image."""
        n, _, height, width = images.shape
        if self.crop:
            padded = nn.functional.pad(images, (self.crop,) * 4, mode="reflect")
            rows = moves[:, 0, None] + torch.arange(height, device=images.device)
            columns = moves[:, 1, None] + torch.arange(width, device=images.device)
            which = torch.arange(n, device=images.device)[:, None, None]
            images = padded.permute(0, 2, 3, 1)[which, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
        if self.flip:
            images = torch.where(moves[:, 2, None, None, None].bool(), images.flip(3), images)
        return images


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
        """Of the last layer; see `influence.learners.base.Models.factors`."""
        features = self.features(inputs)
        ones = np.ones((*features.shape[:2], 1), np.float32)
        return [(np.concatenate([features, ones], axis=2), gradients)]

    def _apply(self, inputs: np.ndarray, layers: slice) -> np.ndarray:
        device = _device()
        results = []
        with torch.no_grad(), _explain_memory():
            for network in self.networks:
                part = network[layers].to(device)
                blocks = [part(block).float().cpu() for block in _blocks(inputs, self.scaling, device)]
                network.cpu()
                results.append(torch.cat(blocks).numpy())
        return np.stack(results)


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _mixed_precision(device: torch.device) -> AbstractContextManager[object]:
    """bfloat16 where autocast says so, on CUDA alone."""
    return torch.autocast("cuda", torch.bfloat16) if device.type == "cuda" else nullcontext()


@contextmanager
def _explain_memory() -> Iterator[None]:
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


def _prepare(inputs: np.ndarray, scaling: tuple[float, float], device: torch.device) -> Tensor:
    """(n, h, w) or (n, h, w, channels) -> (n, channels, h, w) float32, channels last in memory."""
    images = torch.from_numpy(inputs if inputs.ndim == 4 else inputs[..., None]).to(device)
    return images.to(torch.float32).sub_(scaling[0]).div_(scaling[1]).permute(0, 3, 1, 2)


def _blocks(inputs: np.ndarray, scaling: tuple[float, float], device: torch.device) -> Iterator[Tensor]:
    for start in range(0, len(inputs), _EVALUATE):
        yield _prepare(inputs[start : start + _EVALUATE], scaling, device)
