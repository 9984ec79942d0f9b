"""The training of `influence.learners.patchnet.PatchNet`, and what is kept of it."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from influence.datasets import Split
from influence.learners.base import Subsets
from influence.learners.patchnet.derivatives import PatchTraining, Sizes, as_vector
from influence.learners.patchnet.epochs import Epoch, seen
from influence.learners.patchnet.learner import PatchNet
from influence.learners.patchnet.networks import PatchNets, build
from influence.learners.patchnet.patches import FixedSettings, Patches, Prepared
from influence.learners.toolkit.checkpoints import Checkpoint
from influence.learners.toolkit.descent import Descent
from influence.learners.toolkit.orders import common_order, steps, steps_an_epoch
from influence.learners.toolkit.schedule import rising_and_falling
from influence.learners.toolkit.threads import in_threads
from influence.learners.traceable import Traced
from influence.learners.unrollable import LastEpochs, Stretch
from influence.products import product_type
from influence.unrolled.optimizers import SGD
from influence.unrolled.training import Step as TrainingStep


def fixed(settings: PatchNet) -> FixedSettings:
    """The settings that the fixed layer follows from."""
    return FixedSettings(
        settings.filters, settings.patch, settings.stride, settings.threshold, settings.grid, settings.directions
    )


def prepare(settings: PatchNet, train: Split) -> Prepared:
    """The training part with its fixed layer; see `PatchNet.prepare`."""
    if isinstance(train, Prepared) and train.patches.settings == fixed(settings):
        return train
    return Prepared(train.index, train.inputs, train.labels, Patches(train.inputs, fixed(settings)))


def release(train: Split) -> None:
    """Forget the fixed layer's answers; see `PatchNet.release`."""
    if isinstance(train, Prepared):
        train.patches.release()


def fit(settings: PatchNet, train: Split, subsets: Subsets) -> PatchNets:
    """Train one network a subset; see `PatchNet.fit`."""
    patches = prepare(settings, train).patches
    views = patches.views(settings.flip)
    labels = torch.as_tensor(train.labels, dtype=torch.int64)

    def work(model: int) -> nn.Sequential:
        return _fit(settings, views, labels, subsets.masks[model], int(subsets.seeds[model]), subsets.common)

    return PatchNets(in_threads(work, range(len(subsets))), patches)


def trace(settings: PatchNet, train: Split, seed: int, every: int, on_epoch: Callable[[int], None]) -> Traced:
    """Train one network on the whole training part; see `influence.learners.traceable.Traceable`."""
    patches = prepare(settings, train).patches
    views = patches.views(settings.flip)
    an_epoch = steps_an_epoch(len(train), settings.batch_size)
    checkpoints = []

    def keep(step: "Step") -> None:
        epoch, rest = divmod(step.number + 1, an_epoch)
        if rest:
            return
        on_epoch(epoch)
        if epoch % every == 0 or epoch == settings.epochs:
            checkpoints.append(Checkpoint(_state(patches, step.network), step.rate, epoch))

    everyone = np.ones(len(train), bool)
    labels = torch.as_tensor(train.labels, dtype=torch.int64)
    network = _fit(settings, views, labels, everyone, seed, False, keep)
    checkpoints[-1] = replace(checkpoints[-1], state=_state(patches, network))  # averaged
    return Traced(nn.Sequential(patches.layer, *network.requires_grad_(True)), checkpoints)


def unroll(settings: PatchNet, train: Split, subset: Subsets, epochs: int) -> LastEpochs:
    """Train on one subset, and keep the last epochs; see `influence.learners.unrollable.Unrollable`."""
    patches = prepare(settings, train).patches
    views = patches.views(settings.flip)
    size = int(subset.masks[0].sum())
    an_epoch = steps_an_epoch(size, settings.batch_size)
    rates = []
    kept: list[nn.Sequential] = []
    mirrored = torch.zeros(settings.epochs, len(train), dtype=torch.bool)

    def keep(step: "Step") -> None:
        rates.append(step.rate)
        epoch, place = divmod(step.number, an_epoch)
        mirrored[epoch, step.rows] = step.mirrored
        if place == an_epoch // 2:
            kept.append(copy.deepcopy(step.network))

    labels = torch.as_tensor(train.labels, dtype=torch.int64)
    final = _fit(settings, views, labels, subset.masks[0], int(subset.seeds[0]), subset.common, keep)
    stretches: list[Stretch] = [
        Epoch(epoch * an_epoch, (epoch + 1) * an_epoch, PatchNets([kept[epoch]], patches), views, mirrored[epoch])
        for epoch in range(max(0, settings.epochs - epochs), settings.epochs)
    ]
    averaged = max(1, round(settings.average * len(rates)))
    return LastEpochs(
        PatchNets([final], patches),
        stretches,
        np.array(rates),
        settings.momentum,
        settings.weight_decay,
        averaged,
        size / an_epoch,
    )


