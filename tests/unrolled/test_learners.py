"""Derivatives written by hand against those by torch.func, and their trainings against the learners'."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from influence.datasets import Split
from influence.learners.base import Subsets
from influence.learners.differentiable import Differentiable
from influence.learners.mlp import Mlp
from influence.learners.mlp.derivatives import MlpTraining
from influence.learners.patchnet import PatchNet
from influence.learners.patchnet.derivatives import PatchTraining, Sizes
from influence.unrolled.adjoint import back
from influence.unrolled.modules import ModuleTraining
from influence.unrolled.optimizers import SGD
from influence.unrolled.training import shuffled
from influence.unrolled.trajectory import Trajectory

N, FIELDS, CHANNELS, WIDTH, CLASSES = 12, 4, 6, 5, 3
STEPS = shuffled(N, 4, 4, 0.3, seed=1)
LABELS = torch.arange(N) % CLASSES
WEIGHTS = torch.linspace(0, 1.3, N, dtype=torch.float64)


class ByField(nn.Module):
    """What `PatchTraining` trains, with the last layer's columns in its order."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(CHANNELS, WIDTH), nn.Linear(WIDTH * FIELDS, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(nn.functional.gelu(self.first(x)).transpose(1, 2).flatten(1))


class Augmented(nn.Module):
    """A layer with its bias as a last row, as `MlpTraining` has it."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.both = nn.Parameter(torch.randn(n_in + 1, n_out) / n_in**0.5)

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.both[:-1] + self.both[-1]


def cross_entropy(outputs: Tensor, labels: Tensor) -> Tensor:
    return nn.functional.cross_entropy(outputs, labels, reduction="none")


def patches() -> tuple[ModuleTraining, PatchTraining, Tensor]:
    torch.manual_seed(0)
    answers = torch.randn(N, FIELDS, CHANNELS, dtype=torch.float64)
    generic = ModuleTraining(
        ByField().double(), cross_entropy, answers, LABELS, STEPS, SGD(0.9, True, 0.02), WEIGHTS, averaged=3
    )
    own = PatchTraining(
        torch.from_numpy,
        [answers],
        LABELS,
        Sizes(CHANNELS, WIDTH, FIELDS, CLASSES),
        generic.start(),
        STEPS,
        [torch.zeros(len(step.rows), dtype=torch.bool) for step in STEPS],
        generic.optimizer,
        WEIGHTS,
        averaged=3,
        operands=torch.float64,
    )
    return generic, own, answers


def layers() -> tuple[ModuleTraining, MlpTraining, Tensor]:
    torch.manual_seed(0)
    inputs = torch.randn(N, CHANNELS, dtype=torch.float64)
    model = nn.Sequential(Augmented(CHANNELS, WIDTH), nn.ReLU(), Augmented(WIDTH, CLASSES)).double()
    generic = ModuleTraining(model, cross_entropy, inputs, LABELS, STEPS, SGD(0.9, False, 0.02), WEIGHTS)
    with_one = torch.cat([inputs, inputs.new_ones(N, 1)], dim=1)
    own = MlpTraining(
        torch.from_numpy,
        with_one,
        nn.functional.one_hot(LABELS).double(),
        *(each.detach() for each in model.parameters()),
        STEPS,
        generic.optimizer,
        WEIGHTS,
    )
    return generic, own, with_one


@pytest.mark.parametrize("make", [patches, layers])
def test_by_hand_as_by_torch(make: Any) -> None:
    generic, own, seen = make()
    expected, found = Trajectory(generic), Trajectory(own)
    torch.testing.assert_close(found.final, expected.final, rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(own.outputs(found.final, seen), generic.outputs(expected.final, generic.inputs))

    logits = own.outputs(found.final, seen).requires_grad_()
    (by_logits,) = torch.autograd.grad(logits[:, 1].sum() - logits.logsumexp(1).sum(), logits)
    gradients = own.output_gradients(found.final, seen, by_logits)
    torch.testing.assert_close(
        gradients,
        generic.output_gradients(
            expected.final, generic.inputs, LABELS, lambda outputs, labels: outputs[:, 1] - outputs.logsumexp(1)
        ),
    )
    scores, wanted = back(found, gradients), back(expected, gradients)
    assert (scores - wanted).abs().max() < 1e-12 * wanted.abs().max()


def pictures(n: int, seed: int) -> Split:
    random = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    inputs = random.integers(0, 80, size=(n, 10, 10), dtype=np.uint8)
    inputs[:, :5] += (60 * labels).astype(np.uint8)[:, None, None]
    return Split(np.arange(n, dtype=np.int32), inputs, labels.astype(np.int64))


LEARNERS: list[tuple[Differentiable, float]] = [
    (Mlp(width=8, epochs=3, batch_size=16), 1e-5),
    (PatchNet(filters=8, patch=3, grid=2, width=8, epochs=3, batch_size=16), 0.03),  # products in bfloat16
]


@pytest.mark.parametrize(("learner", "tolerance"), LEARNERS)
@pytest.mark.parametrize("is_subset", [True, False])
def test_the_training_is_the_learners(learner: Differentiable, tolerance: float, is_subset: bool) -> None:
    train, test = pictures(60, 0), pictures(20, 1)
    mask = np.random.default_rng(2).permutation(60) < (30 if is_subset else 60)
    subsets = Subsets(mask[None], np.array([7], np.uint64), common=True)
    expected = learner.fit(train, subsets).logits(test.inputs)[0]
    training = learner.training(train, 7, mask.astype(float), int(mask.sum()))
    found = training.outputs(Trajectory(training).final, training.seen(test.inputs)).numpy()
    assert np.abs(found - expected).max() < tolerance * np.abs(expected).max()


@pytest.mark.parametrize("learner", [each for each, _ in LEARNERS])
def test_what_is_left_out_changes_no_other_place(learner: Differentiable) -> None:
    """Divisors follow from how many are expected to count, the number of steps from how many there are."""
    train = pictures(60, 0)
    whole, left = (learner.training(train, 7, np.full(60, w), size, 60) for w, size in ((1.0, 60), (0.5, 30)))
    assert len(left.steps) == len(whole.steps) > len(learner.training(train, 7, np.ones(60), 30).steps)
    for one, other in zip(whole.steps, left.steps, strict=True):
        assert torch.equal(one.rows, other.rows)
        assert (one.rate, one.divisor) == (other.rate, 2 * other.divisor)


@pytest.mark.parametrize(
    ("learner", "least"), [(Mlp(width=8, epochs=3, batch_size=30, learning_rate=0.01), 0.85), (LEARNERS[1][0], 0.99)]
)
def test_removals_are_predicted(learner: Differentiable, least: float) -> None:
    """Sums of derivatives at the centre against subset trainings of common seeds.

    Over ten seeds of pictures and subsets, .93 to .999 for the former and above .999 for the latter.
    """
    train, test = pictures(60, 0), pictures(20, 1)
    random = np.random.default_rng(3)
    masks = np.stack([random.permutation(60) < 54 for _ in range(40)])
    logits = learner.fit(train, Subsets(masks, np.full(40, 7, np.uint64), common=True)).logits(test.inputs)
    observed = logits[:, :, 1] - logits[:, :, 2]

    training = learner.training(train, 7, np.full(60, 0.9), 54)
    trajectory = Trajectory(training)
    by_logits = torch.tensor([0.0, 1.0, -1.0]).expand(20, 3)
    gradients = training.output_gradients(trajectory.final, training.seen(test.inputs), by_logits)
    predicted = masks @ back(trajectory, gradients).double().numpy().T
    correlations = [np.corrcoef(predicted[:, i], observed[:, i])[0, 1] for i in range(20)]
    assert np.mean(correlations) > least


def test_products_in_bfloat16_are_close() -> None:
    train = pictures(60, 0)
    learner = LEARNERS[1][0]
    training = learner.training(train, 7, np.ones(60), 60)
    rounded, exact = (replace(training, operands=dtype) for dtype in (torch.bfloat16, torch.float32))
    theta, directions = training.start() + 0.01, torch.randn(5, len(training.start()))
    for found, expected in zip(
        rounded.products(0, theta, directions), exact.products(0, theta, directions), strict=True
    ):
        assert (found - expected).norm() < 0.02 * expected.norm()
