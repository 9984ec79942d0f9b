"""The learner of `influence.learners.mlp`: its settings, and the training of many models at once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from influence.config import Real, setting
from influence.datasets import Split
from influence.learners.base import Subsets
from influence.learners.checkpoints import Checkpoint
from influence.learners.differentiable import Differentiable
from influence.learners.mlp.derivatives import MlpTraining
from influence.learners.mlp.networks import Mlps, flattened
from influence.learners.toolkit.orders import common_order, steps, steps_an_epoch
from influence.learners.toolkit.scaling import mean_and_deviation
from influence.learners.toolkit.schedule import falling
from influence.learners.toolkit.threads import in_threads
from influence.learners.traceable import TraceableTogether, Traced
from influence.unrolled.optimizers import SGD
from influence.unrolled.training import Step


class Mlp(TraceableTogether, Differentiable):
    """A network with one hidden layer of ReLU units: SGD with momentum on the cross-entropy, linear decay to zero.

    Inputs are shifted and scaled by two numbers, mean and standard deviation over the whole training part. Weights
    start with He's variance, biases at zero.
    """

    name: Literal["mlp"] = "mlp"
    width: int = setting(32, "Hidden units.", ge=1)
    epochs: int = setting(30, "Passes over the examples of a subset.", ge=1)
    batch_size: int = setting(
        64,
        "Training examples in a step, about: an epoch has as many steps of equal size as come nearest to it. Where the "
        "order is common to all models, the expected number of examples of the subset in a step.",
        ge=1,
    )
    learning_rate: Real = setting(0.1, "Learning rate at the start; it falls linearly to zero.", gt=0)
    momentum: Real = setting(0.9, "Momentum of SGD.", ge=0, lt=1)
    weight_decay: Real = setting(5e-3, "Coefficient of half the squared norm of weights and biases.", ge=0)

    @property
    def batch(self) -> int:
        return 50

    def fit(self, train: Split, subsets: Subsets) -> Mlps:
        """Train one network a subset; subsets of one size are trained together, shared out among torch's threads."""
        return self.checkpoints(train, subsets, self.epochs)[-1][1]

    def checkpoints(self, train: Split, subsets: Subsets, every: int) -> list[tuple[float, Mlps]]:
        """The same networks after every so many epochs and at the end, each with the learning rate in force there."""
        examples = _Examples.of(train)
        sizes = subsets.masks.sum(axis=1)
        parts = [
            part
            for size in np.unique(sizes)
            for part in np.array_split(np.flatnonzero(sizes == size), torch.get_num_threads())
            if len(part)
        ]

        def work(part: np.ndarray) -> list[tuple[float, Tensor, Tensor]]:
            return self._fit(examples, subsets.masks[part], subsets.seeds[part], subsets.common, every)

        kept = in_threads(work, parts)
        order = torch.from_numpy(np.argsort(np.concatenate(parts)))
        result = []
        for moment in zip(*kept, strict=True):  # the rates differ by rounding, if subsets differ in size
            w1, w2 = (torch.cat([each[layer] for each in moment])[order] for layer in (1, 2))
            result.append((moment[0][0], Mlps(w1, w2, examples.mean, examples.scale)))
        return result

    @property
    def recipe(self) -> str:
        return (
            f"mlp: one hidden layer of {self.width} ReLU units, SGD with momentum {self.momentum:g} and weight decay "
            f"{self.weight_decay:g} on the cross-entropy, the rate falling linearly to zero"
        )

    def trace(
        self, train: Split, seed: int, every: int, on_epoch: Callable[[int], None] = lambda epoch: None
    ) -> Traced:
        """One network on the whole training part; see `influence.learners.traceable.Traceable`."""
        everyone = Subsets(np.ones((1, len(train)), bool), np.array([seed], np.uint64))
        moments = self.checkpoints(train, everyone, every)
        on_epoch(self.epochs)
        epochs = [*range(every, self.epochs, every), self.epochs]
        checkpoints = [
            Checkpoint(networks.module().state_dict(), rate, epoch)
            for (rate, networks), epoch in zip(moments, epochs, strict=True)
        ]
        return Traced(moments[-1][1].module(), checkpoints)

    def training(self, train: Split, seed: int, weights: np.ndarray, size: int) -> MlpTraining:
        """See `influence.learners.differentiable.Differentiable`."""
        examples = _Examples.of(train)
        stream = np.random.Generator(np.random.Philox(seed))
        w1, w2 = _initial_weights([stream], examples.inputs.shape[1] - 1, self.width, examples.onehot.shape[1])
        order = list(common_order(stream, len(train), size, self.epochs, self.batch_size))
        return MlpTraining(
            lambda inputs: flattened(inputs, examples.mean, examples.scale),
            examples.inputs,
            examples.onehot,
            w1[0],
            w2[0],
            [Step(rows, self.learning_rate * falling(i, len(order)), n) for i, (rows, n) in enumerate(order)],
            SGD(self.momentum, weight_decay=self.weight_decay),
            torch.as_tensor(weights, dtype=torch.float32),
        )

    def _fit(
        self, examples: "_Examples", masks: np.ndarray, seeds: np.ndarray, common: bool, every: int
    ) -> list[tuple[float, Tensor, Tensor]]:
        """Learning rate and weights of both layers, (k, n_in + 1, width) and (k, width + 1, n_classes), at every
        checkpoint; the last row is the bias.
        """
        streams = [np.random.Generator(np.random.Philox(int(seed))) for seed in seeds]
        w1, w2 = _initial_weights(streams, examples.inputs.shape[1] - 1, self.width, examples.onehot.shape[1])
        v1, v2 = torch.zeros_like(w1), torch.zeros_like(w2)
        an_epoch = steps_an_epoch(int(masks[0].sum()), self.batch_size)
        total = self.epochs * an_epoch
        h1 = torch.empty(0)
        kept = []
        order = steps(streams, masks, common, self.epochs, self.batch_size)
        for step, (rows, weight, count) in enumerate(order):
            rate = self.learning_rate * falling(step, total)
            x = examples.inputs[rows]  # (k, b, n_in + 1), or (b, n_in + 1) where the order is common
            y = examples.onehot[rows]
            x = x.expand(len(w1), -1, -1)
            if h1.shape[1:2] != x.shape[1:2]:
                h1 = x.new_ones(len(w1), x.shape[1], self.width + 1)  # the last column stays 1, for the bias
            torch.bmm(x, w1, out=(z := x.new_empty(len(w1), x.shape[1], self.width)))
            h1[:, :, :-1] = z.relu_()
            delta2 = torch.softmax(torch.bmm(h1, w2), dim=2).sub_(y)
            if weight is not None:
                delta2.mul_(weight[:, :, None])
            delta1 = torch.bmm(delta2, w2[:, :-1].transpose(1, 2))
            delta1 = torch.ops.aten.threshold_backward(delta1, z, 0)
            for w, v, inputs, delta in ((w1, v1, x, delta1), (w2, v2, h1, delta2)):
                v.baddbmm_(inputs.transpose(1, 2), delta, beta=self.momentum, alpha=1 / count)
                if self.weight_decay:
                    v.add_(w, alpha=self.weight_decay)
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
