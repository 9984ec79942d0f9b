import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from influence import datasets
from influence.datasets import Split
from influence.errors import InfluenceError
from influence.learners.base import Subsets
from influence.learners.patchnet import PatchNet
from influence.learners.patchnet.patches import FixedLayer, Patches, _pooling
from influence.learners.patchnet.training import fixed

QUICK = PatchNet(filters=24, patch=3, stride=1, grid=3, width=16, epochs=8, batch_size=64, flip=False)


@pytest.fixture(scope="module")
def digits():
    return datasets.load("digits")


@pytest.fixture(scope="module")
def masks():
    rng = np.random.default_rng(0)
    return np.stack([np.isin(np.arange(1437), rng.permutation(1437)[:718]) for _ in range(2)])


@pytest.fixture(scope="module")
def trained(digits, masks):
    return QUICK.fit(digits.train, Subsets(masks, np.array([1, 2], np.uint64)))


def test_it_learns_digits(digits, trained):
    right = trained.logits(digits.test.inputs).argmax(axis=2) == digits.test.labels
    assert (right.mean(axis=1) > 0.9).all()


def test_the_same_subset_and_seed_give_the_same_model_in_any_company(digits, masks, trained):
    torch.manual_seed(12345)  # whatever the caller's state
    alone = QUICK.fit(digits.train, Subsets(masks[1:], np.array([2], np.uint64)))
    np.testing.assert_array_equal(alone.logits(digits.test.inputs)[0], trained.logits(digits.test.inputs)[1])


def test_answers_to_the_training_part_outlast_questions_about_a_few_images(digits):
    patches = Patches(digits.train.inputs, fixed(QUICK))
    plain, mirrored = patches.of(digits.train.inputs), patches.of(digits.train.inputs, mirrored=True)
    for start in range(0, 300, 60):
        few = digits.test.inputs[start : start + 60]
        assert patches.of(few) is patches.of(few)
    assert patches.of(digits.train.inputs) is plain
    assert patches.of(digits.train.inputs, mirrored=True) is mirrored
    np.testing.assert_array_equal(plain[:40].float(), patches.of(digits.train.inputs[:40]).float())


def test_trainings_on_a_prepared_training_part_share_what_the_fixed_layer_answers(digits, masks, monkeypatch):
    subsets = Subsets(masks[:1], np.zeros(1, np.uint64))
    expected = QUICK.fit(digits.train, subsets).logits(digits.test.inputs)
    train = QUICK.prepare(digits.train)
    first = QUICK.fit(train, subsets)
    np.testing.assert_array_equal(first.logits(digits.test.inputs), expected)
    monkeypatch.setattr(FixedLayer, "forward", None)  # nothing is worked out again
    relabelled = replace(train, labels=np.roll(train.labels, 1))
    for learner in (QUICK, QUICK.replace(epochs=1)):
        assert learner.prepare(train) is train
        assert learner.fit(relabelled, subsets).patches is first.patches
    other = QUICK.replace(grid=2).prepare(train)
    assert other.patches is not train.patches
    assert other.inputs is train.inputs


def test_a_prepared_training_part_has_the_images_of_its_patches(digits):
    train = QUICK.prepare(digits.train)
    with pytest.raises(ValueError, match="other inputs"):
        replace(train, inputs=train.inputs.copy())
    assert type(train.take(np.arange(5))) is Split


def test_what_is_kept_between_trainings_can_be_let_go_of(digits, masks):
    train = QUICK.prepare(digits.train)
    subsets = Subsets(masks[:1], np.zeros(1, np.uint64))
    expected = QUICK.fit(train, subsets).logits(digits.test.inputs)
    kept = weakref.ref(train.patches.of(train.inputs))
    assert kept() is not None
    QUICK.release(train)
    assert kept() is None
    np.testing.assert_array_equal(QUICK.fit(train, subsets).logits(digits.test.inputs), expected)


@pytest.mark.parametrize("common", [False, True])
def test_labels_outside_the_subset_are_never_seen(digits, masks, common):
    """Their pixels have a part in the fixed layer, which knows no labels."""
    labels = np.where(masks[0], digits.train.labels, (digits.train.labels + 1) % 10)
    subsets = Subsets(masks[:1], np.zeros(1, np.uint64), common)
    other = Split(digits.train.index, digits.train.inputs, labels)
    first, second = (QUICK.fit(train, subsets).logits(digits.test.inputs) for train in (digits.train, other))
    np.testing.assert_array_equal(first, second)


