"""The learner of `influence.learners.patchnet`: its settings, its training, and what is kept of it."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from influence.config import Real, setting
from influence.datasets import Split
from influence.learners.base import Subsets
from influence.learners.checkpoints import Checkpoint
from influence.learners.differentiable import Differentiable
from influence.learners.patchnet.derivatives import PatchTraining, Sizes, as_vector
from influence.learners.patchnet.epochs import Epoch, seen
from influence.learners.patchnet.networks import PatchNets, build
from influence.learners.patchnet.patches import FixedSettings, Patches, Prepared
from influence.learners.toolkit.descent import Descent
from influence.learners.toolkit.orders import common_order, steps, steps_an_epoch
from influence.learners.toolkit.schedule import rising_and_falling
from influence.learners.toolkit.threads import in_threads
from influence.learners.traceable import Traceable, Traced
from influence.learners.unrollable import Stretch, Unrollable, Unrolled
from influence.unrolled.optimizers import SGD
from influence.unrolled.training import Step as TrainingStep


class PatchNet(Traceable, Unrollable, Differentiable):
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

    @property
    def fixed(self) -> FixedSettings:
        """The settings that the fixed layer follows from."""
        return FixedSettings(self.filters, self.patch, self.stride, self.threshold, self.grid)

    def prepare(self, train: Split) -> Prepared:
        """The training part with the fixed layer's answers, which the first training works out and the others share."""
        if isinstance(train, Prepared) and train.patches.settings == self.fixed:
            return train
        return Prepared(train.index, train.inputs, train.labels, Patches(train.inputs, self.fixed))

    def fit(self, train: Split, subsets: Subsets) -> PatchNets:
        """Train one network a subset, each by one of torch's threads."""
        patches = self.prepare(train).patches
        views = patches.views(self.flip)
        labels = torch.as_tensor(train.labels, dtype=torch.int64)

        def work(model: int) -> nn.Sequential:
            return self._fit(views, labels, subsets.masks[model], int(subsets.seeds[model]), subsets.common)

        return PatchNets(in_threads(work, range(len(subsets))), patches)

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
        patches = self.prepare(train).patches
        views = patches.views(self.flip)
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

    def release(self, train: Split) -> None:
        """Forget what the fixed layer answers to a prepared training part; the next training works it out again."""
        if isinstance(train, Prepared):
            train.patches.release()

    def unroll(self, train: Split, subset: Subsets, epochs: int) -> Unrolled:
        """One subset's training, with its last epochs; see `influence.learners.unrollable.Unrollable`."""
        patches = self.prepare(train).patches
        views = patches.views(self.flip)
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
            Epoch(epoch * an_epoch, (epoch + 1) * an_epoch, PatchNets([kept[epoch]], patches), views, mirrored[epoch])
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

    def training(self, train: Split, seed: int, weights: np.ndarray, size: int) -> PatchTraining:
        """See `influence.learners.differentiable.Differentiable`."""
        patches = self.prepare(train).patches
        views = patches.views(self.flip)
        labels = torch.as_tensor(train.labels, dtype=torch.int64)
        stream = np.random.Generator(np.random.Philox(seed))
        sizes = Sizes(views[0].shape[2], self.width, self.grid**2, int(labels.max()) + 1)
        network = build(sizes.channels, self.width, self.grid, sizes.classes, stream)
        total = self.epochs * steps_an_epoch(size, self.batch_size)
        order, mirrored = [], []
        for number, (rows, divisor) in enumerate(common_order(stream, len(train), size, self.epochs, self.batch_size)):
            order.append(TrainingStep(rows, self.learning_rate * rising_and_falling(number, total), divisor))
            mirrored.append(torch.from_numpy(stream.random(len(rows)) < 0.5) & self.flip)
        return PatchTraining(
            patches.of,
            views,
            labels,
            sizes,
            as_vector(network, sizes),
            order,
            mirrored,
            SGD(self.momentum, nesterov=True, weight_decay=self.weight_decay),
            torch.as_tensor(weights, dtype=torch.float32),
            max(1, round(self.average * total)),
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
            batch = seen(views, places, mirrored)
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


def _state(patches: Patches, network: nn.Sequential) -> dict[str, Tensor]:
    """Of the fixed layer and the network in one, copied."""
    whole = nn.Sequential(patches.layer, *network)
    return {name: value.detach().clone() for name, value in whole.state_dict().items()}
