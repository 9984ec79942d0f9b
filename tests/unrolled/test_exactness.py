"""Derivatives through a training against differences of real retrainings, in float64."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from influence.unrolled.adjoint import back
from influence.unrolled.modules import ModuleTraining
from influence.unrolled.optimizers import SGD, Adam, Optimizer
from influence.unrolled.training import Step, shuffled
from influence.unrolled.trajectory import Trajectory
from tests.unrolled.retraining import differences, retrained


def cross_entropy(outputs: Tensor, labels: Tensor) -> Tensor:
    return nn.functional.cross_entropy(outputs, labels, reduction="none")


def squared_error(outputs: Tensor, labels: Tensor) -> Tensor:
    return (outputs[:, 0] - labels).square()


def margin(outputs: Tensor, labels: Tensor) -> Tensor:
    return outputs.gather(1, labels[:, None])[:, 0] - outputs.logsumexp(1)


def triangle(step: int, total: int) -> float:
    return 0.3 * min((step + 1) / 3, (total - step) / total)


def classifier(**settings: Any) -> ModuleTraining:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 5), nn.GELU(), nn.Linear(5, 3)).double()
    inputs, labels = torch.randn(12, 4, dtype=torch.float64), torch.arange(12) % 3
    steps = shuffled(12, 4, 5, triangle, seed=1)
    return ModuleTraining(model, cross_entropy, inputs, labels, **({"steps": steps} | settings))


def convolutional(optimizer: Optimizer) -> ModuleTraining:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(8, 3)).double()
    inputs, labels = torch.randn(9, 1, 6, 6, dtype=torch.float64), torch.arange(9) % 3
    return ModuleTraining(model, cross_entropy, inputs, labels, shuffled(9, 3, 4, 0.2, seed=1), optimizer)


def regression(optimizer: Optimizer, activation: nn.Module, rate: float = 0.02) -> ModuleTraining:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 6), activation, nn.Linear(6, 4), activation, nn.Linear(4, 1)).double()
    inputs, labels = torch.randn(10, 3, dtype=torch.float64), torch.randn(10, dtype=torch.float64)
    return ModuleTraining(model, squared_error, inputs, labels, shuffled(10, 5, 6, rate, seed=1), optimizer)


HALF_ABSENT = torch.tensor([1.0, 0.0] * 6, dtype=torch.float64)
MIXED = torch.linspace(0.2, 1.5, 12, dtype=torch.float64)

CASES = {
    "sgd": (classifier(), 1e-3),
    "decay": (classifier(optimizer=SGD(weight_decay=0.05)), 1e-3),
    "momentum": (classifier(optimizer=SGD(0.9)), 1e-3),
    "momentum, decay, average": (classifier(optimizer=SGD(0.9, weight_decay=0.05), averaged=4), 1e-3),
    "nesterov": (classifier(optimizer=SGD(0.9, nesterov=True)), 1e-3),
    "nesterov, decay, average": (classifier(optimizer=SGD(0.9, True, 0.05), averaged=5), 1e-3),
    "average over all steps": (classifier(optimizer=SGD(0.9, True, 0.05), averaged=15), 1e-3),
    "half absent": (classifier(optimizer=SGD(0.9, True, 0.05), averaged=3, weights=HALF_ABSENT), 1e-3),
    "centre": (classifier(optimizer=SGD(0.9, True, 0.05), weights=torch.full((12,), 0.5).double()), 1e-3),
    "other weights": (classifier(optimizer=SGD(0.5), weights=MIXED), 1e-3),
    "adam": (classifier(optimizer=Adam()), 1e-3),
    "adam, a large eps": (classifier(optimizer=Adam(eps=1e-2)), 1e-3),
    "adam, decay, average": (classifier(optimizer=Adam(weight_decay=0.05), averaged=4), 1e-3),
    "adamw, other betas": (classifier(optimizer=Adam(0.8, 0.95, 1e-6, 0.1, decoupled=True)), 1e-3),
    "adam at the centre": (classifier(optimizer=Adam(), weights=torch.full((12,), 0.5).double()), 1e-3),
    "a convolution": (convolutional(SGD(0.9, True, 0.01)), 1e-3),
    "a convolution by adam": (convolutional(Adam(eps=1e-4)), 1e-3),
    "regression by adam": (regression(Adam(), nn.GELU()), 1e-3),
    "regression by adamw": (regression(Adam(weight_decay=0.1, decoupled=True), nn.Tanh()), 1e-3),
    "rectified regression": (regression(SGD(0.9), nn.ReLU()), 1e-5),
}


@pytest.mark.parametrize("case", CASES)
def test_derivatives_are_those_of_retraining(case: str) -> None:
    training, width = CASES[case]
    is_regression = training.labels.is_floating_point()
    torch.manual_seed(5)
    inputs = torch.randn(3, *training.inputs.shape[1:], dtype=torch.float64)
    labels = torch.randn(3, dtype=torch.float64) if is_regression else torch.arange(3)
    output = squared_error if is_regression else margin

    trajectory = Trajectory(training)
    gradients = training.output_gradients(trajectory.final, inputs, labels, output)
    found = back(trajectory, gradients)

    expected = differences(training, lambda model: output(model(inputs), labels), width, fourth_order=width > 1e-4)
    assert (found - expected).abs().max() < 1e-6 * expected.abs().max()


@pytest.mark.parametrize("optimizer", [SGD(0.9, True, 0.05), Adam(), Adam(weight_decay=0.1, decoupled=True)])
def test_the_training_is_torchs(optimizer: Optimizer) -> None:
    training = classifier(optimizer=optimizer, averaged=4, weights=MIXED)
    final = torch.cat([each.flatten() for each in retrained(training, MIXED).parameters()]).detach()
    torch.testing.assert_close(Trajectory(training).final, final, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("optimizer", [SGD(0.9, True, 0.05), Adam()])
def test_moments_done_again_are_those_that_were_kept(optimizer: Optimizer) -> None:
    training = classifier(optimizer=optimizer, averaged=4)
    kept, again = Trajectory(training), Trajectory(training, memory=1)
    gradients = torch.randn(2, len(kept.final), dtype=torch.float64)
    assert [moment.number for moment in again.backwards()] == list(reversed(range(len(training.steps))))
    assert torch.equal(back(kept, gradients), back(again, gradients))


def test_a_rectified_unit_that_never_fires_has_no_derivative() -> None:
    training = regression(Adam(), nn.ReLU())
    with torch.no_grad():
        training.model[0].bias[0] = -100.0
    trajectory = Trajectory(training)
    assert torch.isfinite(back(trajectory, torch.randn(2, len(trajectory.final), dtype=torch.float64))).all()


def test_a_group_costs_one_target_and_is_the_sum() -> None:
    training = classifier(optimizer=SGD(0.9, True, 0.05))
    trajectory = Trajectory(training)
    gradients = torch.randn(4, len(trajectory.final), dtype=torch.float64)
    torch.testing.assert_close(
        back(trajectory, gradients.sum(0, keepdim=True))[0], back(trajectory, gradients).sum(0), rtol=1e-9, atol=1e-12
    )


def test_an_example_may_come_twice_in_a_batch() -> None:
    steps = [Step(torch.tensor([0, 1, 1, 2]), 0.2, 4.0), Step(torch.tensor([3, 4, 1, 3]), 0.1, 4.0)]
    training = classifier(steps=steps, optimizer=SGD(0.9))
    trajectory = Trajectory(training)
    inputs, labels = training.inputs[:2], training.labels[:2]
    found = back(trajectory, training.output_gradients(trajectory.final, inputs, labels, margin))
    expected = differences(training, lambda model: margin(model(inputs), labels), 1e-3)
    assert (found - expected).abs().max() < 1e-7 * expected.abs().max()
