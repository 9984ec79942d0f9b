"""The fixed layer of `influence.learners.patchnet.PatchNet`, and a training part that keeps what it answers."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from influence.datasets import Split
from influence.errors import InfluenceError
from influence.learners.toolkit.threads import in_threads
from influence.products import product_type

BLOCK = 500  # images at once
_AT_ONCE = 20  # images whose patches fit into a processor's cache
_MANY = 1000  # images: answers to more are kept beside others, of those to fewer the latest alone
_FEW = 5000  # images that the fixed layer's mean and scale are estimated from
_SAMPLED = 100_000  # patches that the whitening is estimated from
_LEAST_CONTRAST = 0.05  # of all pixels' standard deviation: what keeps flat patches from being blown up


@dataclass(frozen=True)
class FixedSettings:
    """The settings that the fixed layer follows from; see `influence.learners.patchnet.PatchNet`."""

    filters: int
    patch: int
    stride: int
    threshold: float
    grid: int
    directions: int | None = None

    @property
    def channels(self) -> int:
        """Numbers that the layer gives for each field."""
        return 2 * self.filters if self.directions is None else self.directions


@dataclass(frozen=True)
class Prepared(Split):
    """A training part with its fixed layer; a copy that has other labels shares it.

    Parameters
    ----------
    patches : Patches
        Of the same ``inputs``.
    """

    patches: "Patches"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.patches.inputs is not self.inputs:
            raise ValueError("the patches are those of other inputs")


class Patches:
    """What the fixed layer answers, worked out when it is first asked for, and kept.

    Which patches the layer has follows from the images of the training part and the settings alone.

    Parameters
    ----------
    inputs : (n, height, width) or (n, height, width, channels)
        The training part.
    settings : FixedSettings
    """

    def __init__(self, inputs: np.ndarray, settings: FixedSettings) -> None:
        self.inputs, self.settings = inputs, settings
        self.release()

    def release(self) -> None:
        """Forget the answers, which are worked out again when they are asked for."""
        self._kept: list[tuple[np.ndarray, bool, Tensor]] = []
        self._latest: list[tuple[np.ndarray, bool, Tensor]] = []

    @cached_property
    def layer(self) -> "FixedLayer":
        """The layer; an `InfluenceError` if the images are too small for it."""
        return _fixed_layer(self.inputs, self.settings)

    def views(self, flip: bool) -> list[Tensor]:
        """The answers to the training part, and with ``flip`` those to its mirror images."""
        return [self.of(self.inputs, mirrored) for mirrored in ((False, True) if flip else (False,))]

    def of(self, inputs: np.ndarray, mirrored: bool = False) -> Tensor:
        """(n, height, width[, channels]) -> (n, grid^2, channels) bfloat16, kept for the next calls."""
        for known, known_mirrored, answers in (*self._kept, *self._latest):
            if known is inputs and known_mirrored == mirrored:
                return answers
        images, layer, settings = _with_channels(inputs), self.layer, self.settings
        result = torch.empty(len(images), settings.grid**2, settings.channels, dtype=torch.bfloat16)

        def work(block: Tensor, answers: Tensor) -> None:
            answers.copy_(layer(block.flip(2) if mirrored else block))

        in_threads(work, _tensors(images), result.split(BLOCK))
        if len(images) > _MANY:  # the training part, mirrored too, and the test part
            self._kept = [*self._kept[-2:], (inputs, mirrored, result)]
        else:
            self._latest = [(inputs, mirrored, result)]
        return result


class FixedLayer(nn.Module):
    """(n, height, width[, channels]) images -> (n, grid^2, channels) float32; nothing in it is trained.

    Parameters
    ----------
    kernel : (filters, channels patch^2)
        Whitening and the chosen patches in one.
    offset : (filters,)
    least : float
        Added to every patch's standard deviation, in squares.
    pool : (places, grid^2)
    settings : FixedSettings
    """

    kernel: Tensor
    offset: Tensor
    least: Tensor
    pool: Tensor
    mean: Tensor
    scale: Tensor
    basis: Tensor | None

    def __init__(self, kernel: Tensor, offset: Tensor, least: float, pool: Tensor, settings: FixedSettings) -> None:
        super().__init__()
        self.settings = settings
        dtype = product_type()
        self.register_buffer("kernel", kernel.bfloat16().to(dtype))
        self.register_buffer("offset", offset[:, None].bfloat16().to(dtype))
        self.register_buffer("least", torch.tensor(least))
        self.register_buffer("pool", pool.bfloat16().to(dtype))
        self.register_buffer("mean", torch.zeros(2 * len(kernel)))
        self.register_buffer("scale", torch.ones(2 * len(kernel)))
        self.register_buffer("basis", None)

    def standardise(self, answers: Tensor) -> None:
        """Scale the answers, from now on, to mean 0 and standard deviation 1."""
        self.mean, self.scale = answers.mean(dim=(0, 1)), answers.std(dim=(0, 1)) + 1e-6

    def reduce(self, answers: Tensor, directions: int) -> None:
        """Project the answers, from now on, onto their leading principal directions.

        All are divided by one number, so that their variance is 1 on average.
        """
        rows = answers.flatten(0, 1)
        variances, vectors = torch.linalg.eigh(rows.T @ rows / len(rows))
        self.basis = (vectors[:, -directions:] / variances[-directions:].mean().sqrt()).bfloat16().to(product_type())

    def forward(self, images: Tensor) -> Tensor:
        x = (images if images.ndim == 4 else images[..., None]).permute(0, 3, 1, 2).float()
        settings = self.settings
        blocks = []
        for block in x.split(_AT_ONCE):
            patches = nn.functional.unfold(block, settings.patch, stride=settings.stride)  # (n, pixels, places)
            patches -= patches.mean(dim=1, keepdim=True)
            patches /= (patches.square().mean(dim=1, keepdim=True) + self.least.square()).sqrt_()
            likeness = self.kernel @ patches.to(self.kernel.dtype) - self.offset
            above = (likeness - settings.threshold).relu_()
            below = likeness.neg_().sub_(settings.threshold).relu_()
            blocks.append(torch.cat([above @ self.pool, below @ self.pool], dim=1).transpose(1, 2).float())
        answers = (torch.cat(blocks) - self.mean) / self.scale
        return answers if self.basis is None else (answers.to(self.basis.dtype) @ self.basis).float()


def _fixed_layer(inputs: np.ndarray, settings: FixedSettings) -> FixedLayer:
    images, size = _with_channels(inputs), settings.patch
    places = tuple((side - size) // settings.stride + 1 for side in images.shape[1:3])
    if min(places) < settings.grid:
        raise InfluenceError(
            f"patch {size} at stride {settings.stride} leaves fewer than {settings.grid} places a row in images "
            f"of {min(images.shape[1:3])} pixels: lower patch, stride or grid."
        )
    least = _LEAST_CONTRAST * float(images[:_FEW].std(dtype=np.float64))
    sample = _sample(images, size)
    sample -= sample.mean(axis=1, keepdims=True)
    sample /= np.sqrt(sample.var(axis=1, keepdims=True) + least**2)
    mean = sample.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(sample.T))
    whiten = (vectors / np.sqrt(values + 0.1)) @ vectors.T
    chosen = (sample[: settings.filters] - mean) @ whiten
    chosen /= np.linalg.norm(chosen, axis=1, keepdims=True)
    kernel = chosen @ whiten
    layer = FixedLayer(
        torch.from_numpy(kernel),
        torch.from_numpy(kernel @ mean),
        least,
        _pooling((places[0], places[1]), settings.grid),
        settings,
    )
    few = _tensors(images[:_FEW])
    layer.standardise(torch.cat(in_threads(layer, few)))
    if settings.directions is not None:
        layer.reduce(torch.cat(in_threads(layer, few)), settings.directions)
    return layer


def _with_channels(inputs: np.ndarray) -> np.ndarray:
    """(n, height, width[, channels]) -> (n, height, width, channels)"""
    return inputs if inputs.ndim == 4 else inputs[..., None]


def _tensors(images: np.ndarray) -> list[Tensor]:
    """Split into blocks; each is a view of the array if that is possible."""
    return [
        torch.from_numpy(np.ascontiguousarray(images[start : start + BLOCK])) for start in range(0, len(images), BLOCK)
    ]


def _pooling(places: tuple[int, int], grid: int) -> Tensor:
    """(places, grid^2) float32: a product with it is `torch.nn.functional.adaptive_avg_pool2d`, only faster."""
    each = torch.eye(places[0] * places[1]).reshape(-1, 1, *places)
    return nn.functional.adaptive_avg_pool2d(each, grid).flatten(1)


def _sample(images: np.ndarray, size: int) -> np.ndarray:
    """(_SAMPLED, channels size size) float64: patches from random places of random images."""
    n, height, width, _ = images.shape
    stream = np.random.Generator(np.random.Philox(0))
    which = stream.integers(n, size=_SAMPLED)
    rows = stream.integers(height - size + 1, size=_SAMPLED)[:, None] + np.arange(size)
    columns = stream.integers(width - size + 1, size=_SAMPLED)[:, None] + np.arange(size)
    sample = images[which[:, None, None], rows[:, :, None], columns[:, None, :]]
    flat: np.ndarray = sample.transpose(0, 3, 1, 2).reshape(_SAMPLED, -1).astype(np.float64)
    return flat
