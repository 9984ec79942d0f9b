"""Training: what it refuses, that it repeats itself, and that it learns."""

import numpy as np
import pytest
import torch

from influence import Dataset, InfluenceError, Split, datasets
from influence.datasets import Facts, Regression
from influence.learners.base import LEARNERS, Subsets, check_task
from influence.learners.mlp import Mlp
from influence.learners.regression import RegressionNetwork, networks
from influence.learners.regression.networks import Standardised
from influence.learners.toolkit.outputs import squared_error
from influence.methods.tracin import TracInConfig


def data(n: int = 300) -> Dataset:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(n + 100, 8, generator=generator).numpy()
    labels = inputs[:, 0] + 0.5 * np.abs(inputs[:, 1])
    index = np.arange(n + 100, dtype=np.int32)
    train, test = (Split(index[part], inputs[part], labels[part]) for part in (slice(n), slice(n, None)))
    return Dataset(Facts("sum", Regression("sum", "1")), train, test)


SHORT = RegressionNetwork(epochs=1, batch_size=64)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 0}, "epochs is 0, but must be at least 1."),
        ({"batch_size": -1}, "batch_size is -1, but must be at least 1."),
        ({"learning_rate": 0.0}, "learning_rate is 0.0, but must be above 0."),
        ({"learning_rate": float("nan")}, "learning_rate is nan, but must be above 0."),
        ({"learning_rate": float("inf")}, "learning_rate is inf, but must be above 0."),
    ],
)
def test_config_errors(values, message):
    with pytest.raises(InfluenceError) as caught:
        RegressionNetwork(**values)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"checkpoint_every": 0}, "checkpoint_every is 0, but must be at least 1."),
        ({"seed": -1}, "seed is -1, but must be at least 0 and below 2^63."),
        ({"seed": 2**63}, f"seed is {2**63}, but must be at least 0 and below 2^63."),
        (
            {"learner": RegressionNetwork(epochs=10), "checkpoint_every": 11},
            "checkpoint_every is 11 and epochs is 10, which leaves no checkpoint: TracIn needs at least one, so lower "
            "checkpoint_every.",
        ),
    ],
)
def test_errors_of_what_is_traced(values, message):
    with pytest.raises(InfluenceError) as caught:
        TracInConfig(**values)
    assert str(caught.value) == message


def test_the_network_is_the_papers():
    model = networks.build(8)
    assert sum(p.numel() for p in model.parameters()) == 168_961
    assert [tuple(p.shape) for n, p in model.named_parameters() if n.endswith("weight")] == [
        (512, 8),
        (256, 512),
        (128, 256),
        (1, 128),
    ]


def test_squared_error_is_one_number_an_example():
    outputs, labels = torch.tensor([[1.0], [2.0]]), torch.tensor([3.0, 2.5])
    assert squared_error(outputs, labels).tolist() == [4.0, 0.25]


def test_the_same_seed_gives_the_same_weights_and_another_seed_others():
    learner = SHORT.replace(epochs=2)
    first, again, other = (learner.trace(data().train, seed, 1).checkpoints for seed in (3, 3, 4))
    for one, two, three in zip(first, again, other, strict=True):
        assert all(torch.equal(value, two.state[name]) for name, value in one.state.items())
        assert not any(torch.equal(value, three.state[name]) for name, value in one.state.items())


def test_training_neither_reads_nor_moves_the_global_generator():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = SHORT.trace(data().train, 0, 1).checkpoints[-1].state["0.weight"]
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    assert torch.equal(SHORT.trace(data().train, 0, 1).checkpoints[-1].state["0.weight"], first)


def test_checkpoints_are_the_moments_they_say():
    epochs: list[int] = []
    traced = RegressionNetwork(epochs=7).trace(data().train, 0, 3, epochs.append)
    assert epochs == [1, 2, 3, 4, 5, 6, 7]
    assert [c.epoch for c in traced.checkpoints] == [3, 6]
    assert {c.learning_rate for c in traced.checkpoints} == {1e-3}
    three = RegressionNetwork(epochs=3).trace(data().train, 0, 3)
    weights = three.model.state_dict()
    assert weights.keys() == traced.checkpoints[0].state.keys() == networks.build(8).state_dict().keys()
    assert all(torch.equal(value, weights[name]) for name, value in traced.checkpoints[0].state.items())
    end = traced.model.state_dict()
    assert not any(torch.equal(value, end[name]) for name, value in traced.checkpoints[-1].state.items())


def test_the_traced_model_is_the_one_that_is_fitted_on_everything():
    split = data()
    everyone = Subsets(np.ones((1, len(split.train)), bool), np.array([4], np.uint64))
    fitted = RegressionNetwork(epochs=2).fit(split.train, everyone).logits(split.test.inputs)
    traced = RegressionNetwork(epochs=2).trace(split.train, 4, 2).model
    with torch.no_grad():
        np.testing.assert_array_equal(fitted[0], traced(torch.tensor(split.test.inputs)).numpy())


