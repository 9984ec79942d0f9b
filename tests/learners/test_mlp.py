"""The batched learner against the same recipe written the slow way, with autograd, one model after the other."""

import numpy as np
import pytest
import torch
from torch import nn

from influence import datasets
from influence.datasets import Split
from influence.errors import InfluenceError
from influence.learners.base import Subsets
from influence.learners.mlp import Mlp


@pytest.fixture(scope="module")
def digits():
    return datasets.load("digits")


def halves(k, n, seed=0):
    rng = np.random.default_rng(seed)
    return np.stack([np.isin(np.arange(n), rng.permutation(n)[: n // 2]) for _ in range(k)])


def one_by_one(learner, train, mask, seed, common):
    """The same recipe with nn.Linear, autograd and torch.optim.SGD, for one model. Returns its module and scaling."""
    stream = np.random.Generator(np.random.Philox(int(seed)))
    flat = torch.from_numpy(train.inputs.reshape(len(train), -1).astype(np.float32))
    mean, scale = train.inputs.mean(), train.inputs.std()
    inputs, labels = (flat - mean) / scale, torch.from_numpy(train.labels)
    n_in, n_classes = flat.shape[1], int(labels.max()) + 1
    model = nn.Sequential(nn.Linear(n_in, learner.width), nn.ReLU(), nn.Linear(learner.width, n_classes))
    with torch.no_grad():
        for layer, width_in in ((model[0], n_in), (model[2], learner.width)):
            drawn = stream.standard_normal((width_in, layer.out_features), np.float32) * np.sqrt(2 / width_in)
            layer.weight.copy_(torch.from_numpy(drawn.astype(np.float32)).T)
            layer.bias.zero_()
    sgd = torch.optim.SGD(
        model.parameters(), learner.learning_rate, learner.momentum, weight_decay=learner.weight_decay
    )
    n_steps = max(1, round(mask.sum() / learner.batch_size))
    decay = torch.optim.lr_scheduler.LinearLR(sgd, 1.0, 0.0, total_iters=learner.epochs * n_steps)
    members = torch.from_numpy(np.flatnonzero(mask))
    for _ in range(learner.epochs):
        if common:
            batches = torch.from_numpy(stream.permutation(len(train))).tensor_split(n_steps)
        else:
            batches = torch.from_numpy(stream.permutation(members.numpy())).tensor_split(n_steps)
        for batch in batches:
            count = len(batch) * mask.mean() if common else len(batch)
            present = batch[torch.from_numpy(mask)[batch]]
            loss = nn.functional.cross_entropy(model(inputs[present]), labels[present], reduction="sum") / count
            sgd.zero_grad()
            loss.backward()
            sgd.step()
            decay.step()
    return model, mean, scale


@pytest.mark.parametrize("common", [False, True])
def test_a_batch_of_models_equals_the_plain_loop(digits, common):
    learner = Mlp(epochs=3, width=16, batch_size=48)
    masks = halves(4, len(digits.train))
    seeds = np.array([7, 7, 7, 7] if common else [1, 2, 3, 4], np.uint64)
    logits = learner.fit(digits.train, Subsets(masks, seeds, common)).logits(digits.test.inputs)
    test_inputs = torch.from_numpy(digits.test.inputs.reshape(360, -1).astype(np.float32))
    for k in range(4):
        model, mean, scale = one_by_one(learner, digits.train, masks[k], seeds[k], common)
        expected = model((test_inputs - mean) / scale).detach().numpy()
        np.testing.assert_allclose(logits[k], expected, rtol=2e-3, atol=2e-3)


def test_a_model_does_not_depend_on_its_company(digits):
    masks = halves(9, len(digits.train))
    seeds = np.arange(9, dtype=np.uint64)
    together = Mlp().fit(digits.train, Subsets(masks, seeds)).logits(digits.test.inputs)
    for members in ([4], [8, 4], [4, 0, 1, 2]):
        part = Mlp().fit(digits.train, Subsets(masks[members], seeds[members])).logits(digits.test.inputs)
        np.testing.assert_allclose(part, together[members], rtol=1e-3, atol=1e-3)


def test_a_common_model_does_not_depend_on_its_company(digits):
    masks = halves(5, len(digits.train))
    seeds = np.full(5, 3, np.uint64)
    together = Mlp().fit(digits.train, Subsets(masks, seeds, True)).logits(digits.test.inputs)
    alone = Mlp().fit(digits.train, Subsets(masks[2:3], seeds[:1], True)).logits(digits.test.inputs)
    np.testing.assert_allclose(alone[0], together[2], rtol=1e-3, atol=1e-3)


def test_subsets_of_several_sizes_train_in_one_call(digits):
    masks = halves(4, len(digits.train))
    masks[1:3, :700] = False
    seeds = np.arange(4, dtype=np.uint64)
    learner = Mlp(epochs=2)
    together = learner.fit(digits.train, Subsets(masks, seeds)).logits(digits.test.inputs)
    for k in range(4):
        alone = learner.fit(digits.train, Subsets(masks[k : k + 1], seeds[k : k + 1])).logits(digits.test.inputs)
        np.testing.assert_allclose(alone[0], together[k], rtol=1e-3, atol=1e-3)


def test_half_of_digits_is_enough_for_96_percent(digits):
    masks = halves(20, len(digits.train))
    for common, seeds in ((False, np.arange(20)), (True, np.zeros(20))):
        models = Mlp().fit(digits.train, Subsets(masks, seeds.astype(np.uint64), common))
        accuracy = (models.logits(digits.test.inputs).argmax(axis=2) == digits.test.labels).mean()
        assert accuracy >= 0.955


def test_logits_are_the_last_layer_of_the_features(digits):
    models = Mlp(epochs=1).fit(digits.train, Subsets(halves(2, 1437), np.arange(2, dtype=np.uint64)))
    features = models.features(digits.test.inputs)
    assert features.shape == (2, 360, 32)
    assert (features >= 0).all()
    expected = features @ models.w2[:, :-1].numpy() + models.w2[:, -1:].numpy()
    np.testing.assert_allclose(models.logits(digits.test.inputs), expected, rtol=1e-4, atol=1e-4)


def test_examples_outside_the_subset_are_never_seen(digits):
    mask = halves(1, 1437)
    ruined = digits.train.labels.copy()
    ruined[~mask[0]] = (ruined[~mask[0]] + 1) % 10
    other = Split(digits.train.index, digits.train.inputs, ruined)
    for common in (False, True):
        subsets = Subsets(mask, np.zeros(1, np.uint64), common)
        first, second = (
            Mlp(epochs=2).fit(train, subsets).logits(digits.test.inputs) for train in (digits.train, other)
        )
        np.testing.assert_array_equal(first, second)


def test_a_diverged_model_is_told_by_its_logits(digits):
    subsets = Subsets(halves(1, 1437), np.zeros(1, np.uint64))
    logits = Mlp(learning_rate=1e8).fit(digits.train, subsets).logits(digits.test.inputs)
    assert not np.isfinite(logits).all()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"width": 0}, "width is 0, but must be at least 1."),
        ({"epochs": 0}, "epochs is 0, but must be at least 1."),
        ({"batch_size": -1}, "batch_size is -1, but must be at least 1."),
        ({"learning_rate": 0.0}, "learning_rate is 0.0, but must be above 0."),
        ({"learning_rate": float("nan")}, "learning_rate is nan, but must be above 0."),
        ({"momentum": 1.0}, "momentum is 1.0, but must be at least 0 and below 1."),
        ({"weight_decay": -1.0}, "weight_decay is -1.0, but must be at least 0."),
    ],
)
def test_bad_settings_are_refused(settings, sentence):
    with pytest.raises(InfluenceError) as caught:
        Mlp(**settings)
    assert str(caught.value) == sentence


@pytest.mark.parametrize("common", [False, True])
def test_checkpoints_are_moments_of_the_same_training(digits, common):
    """The last is what fit gives; an earlier one is what training to that step gives; the rates fall linearly."""
    learner = Mlp(width=8, epochs=5)
    subsets = Subsets(halves(3, len(digits.train)), np.full(3, 7, np.uint64), common)
    moments = learner.checkpoints(digits.train, subsets, every=2)
    assert len(moments) == 3  # after epochs 2, 4 and 5
    fitted = learner.fit(digits.train, subsets)
    assert torch.equal(moments[-1][1].w1, fitted.w1)
    assert torch.equal(moments[-1][1].w2, fitted.w2)
    steps = round(len(digits.train) // 2 / learner.batch_size)
    expected = [learner.learning_rate * (1 - (epoch * steps - 1) / (5 * steps)) for epoch in (2, 4, 5)]
    assert [rate for rate, _ in moments] == pytest.approx(expected)
    every_epoch = learner.checkpoints(digits.train, subsets, every=1)
    assert len(every_epoch) == 5
    assert torch.equal(every_epoch[1][1].w1, moments[0][1].w1)
    assert not torch.equal(every_epoch[0][1].w1, moments[0][1].w1)
