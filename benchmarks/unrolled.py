"""Exact derivatives through a training: against a loop of torch.autograd, and against the machine's matrix products.

python -m benchmarks.unrolled            both, about two minutes on two quiet cores
python -m benchmarks.unrolled digits     the digits' training: by hand, by torch.func, by a loop over the targets
python -m benchmarks.unrolled patchnet   one step back through a training of CIFAR-10's size, on random pictures
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from influence import datasets
from influence.datamodels.priors.margins import margin_gradients
from influence.learners.mlp import Mlp
from influence.learners.mlp.derivatives import MlpTraining
from influence.learners.patchnet.derivatives import PatchTraining, Sizes
from influence.learners.toolkit.threads import in_threads
from influence.products import product_type
from influence.unrolled.adjoint import back
from influence.unrolled.modules import ModuleTraining
from influence.unrolled.optimizers import SGD
from influence.unrolled.training import Step
from influence.unrolled.trajectory import Trajectory

TARGETS = 16


class Layer(nn.Module):
    """A linear layer with its bias as a last row."""

    def __init__(self, both: Tensor) -> None:
        super().__init__()
        self.both = nn.Parameter(both.clone())

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.both[:-1] + self.both[-1]


def seconds(work: Callable[[], Tensor], repeat: int = 3) -> tuple[float, Tensor]:
    """The median, and what the work gave."""
    taken = []
    for _ in range(repeat):
        started = time.perf_counter()
        result = work()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken), result


def digits() -> None:
    """Derivatives of some margins by all training digits, three ways, in the same precision."""
    data = datasets.load("digits")
    own = Mlp().training(data.train, 0, np.ones(len(data.train)), len(data.train))
    assert isinstance(own, MlpTraining)
    network = nn.Sequential(Layer(own.first), nn.ReLU(), Layer(own.second))
    labels = own.onehot.argmax(1)
    generic = ModuleTraining(network, _cross_entropy, own.inputs[:, :-1], labels, own.steps, own.optimizer)
    trajectory = Trajectory(own)
    seen = own.seen(data.test.inputs[:TARGETS])
    by_logits, _ = margin_gradients(own.outputs(trajectory.final, seen)[None].numpy(), data.test.labels[:TARGETS])
    gradients = own.output_gradients(trajectory.final, seen, torch.from_numpy(by_logits[0]))
    by_hand, scores = seconds(lambda: back(trajectory, gradients))
    by_torch, others = seconds(lambda: back(Trajectory(generic), gradients), repeat=1)
    looped, loop_scores = seconds(lambda: torch.stack([_looped(trajectory, generic, each) for each in gradients]), 1)
    print(f"digits, {len(own.steps)} steps, {TARGETS} targets, all {len(data.train)} training examples:")
    for name, taken, found in (
        ("by hand", by_hand, scores),
        ("torch.func, training included", by_torch, others),
        ("a loop of torch.autograd over the targets", looped, loop_scores),
    ):
        apart = (found - scores).abs().max() / scores.abs().max()
        print(f"  {name:42} {taken:7.2f} s  {taken / by_hand:6.1f} times  differs by {apart:.1e} of the largest")


def _cross_entropy(outputs: Tensor, labels: Tensor) -> Tensor:
    return nn.functional.cross_entropy(outputs, labels, reduction="none")


def _looped(trajectory: Trajectory, training: ModuleTraining, gradient: Tensor) -> Tensor:
    """One target by two backward passes a step, as published implementations do it, for SGD with momentum."""
    optimizer = training.optimizer
    assert isinstance(optimizer, SGD)
    scores, by_weights, by_velocity = torch.zeros(len(training.weights)), gradient.clone(), torch.zeros_like(gradient)
    for number, theta, _ in trajectory.backwards():
        step = training.steps[number]
        by_velocity -= step.rate * by_weights
        point = theta.clone().requires_grad_()
        weights = torch.ones(len(step.rows), requires_grad=True)
        first, second = point.split([training.model[0].both.numel(), training.model[2].both.numel()])
        w1, w2 = first.view_as(training.model[0].both), second.view_as(training.model[2].both)
        hidden = (training.inputs[step.rows] @ w1[:-1] + w1[-1]).relu()
        losses = _cross_entropy(hidden @ w2[:-1] + w2[-1], training.labels[step.rows])
        (slope,) = torch.autograd.grad((weights * losses).sum() / step.divisor, point, create_graph=True)
        product, by_example = torch.autograd.grad((slope * by_velocity).sum(), (point, weights))
        scores.index_add_(0, step.rows, by_example)
        by_weights = by_weights + product + optimizer.weight_decay * by_velocity
        by_velocity = optimizer.momentum * by_velocity
    return scores


def patchnet() -> None:
    """Steps back through patchnet's default training, as a share of the machine's matrix products in the same type."""
    n, batch, sizes = 2000, 250, Sizes(512, 64, 16, 10)
    channels, width, fields, classes = sizes
    count = width * channels + width + classes * width * fields + classes
    steps = [Step(torch.arange(start, start + batch), 0.05, batch) for start in range(0, n, batch)]
    training = PatchTraining(
        torch.from_numpy,
        [torch.randn(n, fields, channels).bfloat16()],
        torch.arange(n) % classes,
        sizes,
        torch.randn(count) * 0.02,
        steps,
        [torch.zeros(batch, dtype=torch.bool)] * len(steps),
        SGD(0.9, True, 2e-3),
        torch.ones(n),
        1,
    )
    trajectory = Trajectory(training)
    flop = 4 * fields * channels * width + 12 * classes * fields * width  # an example, step and target
    for targets in (2, 16, 256):
        blocks = torch.randn(targets, count).tensor_split(torch.get_num_threads())
        taken, _ = seconds(lambda blocks=blocks: torch.cat(in_threads(lambda part: back(trajectory, part), blocks)))
        rate, best = targets * n * flop / taken / 1e9, products(channels, width, fields * batch)
        print(f"patchnet, {targets:3} targets: {rate:4.0f} GFLOP/s, {rate / best:.0%} of {best:.0f} of torch.mm")


def products(channels: int, width: int, rows: int) -> float:
    """GFLOP/s of the step's largest matrix product alone, by as many threads."""
    left, right = (torch.randn(shape).to(product_type()) for shape in ((4 * width, channels), (rows, channels)))
    threads = torch.get_num_threads()

    def work(_: int) -> None:
        for _ in range(20):
            left @ right.T

    taken, _ = seconds(lambda: torch.tensor(len(in_threads(work, range(threads)))))
    return threads * 20 * 2 * 4 * width * channels * rows / taken / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=["digits", "patchnet"])
    what = parser.parse_args().what
    for work in (digits, patchnet):
        if what in (None, work.__name__):
            work()


if __name__ == "__main__":
    main()
