"""The training of `influence.learners.convnet.ConvNet`."""

from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from torch import Tensor, nn

from influence.datasets import Split
from influence.errors import InfluenceError
from influence.learners.base import Subsets
from influence.learners.convnet.learner import ConvNet
from influence.learners.convnet.networks import ConvNets, build, device_here, memory_explained, prepared_images
from influence.learners.toolkit.descent import Descent
from influence.learners.toolkit.orders import steps, steps_an_epoch
from influence.learners.toolkit.scaling import mean_and_deviation


def fit(settings: ConvNet, train: Split, subsets: Subsets) -> ConvNets:
    """Train one network a subset; see `ConvNet.fit`."""
    if 2 * settings.crop >= min(train.inputs.shape[1:3]):
        raise InfluenceError(
            f"crop is {settings.crop}, too much for images of {train.inputs.shape[1]} pixels: lower it."
        )
    device = device_here()
    scaling = mean_and_deviation(train.inputs)
    with memory_explained():
        images = prepared_images(train.inputs, scaling, device)
        labels = torch.as_tensor(train.labels, dtype=torch.int64, device=device)
        n_classes = int(train.labels.max()) + 1
        networks = [
            fit_one(settings, images, labels, n_classes, mask, int(seed), subsets.common).cpu()
            for mask, seed in zip(subsets.masks, subsets.seeds, strict=True)
        ]
    return ConvNets(networks, scaling)


def fit_one(
    settings: ConvNet, images: Tensor, labels: Tensor, n_classes: int, mask: np.ndarray, seed: int, common: bool
) -> nn.Sequential:
    device = images.device
    stream = np.random.Generator(np.random.Philox(seed))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed % 2**63)
        network = build(images.shape[1], settings.width, n_classes)
    network = network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    descent = Descent(network, settings, settings.epochs * steps_an_epoch(int(mask.sum()), settings.batch_size))
    network.train()
    order = steps([stream], mask[None], common, settings.epochs, settings.batch_size)
    for step, (rows, weight, count) in enumerate(order):
        places = rows if weight is not None else rows[0]
        # Shifts are drawn for every place of the order, so that with a common order nobody's depend on who is out.
        moves = moves_of(settings, len(places), stream)
        if weight is not None:  # chosen here, since a device would have to be waited for
            present = weight[0].bool()
            places, moves = places[present], moves[present]
        if len(places) < 2:  # batch normalisation has nothing to normalise by
            continue
        places = places.to(device)
        batch = augmented(settings, images[places], moves.to(device))
        with _mixed_precision(device):
            logits = network(batch)
        loss = nn.functional.cross_entropy(logits.float(), labels[places], reduction="sum") / count
        descent.step(step, loss)
    descent.finish()
    trained: nn.Sequential = network.eval().requires_grad_(False)
    return trained


def moves_of(settings: ConvNet, n: int, stream: np.random.Generator) -> Tensor:
    """(n, 3) int64: how far each image is shifted, down and to the right, and whether it is mirrored."""
    moves = np.zeros((n, 3), np.int64)
    if settings.crop:
        moves[:, :2] = stream.integers(2 * settings.crop + 1, size=(2, n)).T
    if settings.flip:
        moves[:, 2] = stream.random(n) < 0.5
    return torch.from_numpy(moves)


def augmented(settings: ConvNet, images: Tensor, moves: Tensor) -> Tensor:
    """Shift and mirror each image."""
    n, _, height, width = images.shape
    if settings.crop:
        padded = nn.functional.pad(images, (settings.crop,) * 4, mode="reflect")
        rows = moves[:, 0, None] + torch.arange(height, device=images.device)
        columns = moves[:, 1, None] + torch.arange(width, device=images.device)
        which = torch.arange(n, device=images.device)[:, None, None]
        images = padded.permute(0, 2, 3, 1)[which, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
    if settings.flip:
        images = torch.where(moves[:, 2, None, None, None].bool(), images.flip(3), images)
    return images


def _mixed_precision(device: torch.device) -> AbstractContextManager[object]:
    """bfloat16 where autocast says so, on CUDA alone."""
    return torch.autocast("cuda", torch.bfloat16) if device.type == "cuda" else nullcontext()