def test_with_a_common_order_one_example_changes_little_and_other_seeds_much(digits, masks):
    swapped = masks[:1].copy()
    swapped[0, [np.flatnonzero(masks[0])[0], np.flatnonzero(~masks[0])[0]]] ^= True

    def logits(mask, seed):
        return QUICK.fit(digits.train, Subsets(mask, np.array([seed], np.uint64), True)).logits(digits.test.inputs)

    base = logits(masks[:1], 0)
    assert np.abs(logits(swapped, 0) - base).mean() < 0.2 * np.abs(logits(masks[:1], 1) - base).mean()


def test_logits_are_the_last_layer_of_the_features(digits, trained):
    features, logits = trained.features(digits.test.inputs), trained.logits(digits.test.inputs)
    assert features.shape == (2, 360, 16 * 9)
    for k, network in enumerate(trained.networks):
        np.testing.assert_allclose(network[-1](torch.from_numpy(features[k])), logits[k], atol=1e-4)


def test_patches_are_whitened_compared_thresholded_and_pooled(digits):
    """The fixed layer, spelled out for one image; bfloat16 keeps two to three digits."""
    settings = PatchNet(filters=5, patch=4, stride=2, grid=3, flip=True)
    patches = Patches(digits.train.inputs, fixed(settings))
    layer = patches.layer
    image = digits.train.inputs[7][:, ::-1].astype(np.float64)
    fields = np.zeros((3, 3, 10))
    for row in range(3):
        for column in range(3):
            patch = image[2 * row : 2 * row + 4, 2 * column : 2 * column + 4].ravel()
            patch = (patch - patch.mean()) / np.sqrt(patch.var() + float(layer.least) ** 2)
            likeness = layer.kernel.double().numpy() @ patch - layer.offset.double().numpy()[:, 0]
            fields[row, column] = np.maximum(np.concatenate([likeness, -likeness]) - settings.threshold, 0)
    expected = (fields.reshape(9, 10) - layer.mean.numpy()) / layer.scale.numpy()
    answer = patches.of(digits.train.inputs, mirrored=True)[7].float().numpy()
    np.testing.assert_allclose(answer, expected, atol=0.1, rtol=0.05)


@pytest.mark.parametrize(("places", "grid"), [((14, 14), 4), ((6, 5), 5), ((3, 3), 1)])
def test_pooling_is_torchs(places, grid):
    x = torch.randn(2, 3, *places)
    expected = nn.functional.adaptive_avg_pool2d(x, grid).flatten(2)
    torch.testing.assert_close(x.flatten(2) @ _pooling(places, grid), expected)


def test_the_fixed_layer_is_kept_for_the_same_images(digits):
    patches = Patches(digits.train.inputs, fixed(QUICK))
    first = patches.of(digits.test.inputs)
    assert patches.of(digits.test.inputs) is first
    assert patches.of(digits.test.inputs.copy()) is not first
    assert patches.of(digits.test.inputs, mirrored=True) is not first


def test_reduced_answers_lie_along_leading_directions(digits):
    """They hold as much variance as a singular value decomposition finds, of 1 on average, and no two correlate."""
    reduced = QUICK.replace(directions=6)
    whole, few = (
        Patches(digits.train.inputs, fixed(each)).of(digits.train.inputs).flatten(0, 1).double()
        for each in (QUICK, reduced)
    )
    assert few.shape == (1437 * 9, 6)
    covariance = (few - few.mean(0)).T.cov()
    leading = torch.linalg.svdvals(whole - whole.mean(0))[:6].square()
    torch.testing.assert_close(covariance.diagonal().flip(0), leading / leading.mean(), rtol=0.02, atol=0)
    assert (covariance - covariance.diagonal().diag()).abs().max() < 0.02


