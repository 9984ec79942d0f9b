"""Unrolled differentiation against autograd through the whole training, and its worth as a prior mean."""

import numpy as np
import pytest
import torch

from influence import datasets
from influence.datamodels.outcomes import OutcomeConfig, collect, read
from influence.datamodels.priors import sketched, sketched_prior
from influence.datamodels.priors.adjoint import Adjoint
from influence.datamodels.subsets import SubsetConfig, draw
from influence.learners.convnet import ConvNet
from influence.learners.patchnet import PatchNet
from influence.learners.unrollable import LastEpochs, Unrollable
from influence.measures.lds import lds

SMALL = PatchNet(filters=24, patch=3, stride=1, grid=3, width=16, epochs=6, batch_size=64, flip=True)


@pytest.mark.parametrize("averaged", [1, 4, 9])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_on_quadratic_losses_it_is_autograds_derivative_through_the_training(averaged, momentum):
    """Two epochs of five steps; every example of an epoch is in all its steps."""
    rng = np.random.default_rng(0)
    d, n, steps = 4, 6, 5
    rates, decay, divisor = rng.uniform(0.01, 0.1, 2 * steps), 0.03, 7.0
    root = torch.tensor(rng.normal(size=(2, d, d)))
    curvature = root @ root.transpose(1, 2)
    gradients = torch.tensor(rng.normal(size=(2, n, d)))
    targets = torch.tensor(rng.normal(size=(3, d)))

    def final(presence):
        theta, velocity, visited = torch.ones(d, dtype=torch.float64), torch.zeros(d, dtype=torch.float64), []
        for step, rate in enumerate(rates):
            epoch = step // steps
            gradient = curvature[epoch] @ theta + presence[epoch] @ gradients[epoch] / divisor + decay * theta
            velocity = momentum * velocity + gradient
            theta = theta - rate * (gradient + momentum * velocity)
            visited.append(theta)
        return targets @ torch.stack(visited[-averaged:]).mean(dim=0)

    truth = torch.autograd.functional.jacobian(final, torch.ones(2, n, dtype=torch.float64))
    adjoint = Adjoint(LastEpochs(None, [], rates, momentum, decay, averaged, divisor), targets)
    for epoch in (1, 0):
        direction = adjoint.back(epoch * steps, (epoch + 1) * steps, curvature[epoch])
        np.testing.assert_allclose(steps * direction @ gradients[epoch].T, truth[:, epoch], rtol=1e-9, atol=1e-12)


def test_an_unrolled_training_is_the_training():
    digits = datasets.load("digits")
    subset = draw(SubsetConfig(seeds="common"), np.array([3]), len(digits.train))
    unrolled = SMALL.unroll(digits.train, subset, 2)
    np.testing.assert_array_equal(
        unrolled.final.logits(digits.test.inputs), SMALL.fit(digits.train, subset).logits(digits.test.inputs)
    )
    first, last = unrolled.stretches
    assert (first.stop, last.stop, len(unrolled.rates)) == (last.start, 66, 66)
    rows = np.arange(200)
    plain = last.models.logits(digits.train.inputs[rows])
    mirrored = last.models.logits(digits.train.inputs[rows][:, :, ::-1])
    told = last.mirrored[rows].numpy()
    assert 60 < told.sum() < 140
    np.testing.assert_allclose(
        last.logits(rows)[0], np.where(told[:, None], mirrored[0], plain[0]), atol=0.05
    )  # bfloat16
    assert isinstance(SMALL, Unrollable)
    assert not isinstance(ConvNet(), Unrollable)


def test_the_derivative_through_the_training_predicts_better_than_the_linearised_end(tmp_path, monkeypatch):
    config = OutcomeConfig(dataset="digits", learner=SMALL, subsets=SubsetConfig(seeds="common"))
    collect(config, str(tmp_path / "store"), 32)
    held_out = read(str(tmp_path / "store"))
    centred = (held_out.masks - held_out.masks.mean(axis=0)).astype(np.float32)

    def score():
        mean = sketched_prior(config, 2, 0.3, 32).mean
        return lds(centred @ mean.T, held_out.margins, bootstrap=2).mean

    unrolled = score()
    monkeypatch.setattr(sketched, "Unrollable", ConvNet)  # so that this learner counts as one that is not
    assert unrolled > score() + 0.1
