"""A small convolutional network whose first layer is fixed: thousands of trainings on a laptop's processor.

The first layer's filters are whitened patches of training images (Coates and Ng 2011, "The importance of encoding
versus training with sparse coding and vector quantization"); no label goes into them, and every model has the same.
What they answer is computed once and kept, so that training touches two small layers alone. Where a deep network of
the same accuracy takes half a minute, this takes seconds; and since it is shallow, smooth (GELU, average pooling,
weights averaged over the last steps) and starts from features that don't move, two trainings on one subset agree well,
which is what an estimate of each example's part in it needs.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from influence.config import Real, setting
from influence.datasets import Split
from influence.errors import InfluenceError
from influence.learners.base import Subsets
from influence.learners.checkpoints import Checkpoint
from influence.learners.toolkit.descent import Descent
from influence.learners.toolkit.orders import steps, steps_an_epoch
from influence.learners.toolkit.threads import in_threads
from influence.learners.traceable import Traceable, Traced
from influence.learners.unrollable import Stretch, Unrollable, Unrolled

_BLOCK = 500  # images at once
_AT_ONCE = 20  # images whose patches fit into a processor's cache
_MANY = 1000  # images: answers to more are kept beside others, of those to fewer the latest alone
_FEW = 5000  # images that the fixed layer's mean and scale are estimated from
_SAMPLED = 100_000  # patches that the whitening is estimated from
_LEAST_CONTRAST = 0.05  # of all pixels' standard deviation: what keeps flat patches from being blown up


class PatchNet(Traceable, Unrollable):
    """Fixed patches, pooled; then a 1 x 1 convolution, GELU, and a linear layer, trained by SGD with Nesterov momentum.

    Inputs are uint8 or float images, (n, height, width) or (n, height, width, channels). The rate rises to its peak for
    a fifth of the steps, then falls to nothing.
    """

    name: Literal["patchnet"] = "patchnet"
    filters: int = setting(
        256, "Patches that every image is compared with; each gives two channels, for likeness and its opposite.", ge=1
    )
    patch: int = setting(6, "Width and height of a patch in pixels.", ge=1)
    stride: int = setting(2, "Pixels from one compared patch to the next.", ge=1)
    threshold: Real = setting(
        1.0, "A likeness counts by how far it exceeds this, in standard deviations of a whitened patch.", ge=0
    )
    grid: int = setting(4, "Likenesses are averaged over grid x grid fields of the image.", ge=1)
    width: int = setting(64, "Channels of the trained convolution.", ge=1)
    epochs: int = setting(6, "Passes over the examples of a subset.", ge=1)
    batch_size: int = setting(250, "Training examples in a step, about; as for mlp.", ge=1)
    learning_rate: Real = setting(0.05, "Learning rate at its peak.", gt=0)
    momentum: Real = setting(0.9, "Nesterov momentum of SGD.", ge=0, lt=1)
    weight_decay: Real = setting(2e-3, "Coefficient of half the squared norm of the weights.", ge=0)
    flip: bool = setting(True, "Mirror half of the images, drawn anew in every epoch. Not for digits or letters.")
    average: Real = setting(
        0.3, "Share of the steps, from the end, whose weights are averaged; 0 keeps the last weights.", ge=0, lt=1
    )

    @property
    def batch(self) -> int:
        return 8

    def fit(self, train: Split, subsets: Subsets) -> "PatchNets":
        """Train one network a subset, each by one of torch's threads."""
        patches = _patches(train.inputs, self)
        views = self._views(patches)
        labels = torch.as_tensor(train.labels, dtype=torch.int64)

        def work(model: int) -> nn.Sequential:
            return self._fit(views, labels, subsets.masks[model], int(subsets.seeds[model]), subsets.common)

        return PatchNets(in_threads(work, range(len(subsets))), patches)

    def _views(self, patches: "Patches") -> list[Tensor]:
        """The training part as the fixed layer answers it, and mirrored."""
        return [patches.of(patches.inputs, mirrored) for mirrored in ((False, True) if self.flip else (False,))]

    @property
    def recipe(self) -> str:
        """Architecture, optimizer, loss, in one line."""
        return (
            f"{self.name}: {2 * self.filters} fixed likenesses to whitened patches on a {self.grid} x {self.grid} "
            f"grid, a trained 1 x 1 convolution to {self.width} channels, GELU, linear; SGD with Nesterov momentum "
            f"{self.momentum:g}, batches of {self.batch_size}, {self.epochs} epochs, peak learning rate "
            f"{self.learning_rate:g}, weight decay {self.weight_decay:g} on the cross-entropy; the last checkpoint is "
            f"the average over the last {self.average:.0%} of the steps"
        )

    def trace(
        self, train: Split, seed: int, every: int, on_epoch: Callable[[int], None] = lambda epoch: None
    ) -> Traced:
        """One network on the whole training part; see `influence.learners.traceable.Traceable`."""
        patches = _patches(train.inputs, self)
        views = self._views(patches)
        an_epoch = steps_an_epoch(len(train), self.batch_size)
        checkpoints = []

        def keep(step: "Step") -> None:
            epoch, rest = divmod(step.number + 1, an_epoch)
            if rest:
                return
            on_epoch(epoch)
            if epoch % every == 0 or epoch == self.epochs:
                checkpoints.append(Checkpoint(_state(patches, step.network), step.rate, epoch))

        everyone = np.ones(len(train), bool)
        labels = torch.as_tensor(train.labels, dtype=torch.int64)
        network = self._fit(views, labels, everyone, seed, False, keep)
        checkpoints[-1] = replace(checkpoints[-1], state=_state(patches, network))  # averaged
        return Traced(nn.Sequential(patches.layer, *network.requires_grad_(True)), checkpoints)

    def release(self) -> None:
        """Let go of what the fixed layer answers to the training part, which the next training works out again."""
        _LAST.clear()

    def unroll(self, train: Split, subset: Subsets, epochs: int) -> Unrolled:
        """One subset's training, with its last epochs; see `influence.learners.unrollable.Unrollable`."""
        patches = _patches(train.inputs, self)
        views = self._views(patches)
        size = int(subset.masks[0].sum())
        an_epoch = steps_an_epoch(size, self.batch_size)
        rates = []
        kept: list[nn.Sequential] = []
        mirrored = torch.zeros(self.epochs, len(train), dtype=torch.bool)

        def keep(step: "Step") -> None:
            rates.append(step.rate)
            epoch, place = divmod(step.number, an_epoch)
            mirrored[epoch, step.rows] = step.mirrored
            if place == an_epoch // 2:
                kept.append(copy.deepcopy(step.network))

        labels = torch.as_tensor(train.labels, dtype=torch.int64)
        final = self._fit(views, labels, subset.masks[0], int(subset.seeds[0]), subset.common, keep)
        stretches: list[Stretch] = [
            _Epoch(epoch * an_epoch, (epoch + 1) * an_epoch, PatchNets([kept[epoch]], patches), views, mirrored[epoch])
            for epoch in range(max(0, self.epochs - epochs), self.epochs)
        ]
        averaged = max(1, round(self.average * len(rates)))
        return Unrolled(
            PatchNets([final], patches),
            stretches,
            np.array(rates),
            self.momentum,
            self.weight_decay,
            averaged,
            size / an_epoch,
        )

    def _fit(
        self,
        views: list[Tensor],
        labels: Tensor,
        mask: np.ndarray,
        seed: int,
        common: bool,
        keep: Callable[["Step"], None] = lambda step: None,
    ) -> nn.Sequential:
        """``keep`` is called after every step."""
        stream = np.random.Generator(np.random.Philox(seed))
        network = build(views[0].shape[2], self.width, self.grid, int(labels.max()) + 1, stream)
        descent = Descent(network, self, self.epochs * steps_an_epoch(int(mask.sum()), self.batch_size))
        order = steps([stream], mask[None], common, self.epochs, self.batch_size)
        for step, (rows, weight, count) in enumerate(order):
            places = rows if weight is not None else rows[0]
            # Coins are thrown for every place of the order, so that with a common order none depends on who is out.
            coins = mirrored = torch.from_numpy(stream.random(len(places)) < 0.5) & self.flip
            drawn = places
            if weight is not None:
                present = weight[0].bool()
                places, mirrored = places[present], mirrored[present]
            batch = _seen(views, places, mirrored)
            with torch.autocast("cpu", torch.bfloat16):
                logits = network(batch)
            loss = nn.functional.cross_entropy(logits.float(), labels[places], reduction="sum") / count
            rate = descent.step(step, loss)
            keep(Step(step, rate, network, drawn, coins))
        descent.finish()
        return network.eval().requires_grad_(False)


