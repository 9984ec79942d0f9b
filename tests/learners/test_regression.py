"""Training: what it refuses, that it repeats itself, and that it learns."""

import numpy as np
import pytest
import torch

from influence import InfluenceError
from influence.learners import regression
from influence.learners.regression import RegressionConfig, Standardised


def data(n: int = 300) -> Standardised:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(n + 100, 8, generator=generator)
    labels = inputs[:, 0] + 0.5 * inputs[:, 1].abs()
    return Standardised(inputs[:n], labels[:n], inputs[n:], labels[n:])


SHORT = RegressionConfig(epochs=1, checkpoint_every=1, batch_size=64)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 0}, "epochs is 0, but must be at least 1."),
        ({"checkpoint_every": 0}, "checkpoint_every is 0, but must be at least 1."),
        ({"batch_size": -1}, "batch_size is -1, but must be at least 1."),
        ({"learning_rate": 0.0}, "learning_rate is 0.0, but must be above 0."),
        ({"learning_rate": float("nan")}, "learning_rate is nan, but must be above 0."),
        ({"learning_rate": float("inf")}, "learning_rate is inf, but must be above 0."),
        ({"seed": -1}, "seed is -1, but must be at least 0 and below 2^63."),
        ({"seed": 2**63}, f"seed is {2**63}, but must be at least 0 and below 2^63."),
        (
            {"epochs": 10, "checkpoint_every": 11},
            "checkpoint_every is 11 and epochs is 10, which leaves no checkpoint: TracIn needs at least one, so lower "
            "checkpoint_every.",
        ),
    ],
)
def test_config_errors(values, message):
    with pytest.raises(InfluenceError) as caught:
        RegressionConfig(**values)
    assert str(caught.value) == message


def test_the_network_is_the_papers():
    model = regression.build(8)
    assert sum(p.numel() for p in model.parameters()) == 168_961
    assert [tuple(p.shape) for n, p in model.named_parameters() if n.endswith("weight")] == [
        (512, 8),
        (256, 512),
        (128, 256),
        (1, 128),
    ]


def test_squared_error_is_one_number_an_example():
    outputs, labels = torch.tensor([[1.0], [2.0]]), torch.tensor([3.0, 2.5])
    assert regression.squared_error(outputs, labels).tolist() == [4.0, 0.25]


def test_the_same_seed_gives_the_same_weights_and_another_seed_others():
    first, again, other = (
        regression.train(data(), SHORT.replace(seed=seed, epochs=2)).checkpoints for seed in (3, 3, 4)
    )
    for one, two, three in zip(first, again, other, strict=True):
        assert all(torch.equal(value, two.state[name]) for name, value in one.state.items())
        assert not any(torch.equal(value, three.state[name]) for name, value in one.state.items())


def test_training_neither_reads_nor_moves_the_global_generator():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = regression.train(data(), SHORT).checkpoints[-1].state["0.weight"]
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    assert torch.equal(regression.train(data(), SHORT).checkpoints[-1].state["0.weight"], first)


def test_checkpoints_are_the_moments_they_say():
    epochs: list[int] = []
    trained = regression.train(data(), RegressionConfig(epochs=7, checkpoint_every=3), epochs.append)
    assert epochs == [1, 2, 3, 4, 5, 6, 7]
    assert [c.epoch for c in trained.checkpoints] == trained.curve["epoch"] == [3, 6]
    assert {c.learning_rate for c in trained.checkpoints} == {1e-3}
    assert trained.curve["train_loss"] == [c.train_loss for c in trained.checkpoints]
    three = regression.train(data(), RegressionConfig(epochs=3, checkpoint_every=3))
    weights = three.model.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in trained.checkpoints[0].state.items())
    loss = regression.squared_error(three.model(data().test_inputs), data().test_labels).mean().item()
    assert trained.checkpoints[0].test_loss == pytest.approx(loss, rel=1e-6)


def test_it_learns_a_simple_function():
    trained = regression.train(data(), RegressionConfig(epochs=20, checkpoint_every=20, batch_size=64))
    assert trained.explained_variance["test"] > 0.97  # 0.994 when written
    labels, predictions = data().test_labels.numpy(), trained.test_predictions
    assert trained.explained_variance["test"] == pytest.approx(
        1 - np.var(labels - predictions) / np.var(labels), rel=1e-5
    )


@pytest.mark.parametrize(
    "config",
    [
        RegressionConfig(epochs=5, checkpoint_every=5, learning_rate=1e20, batch_size=64),
        RegressionConfig(epochs=1, checkpoint_every=1, learning_rate=1e20, batch_size=1_000),
        RegressionConfig(epochs=3, checkpoint_every=2, learning_rate=1e20, batch_size=1_000),
    ],
    ids=["in an epoch", "in the last step", "in the step before a checkpoint"],
)
def test_divergence_says_so(config):
    with pytest.raises(InfluenceError, match=r"Training diverged in epoch \d .*: lower the learning rate, now 1e\+20"):
        regression.train(data(), config)


def test_standardised_by_the_training_part_alone(houses):
    both = Standardised.of(houses)
    assert both.train_inputs.shape == (16_512, 8)
    assert both.train_inputs.dtype == torch.float32
    torch.testing.assert_close(both.train_inputs.mean(0), torch.zeros(8), atol=1e-5, rtol=0)
    torch.testing.assert_close(both.train_inputs.std(0), torch.ones(8), atol=1e-3, rtol=0)
    mean, spread = houses.train.inputs.mean(0), houses.train.inputs.std(0)
    expected = torch.tensor((houses.test.inputs - mean) / spread, dtype=torch.float32)
    torch.testing.assert_close(both.test_inputs, expected, rtol=1e-4, atol=1e-5)


def test_a_short_training_on_the_houses(houses):
    trained = regression.train(Standardised.of(houses), RegressionConfig(epochs=6, checkpoint_every=3))
    assert trained.explained_variance["test"] > 0.68  # 0.73 when written
    assert trained.checkpoints[1].test_loss < trained.checkpoints[0].test_loss