def test_a_subset_is_standardised_by_everything_and_says_nothing_of_the_rest():
    split, mask = data(), np.arange(300) < 200
    other = split.train.labels.copy()
    other[~mask] = 100
    changed = Split(split.train.index, split.train.inputs, other)
    subset = Subsets(mask[None], np.array([1], np.uint64))
    one, two = (SHORT.fit(part, subset) for part in (split.train, changed))
    np.testing.assert_array_equal(one.logits(split.test.inputs), two.logits(split.test.inputs))
    np.testing.assert_allclose(one.scaling.mean.numpy(), split.train.inputs.mean(0, dtype=np.float64), rtol=1e-12)


def test_a_common_order_keeps_the_places_of_what_is_left_out():
    """Leaving out the whole last batch of the common order leaves the steps before it as they are."""
    split = data(128)
    order = torch.randperm(128, generator=torch.Generator().manual_seed(9)).numpy()
    masks = np.ones((1, 128), bool)
    masks[0, order[100:]] = False
    learner = RegressionNetwork(epochs=1, batch_size=100)
    (common,) = learner.fit(split.train, Subsets(masks, np.array([9], np.uint64), common=True)).networks
    inputs = Standardised.of(split)
    network = networks.build(8, seed=9)
    step = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
    first = order[:100]
    squared_error(network(inputs.train_inputs[first]), inputs.train_labels[first]).mean().backward()
    step.step()
    assert all(torch.equal(one, two) for one, two in zip(common.parameters(), network.parameters(), strict=True))


def test_features_and_factors_are_of_the_last_layer():
    split = data()
    models = SHORT.fit(split.train, Subsets(np.ones((2, 300), bool), np.array([1, 2], np.uint64)))
    inputs, gradients = split.test.inputs[:5], np.ones((2, 5, 1), np.float32)
    features = models.features(inputs)
    assert features.shape == (2, 5, 128)
    ((activations, deltas),) = models.factors(inputs, gradients)
    last = [network[-1] for network in models.networks]
    weights = np.stack([np.append(each.weight.detach()[0], each.bias.detach()) for each in last])
    np.testing.assert_allclose(
        np.einsum("knd,kd->kn", activations, weights), models.logits(inputs)[:, :, 0], rtol=1e-4, atol=1e-5
    )
    assert deltas is gradients


def test_it_learns_a_simple_function():
    split = data()
    model = RegressionNetwork(epochs=20, batch_size=64).trace(split.train, 0, 20).model
    with torch.no_grad():
        errors = model(torch.tensor(split.test.inputs))[:, 0].numpy() - split.test.labels
    assert 1 - np.var(errors) / np.var(split.test.labels) > 0.97  # 0.994 when written


def test_divergence_says_so():
    learner = RegressionNetwork(epochs=5, learning_rate=1e20, batch_size=64)
    with pytest.raises(InfluenceError, match=r"diverged in epoch \d .* now 1e\+20"):
        learner.trace(data().train, 0, 5)


@pytest.mark.parametrize(("epochs", "every"), [(1, 1), (3, 2)], ids=["in the last step", "before a checkpoint"])
def test_divergence_in_a_last_step_is_noticed_by_what_follows_the_training(epochs, every, monkeypatch, results_home):
    from influence.methods.tracin import TracIn

    split, learner = data(), RegressionNetwork(epochs=epochs, learning_rate=1e20, batch_size=1000)
    monkeypatch.setattr(datasets, "facts", lambda name: split.facts)
    monkeypatch.setattr(datasets, "load", lambda *_: split)
    with pytest.raises(InfluenceError, match=r"Training diverged (in|by) epoch \d .*: lower the learn"):
        TracIn.run(TracInConfig(dataset="sum", learner=learner, checkpoint_every=every), results_home / "one")
    assert not list(results_home.iterdir())


def test_a_diverged_subset_gives_no_finite_value():
    learner = RegressionNetwork(epochs=3, learning_rate=1e20, batch_size=64)
    models = learner.fit(data().train, Subsets(np.ones((1, 300), bool), np.array([1], np.uint64)))
    assert not np.isfinite(models.logits(data().test.inputs)).any()


def test_a_learner_is_for_its_task():
    assert LEARNERS["regression"] is RegressionNetwork
    check_task(SHORT, data().facts)
    check_task(Mlp(), datasets.facts("digits"))
    for learner, facts, words in (
        (SHORT, datasets.facts("digits"), "regression does not learn classes, which digits has"),
        (Mlp(), data().facts, "mlp does not learn values, which sum has: .* --learner regression"),
    ):
        with pytest.raises(InfluenceError, match=words):
            check_task(learner, facts)


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
    model = RegressionNetwork(epochs=6).trace(houses.train, 0, 3).model
    with torch.no_grad():
        errors = model(torch.tensor(houses.test.inputs))[:, 0].numpy() - houses.test.labels
    assert 1 - np.var(errors) / np.var(houses.test.labels) > 0.68  # 0.73 when written
