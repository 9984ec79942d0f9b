"""The training of many networks of `influence.learners.mlp.Mlp` at once."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from influence.datasets import Split
from influence.learners.base import Subsets
from influence.learners.mlp.derivatives import MlpTraining
from influence.learners.mlp.learner import Mlp
from influence.learners.mlp.networks import Mlps, flattened
from influence.learners.toolkit.checkpoints import Checkpoint
from influence.learners.toolkit.orders import common_order, steps, steps_an_epoch
from influence.learners.toolkit.scaling import mean_and_deviation
from influence.learners.toolkit.schedule import falling
from influence.learners.toolkit.threads import in_threads
from influence.learners.traceable import Traced
from influence.unrolled.optimizers import SGD
from influence.unrolled.training import Step


def checkpoints(settings: Mlp, train: Split, subsets: Subsets, every: int) -> list[tuple[float, Mlps]]:
    """Train one network a subset; see `Mlp.checkpoints`."""
    examples = _Examples.of(train)
    sizes = subsets.masks.sum(axis=1)
    parts = [
        part
        for size in np.unique(sizes)
        for part in np.array_split(np.flatnonzero(sizes == size), torch.get_num_threads())
        if len(part)
    ]

    def work(part: np.ndarray) -> list[tuple[float, Tensor, Tensor]]:
        return _fit(settings, examples, subsets.masks[part], subsets.seeds[part], subsets.common, every)

    kept = in_threads(work, parts)
    order = torch.from_numpy(np.argsort(np.concatenate(parts)))
    result = []
    for moment in zip(*kept, strict=True):  # the rates differ by rounding, if subsets differ in size
        w1, w2 = (torch.cat([each[layer] for each in moment])[order] for layer in (1, 2))
        result.append((moment[0][0], Mlps(w1, w2, examples.mean, examples.scale)))
    return result


def trace(settings: Mlp, train: Split, seed: int, every: int, on_epoch: Callable[[int], None]) -> Traced:
    """Train one network on the whole training part; see `influence.learners.traceable.Traceable`."""
    everyone = Subsets(np.ones((1, len(train)), bool), np.array([seed], np.uint64))
    moments = checkpoints(settings, train, everyone, every)
    on_epoch(settings.epochs)
    epochs = [*range(every, settings.epochs, every), settings.epochs]
    kept = [
        Checkpoint(networks.module().state_dict(), rate, epoch)
        for (rate, networks), epoch in zip(moments, epochs, strict=True)
    ]
    return Traced(moments[-1][1].module(), kept)


def differentiable(
    settings: Mlp, train: Split, seed: int, weights: np.ndarray, size: int, steps_of: int | None = None
) -> MlpTraining:
    """The training of one network; see `influence.learners.differentiable.Differentiable`."""
    examples = _Examples.of(train)
    stream = np.random.Generator(np.random.Philox(seed))
    w1, w2 = _initial_weights([stream], examples.inputs.shape[1] - 1, settings.width, examples.onehot.shape[1])
    order = list(common_order(stream, len(train), size, settings.epochs, settings.batch_size, steps_of))
    return MlpTraining(
        lambda inputs: flattened(inputs, examples.mean, examples.scale),
        examples.inputs,
        examples.onehot,
        w1[0],
        w2[0],
        [Step(rows, settings.learning_rate * falling(i, len(order)), n) for i, (rows, n) in enumerate(order)],
        SGD(settings.momentum, weight_decay=settings.weight_decay),
        torch.as_tensor(weights, dtype=torch.float32),
    )


def _fit(
    settings: Mlp, examples: "_Examples", masks: np.ndarray, seeds: np.ndarray, common: bool, every: int
) -> list[tuple[float, Tensor, Tensor]]:
    """Learning rate and weights of both layers, (k, n_in + 1, width) and (k, width + 1, n_classes), at every
    checkpoint; the last row is the bias.
    """
    streams = [np.random.Generator(np.random.Philox(int(seed))) for seed in seeds]
    w1, w2 = _initial_weights(streams, examples.inputs.shape[1] - 1, settings.width, examples.onehot.shape[1])
    v1, v2 = torch.zeros_like(w1), torch.zeros_like(w2)
    an_epoch = steps_an_epoch(int(masks[0].sum()), settings.batch_size)
    total = settings.epochs * an_epoch
    h1 = torch.empty(0)
    kept = []
    order = steps(streams, masks, common, settings.epochs, settings.batch_size)
    for step, (rows, weight, count) in enumerate(order):
        rate = settings.learning_rate * falling(step, total)
        x = examples.inputs[rows]  # (k, b, n_in + 1), or (b, n_in + 1) where the order is common
        y = examples.onehot[rows]
        x = x.expand(len(w1), -1, -1)
        if h1.shape[1:2] != x.shape[1:2]:
            h1 = x.new_ones(len(w1), x.shape[1], settings.width + 1)  # the last column stays 1, for the bias
        torch.bmm(x, w1, out=(z := x.new_empty(len(w1), x.shape[1], settings.width)))
        h1[:, :, :-1] = z.relu_()
        delta2 = torch.softmax(torch.bmm(h1, w2), dim=2).sub_(y)
        if weight is not None:
            delta2.mul_(weight[:, :, None])
        delta1 = torch.bmm(delta2, w2[:, :-1].transpose(1, 2))
        delta1 = torch.ops.aten.threshold_backward(delta1, z, 0)
        for w, v, inputs, delta in ((w1, v1, x, delta1), (w2, v2, h1, delta2)):
            v.baddbmm_(inputs.transpose(1, 2), delta, beta=settings.momentum, alpha=1 / count)
            if settings.weight_decay:
                v.add_(w, alpha=settings.weight_decay)
        w1.sub_(v1, alpha=rate)
        w2.sub_(v2, alpha=rate)
        if (step + 1) % (every * an_epoch) == 0 or step + 1 == total:
            kept.append((rate, w1.clone(), w2.clone()))
    return kept


@dataclass(frozen=True)
class _Examples:
    """The training part as the networks see it."""

    inputs: Tensor  # (n, n_in + 1) float32, the last column 1
    onehot: Tensor  # (n, n_classes) float32
    mean: float
    scale: float

    @classmethod
    def of(cls, train: Split) -> "_Examples":
        mean, scale = mean_and_deviation(train.inputs)
        labels = torch.as_tensor(train.labels, dtype=torch.int64)
        onehot = torch.nn.functional.one_hot(labels).to(torch.float32)
        return cls(flattened(train.inputs, mean, scale), onehot, mean, scale)


def _initial_weights(
    streams: list[np.random.Generator], n_in: int, width: int, n_classes: int
) -> tuple[Tensor, Tensor]:
    """Drawn from each model's own stream, so that a model's weights depend on its seed alone."""
    w1 = np.zeros((len(streams), n_in + 1, width), np.float32)
    w2 = np.zeros((len(streams), width + 1, n_classes), np.float32)
    for model, stream in enumerate(streams):
        w1[model, :-1] = stream.standard_normal((n_in, width), np.float32) * np.float32(np.sqrt(2 / n_in))
        w2[model, :-1] = stream.standard_normal((width, n_classes), np.float32) * np.float32(np.sqrt(2 / width))
    return torch.from_numpy(w1), torch.from_numpy(w2)