def test_a_network_on_reduced_answers_learns_and_is_traced(digits, masks):
    learner = QUICK.replace(directions=12, learning_rate=0.025)
    models = learner.fit(digits.train, Subsets(masks[:1], np.array([1], np.uint64)))
    assert models.networks[0][0].in_features == 12
    assert (models.logits(digits.test.inputs)[0].argmax(axis=1) == digits.test.labels).mean() > 0.9
    traced = learner.trace(digits.train, 1, every=8)
    traced.model.load_state_dict(traced.checkpoints[-1].state)
    outputs = traced.model(torch.from_numpy(digits.test.inputs)).detach()
    assert (outputs.argmax(dim=1).numpy() == digits.test.labels).mean() > 0.9


def test_colour_images_of_cifars_shape_pass():
    images = np.random.default_rng(0).integers(0, 256, size=(40, 32, 32, 3), dtype=np.uint8)
    train = Split(np.arange(40, dtype=np.int32), images, np.arange(40) % 10)
    learner = PatchNet(filters=8, width=4, epochs=1, batch_size=10)
    models = learner.fit(train, Subsets(np.ones((1, 40), bool), np.zeros(1, np.uint64)))
    assert models.logits(images[:3]).shape == (1, 3, 10)


def test_a_traced_model_is_the_fitted_one_with_the_moments_before(digits):
    everyone = Subsets(np.ones((1, 1437), bool), np.array([5], np.uint64))
    epochs = []
    traced = QUICK.trace(digits.train, 5, every=3, on_epoch=epochs.append)
    assert epochs == list(range(1, 9))
    assert [each.epoch for each in traced.checkpoints] == [3, 6, 8]
    rates = [each.learning_rate for each in traced.checkpoints]
    assert rates[0] > rates[1] > rates[2] > 0
    traced.model.load_state_dict(traced.checkpoints[-1].state)
    logits = traced.model(torch.from_numpy(digits.test.inputs)).detach()
    expected = QUICK.fit(digits.train, everyone).logits(digits.test.inputs)[0]
    np.testing.assert_allclose(logits, expected, atol=0.2)  # the fixed layer's answers are kept in bfloat16
    assert (logits.argmax(dim=1).numpy() == expected.argmax(axis=1)).mean() > 0.99
    trained = [name for name, value in traced.model.named_parameters() if value.requires_grad]
    assert len(trained) == 4
    assert QUICK.recipe.startswith("patchnet: ")  # lists show what stands before the colon


def test_factors_make_the_gradients_of_both_layers(digits, trained):
    """Sums of outer products over positions, against autograd."""
    inputs = digits.test.inputs[:4]
    gradients = np.random.default_rng(0).normal(size=(2, 4, 10)).astype(np.float32)
    factors = trained.factors(inputs, gradients)
    fields = trained.patches.of(inputs).float()
    for k, network in enumerate(trained.networks):
        copy = nn.Sequential(*network).requires_grad_(True)
        for i in range(4):
            copy.zero_grad()
            copy(fields[i : i + 1]).backward(torch.from_numpy(gradients[k, i : i + 1]))
            for (a, delta), layer in zip(factors, (copy[0], copy[-1]), strict=True):
                ours = np.atleast_2d(delta[k, i]).T @ np.atleast_2d(a[k, i])
                both = torch.cat([layer.weight.grad, layer.bias.grad[:, None]], dim=1)
                np.testing.assert_allclose(ours, both, atol=1e-4)
        copy.requires_grad_(False)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"width": 0}, "width is 0, but must be at least 1."),
        ({"learning_rate": -1.0}, "learning_rate is -1.0, but must be above 0."),
        ({"average": 1.0}, "average is 1.0, but must be at least 0 and below 1."),
        ({"weight_decay": -1.0}, "weight_decay is -1.0, but must be at least 0."),
        (
            {"filters": 4, "directions": 9},
            "directions is 9, but 4 filters give 8 channels, which have no more directions: lower it, or give more "
            "filters.",
        ),
    ],
)
def test_bad_settings_are_refused(settings, sentence):
    with pytest.raises(InfluenceError) as caught:
        PatchNet(**settings)
    assert str(caught.value) == sentence


def test_a_patch_too_large_for_the_images_is_refused(digits, masks):
    with pytest.raises(InfluenceError, match=r"patch 6 at stride 2 .* images of 8 pix"):
        PatchNet().fit(digits.train, Subsets(masks[:1], np.zeros(1, np.uint64)))