def differentiable(
    settings: PatchNet, train: Split, seed: int, weights: np.ndarray, size: int, steps_of: int | None = None
) -> PatchTraining:
    """The training of one network; see `influence.learners.differentiable.Differentiable`."""
    patches = prepare(settings, train).patches
    views = patches.views(settings.flip)
    labels = torch.as_tensor(train.labels, dtype=torch.int64)
    stream = np.random.Generator(np.random.Philox(seed))
    sizes = Sizes(views[0].shape[2], settings.width, settings.grid**2, int(labels.max()) + 1)
    network = build(sizes.channels, settings.width, settings.grid, sizes.classes, stream)
    order, mirrored = [], []
    total = settings.epochs * steps_an_epoch(size if steps_of is None else steps_of, settings.batch_size)
    common = common_order(stream, len(train), size, settings.epochs, settings.batch_size, steps_of)
    for number, (rows, divisor) in enumerate(common):
        order.append(TrainingStep(rows, settings.learning_rate * rising_and_falling(number, total), divisor))
        mirrored.append(torch.from_numpy(stream.random(len(rows)) < 0.5) & settings.flip)
    return PatchTraining(
        patches.of,
        views,
        labels,
        sizes,
        as_vector(network, sizes),
        order,
        mirrored,
        SGD(settings.momentum, nesterov=True, weight_decay=settings.weight_decay),
        torch.as_tensor(weights, dtype=torch.float32),
        max(1, round(settings.average * total)),
    )


def _fit(
    settings: PatchNet,
    views: list[Tensor],
    labels: Tensor,
    mask: np.ndarray,
    seed: int,
    common: bool,
    keep: Callable[["Step"], None] = lambda step: None,
) -> nn.Sequential:
    """``keep`` is called after every step."""
    stream = np.random.Generator(np.random.Philox(seed))
    network = build(views[0].shape[2], settings.width, settings.grid, int(labels.max()) + 1, stream)
    descent = Descent(network, settings, settings.epochs * steps_an_epoch(int(mask.sum()), settings.batch_size))
    order = steps([stream], mask[None], common, settings.epochs, settings.batch_size)
    for step, (rows, weight, count) in enumerate(order):
        places = rows if weight is not None else rows[0]
        # Coins are thrown for every place of the order, so that with a common order none depends on who is out.
        coins = mirrored = torch.from_numpy(stream.random(len(places)) < 0.5) & settings.flip
        drawn = places
        if weight is not None:
            present = weight[0].bool()
            places, mirrored = places[present], mirrored[present]
        batch = seen(views, places, mirrored)
        logits = _logits(network, batch)
        loss = nn.functional.cross_entropy(logits.float(), labels[places], reduction="sum") / count
        rate = descent.step(step, loss)
        keep(Step(step, rate, network, drawn, coins))
    descent.finish()
    return network.eval().requires_grad_(False)


def _logits(network: nn.Sequential, batch: Tensor) -> Tensor:
    """The outputs for a bfloat16 batch, by products in this machine's fastest type."""
    dtype = product_type()
    if dtype == torch.float32:
        outputs: Tensor = network(batch.float())
    else:
        with torch.autocast("cpu", dtype):
            outputs = network(batch)
    return outputs


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
    """Copy the fixed layer and the network into one."""
    whole = nn.Sequential(patches.layer, *network)
    return {name: value.detach().clone() for name, value in whole.state_dict().items()}