@dataclass(frozen=True)
class Step:
    """What `PatchNet` has done in one step of training.

    Parameters
    ----------
    number : int
    rate : float
    network : nn.Sequential
        As it is now; it goes on being trained.
    rows : (b,) int64
        Of the training part; with a common order, those that are not in the subset too.
    mirrored : (b,) bool
    """

    number: int
    rate: float
    network: nn.Sequential
    rows: Tensor
    mirrored: Tensor


class PatchNets:
    """k trained networks, and the fixed layer before them."""

    def __init__(self, networks: list[nn.Sequential], patches: "Patches") -> None:
        self.networks = networks
        self.patches = patches

    def features(self, inputs: np.ndarray) -> np.ndarray:
        """What the last layer sees: (k, n, width grid^2)."""
        return self._apply(inputs, slice(0, -1))

    def logits(self, inputs: np.ndarray) -> np.ndarray:
        """(k, n, n_classes)"""
        return self._apply(inputs, slice(None))

    def factors(self, inputs: np.ndarray, gradients: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Of both layers, the first with a position for every field; see `influence.learners.base.Models.factors`."""
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
        blocks = answers.split(_BLOCK)

        def work(network: nn.Sequential) -> np.ndarray:
            with torch.no_grad():
                result: np.ndarray = torch.cat([network[layers](block.float()) for block in blocks]).numpy()
            return result

        return np.stack(in_threads(work, self.networks))


@dataclass(frozen=True)
class _Epoch:
    """A `influence.learners.unrollable.Stretch`."""

    start: int
    stop: int
    models: PatchNets
    views: list[Tensor]
    mirrored: Tensor

    def logits(self, rows: np.ndarray) -> np.ndarray:
        return self.models.apply_to(self._answers(rows))

    def factors(self, rows: np.ndarray, gradients: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        return self.models.factors_of(self._answers(rows), gradients)

    def _answers(self, rows: np.ndarray) -> Tensor:
        return _seen(self.views, torch.from_numpy(rows), self.mirrored[rows])


def _seen(views: list[Tensor], rows: Tensor, mirrored: Tensor) -> Tensor:
    """Some of the training part, mirrored or not."""
    batch = views[0][rows]
    if len(views) > 1:
        batch[mirrored] = views[1][rows[mirrored]]
    return batch


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


class Patches:
    """The fixed layer: how much each field of an image is like each of the patches, standardised.

    Which patches follows from the images and the settings alone.

    Parameters
    ----------
    inputs : (n, height, width) or (n, height, width, channels)
        The training part.
    settings : PatchNet
    """

    def __init__(self, inputs: np.ndarray, settings: PatchNet) -> None:
        self.inputs, self.settings = inputs, settings
        images = inputs if inputs.ndim == 4 else inputs[..., None]
        size = settings.patch
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
        self.layer = FixedLayer(
            torch.from_numpy(kernel),
            torch.from_numpy(kernel @ mean),
            least,
            _pooling((places[0], places[1]), settings.grid),
            settings,
        )
        few = torch.cat([self.layer(block) for block in _tensors(images[:_FEW])])
        self.layer.standardise(few)
        self._kept: list[tuple[np.ndarray, bool, Tensor]] = []
        self._latest: list[tuple[np.ndarray, bool, Tensor]] = []

    def of(self, inputs: np.ndarray, mirrored: bool = False) -> Tensor:
        """(n, height, width[, channels]) -> (n, grid^2, 2 filters) bfloat16, kept for the next calls."""
        for known, known_mirrored, answers in (*self._kept, *self._latest):
            if known is inputs and known_mirrored == mirrored:
                return answers
        images = inputs if inputs.ndim == 4 else inputs[..., None]

        settings = self.settings
        result = torch.empty(len(images), settings.grid**2, 2 * settings.filters, dtype=torch.bfloat16)

        def work(block: Tensor, answers: Tensor) -> None:
            answers.copy_(self.layer(block.flip(2) if mirrored else block))

        in_threads(work, _tensors(images), result.split(_BLOCK))
        if len(images) > _MANY:  # the training part, mirrored too, and the test part
            self._kept = [*self._kept[-2:], (inputs, mirrored, result)]
        else:
            self._latest = [(inputs, mirrored, result)]
        return result


class FixedLayer(nn.Module):
    """(n, height, width[, channels]) images -> (n, grid^2, 2 filters) float32; nothing in it is trained.

    Parameters
    ----------
    kernel : (filters, channels patch^2)
        Whitening and the chosen patches in one.
    offset : (filters,)
    least : float
        Added to every patch's standard deviation, in squares.
    pool : (places, grid^2)
    settings : PatchNet
    """

    kernel: Tensor
    offset: Tensor
    least: Tensor
    pool: Tensor
    mean: Tensor
    scale: Tensor

    def __init__(self, kernel: Tensor, offset: Tensor, least: float, pool: Tensor, settings: PatchNet) -> None:
        super().__init__()
        self.settings = settings
        self.register_buffer("kernel", kernel.bfloat16())
        self.register_buffer("offset", offset[:, None].bfloat16())
        self.register_buffer("least", torch.tensor(least))
        self.register_buffer("pool", pool.bfloat16())
        self.register_buffer("mean", torch.zeros(2 * len(kernel)))
        self.register_buffer("scale", torch.ones(2 * len(kernel)))

    def standardise(self, answers: Tensor) -> None:
        """From now on, such answers have mean 0 and standard deviation 1."""
        self.mean, self.scale = answers.mean(dim=(0, 1)), answers.std(dim=(0, 1)) + 1e-6

    def forward(self, images: Tensor) -> Tensor:
        x = (images if images.ndim == 4 else images[..., None]).permute(0, 3, 1, 2).float()
        settings = self.settings
        blocks = []
        for block in x.split(_AT_ONCE):
            patches = nn.functional.unfold(block, settings.patch, stride=settings.stride)  # (n, pixels, places)
            patches -= patches.mean(dim=1, keepdim=True)
            patches /= (patches.square().mean(dim=1, keepdim=True) + self.least.square()).sqrt_()
            likeness = self.kernel @ patches.bfloat16() - self.offset
            above = (likeness - settings.threshold).relu_()
            below = likeness.neg_().sub_(settings.threshold).relu_()
            blocks.append(torch.cat([above @ self.pool, below @ self.pool], dim=1).transpose(1, 2).float())
        return (torch.cat(blocks) - self.mean) / self.scale


def _tensors(images: np.ndarray) -> list[Tensor]:
    """In blocks; a view of the array where that can be."""
    return [
        torch.from_numpy(np.ascontiguousarray(images[start : start + _BLOCK]))
        for start in range(0, len(images), _BLOCK)
    ]


def _state(patches: "Patches", network: nn.Sequential) -> dict[str, Tensor]:
    """Of the fixed layer and the network in one, copied."""
    whole = nn.Sequential(patches.layer, *network)
    return {name: value.detach().clone() for name, value in whole.state_dict().items()}


def _pooling(places: tuple[int, int], grid: int) -> Tensor:
    """(places, grid^2) float32: a product with it is `torch.nn.functional.adaptive_avg_pool2d`, only faster."""
    each = torch.eye(places[0] * places[1]).reshape(-1, 1, *places)
    return nn.functional.adaptive_avg_pool2d(each, grid).flatten(1)


def _patches(inputs: np.ndarray, settings: PatchNet) -> Patches:
    """Those of the last call, if it was about the same images and the same fixed layer."""
    fixed = ("filters", "patch", "stride", "threshold", "grid")
    for last in _LAST:
        if last.inputs is inputs and all(getattr(last.settings, name) == getattr(settings, name) for name in fixed):
            return last
    _LAST[:] = [Patches(inputs, settings)]
    return _LAST[0]


_LAST: list[Patches] = []


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
