import numpy as np
import pytest
import torch
from torch import nn

from influence import datasets
from influence.datasets import Split
from influence.errors import InfluenceError
from influence.learners.base import Subsets
from influence.learners.convnet import ConvNet, networks, training
from influence.learners.convnet.networks import build
from influence.learners.convnet.training import augmented, fit_one, moves_of

QUICK = ConvNet(width=8, epochs=4, batch_size=64, learning_rate=0.1, flip=False, crop=1)


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
    np.testing.assert_allclose(alone.logits(digits.test.inputs)[0], trained.logits(digits.test.inputs)[1], atol=1e-3)


@pytest.mark.parametrize("common", [False, True])
def test_examples_outside_the_subset_are_never_seen(digits, masks, common):
    outside = ~masks[0]
    ruined = digits.train.inputs.copy()
    # Shuffled among each other, the images outside leave the mean and the deviation over the whole part as they are.
    ruined[outside] = digits.train.inputs[outside][np.random.default_rng(2).permutation(int(outside.sum()))]
    assert not np.array_equal(ruined, digits.train.inputs)
    subsets = Subsets(masks[:1], np.zeros(1, np.uint64), common)
    learner = ConvNet(width=4, epochs=1, batch_size=128, flip=True, crop=1)
    other = Split(digits.train.index, ruined, digits.train.labels)
    first, second = (learner.fit(train, subsets).logits(digits.test.inputs) for train in (digits.train, other))
    np.testing.assert_array_equal(first, second)


def test_logits_are_the_last_layer_of_the_features(digits, trained):
    features, logits = trained.features(digits.test.inputs), trained.logits(digits.test.inputs)
    assert features.shape == (2, 360, 32)
    (activations, deltas), *others = trained.factors(digits.test.inputs, logits)
    assert not others
    assert deltas is logits
    for k, network in enumerate(trained.networks):
        weights = np.concatenate([network[-1].weight.numpy(), network[-1].bias.numpy()[:, None]], axis=1)
        np.testing.assert_allclose(activations[k] @ weights.T, logits[k], atol=1e-4)


def test_every_image_is_shifted_and_mirrored_on_its_own(digits):
    images = torch.from_numpy(digits.train.inputs[:40, None].astype(np.float32))
    learner = ConvNet(crop=1, flip=True)
    moved = augmented(learner, images, moves_of(learner, 40, np.random.default_rng(0)))
    padded = nn.functional.pad(images, (1, 1, 1, 1), mode="reflect")

    def window(i, down, right, mirrored):
        part = padded[i, 0, down : down + 8, right : right + 8]
        return part.flip(1) if mirrored else part

    used = set()
    for i in range(40):
        ways = {
            (down, right, mirrored)
            for down in range(3)
            for right in range(3)
            for mirrored in (False, True)
            if torch.equal(moved[i, 0], window(i, down, right, mirrored))
        }
        assert ways
        used |= ways
    assert len(used) > 12  # of 18
    still = ConvNet(crop=0, flip=False)
    assert torch.equal(augmented(still, images, moves_of(still, 40, np.random.default_rng(0))), images)


def test_averaged_weights_are_the_mean_over_the_last_steps(digits, masks, monkeypatch):
    """Four steps, the last two of them averaged."""
    seen = []
    step = torch.optim.SGD.step

    def spy(self, *args, **kwargs):
        result = step(self, *args, **kwargs)
        seen.append([parameter.detach().clone() for parameter in self.param_groups[0]["params"]])
        return result

    monkeypatch.setattr(torch.optim.SGD, "step", spy)
    learner = ConvNet(width=4, epochs=2, batch_size=359, learning_rate=0.1, crop=0, flip=False, average=0.5)
    network = learner.fit(digits.train, Subsets(masks[:1], np.zeros(1, np.uint64))).networks[0]
    assert len(seen) == 4
    for value, third, fourth in zip(network.parameters(), seen[2], seen[3], strict=True):
        np.testing.assert_allclose(value, (third + fourth) / 2, atol=1e-6)


@pytest.mark.parametrize("common", [False, True])
def test_a_training_stays_on_the_device_of_its_images(common):
    """On a device that computes nothing and refuses to be mixed with the processor."""
    rng = np.random.default_rng(3)
    images = torch.empty(90, 3, 12, 12, device="meta")
    labels = torch.empty(90, dtype=torch.int64, device="meta")
    learner = ConvNet(width=4, epochs=2, batch_size=16, average=0.5)
    network = fit_one(learner, images, labels, 5, rng.random(90) < 0.5, 7, common)
    assert {value.device.type for value in network.state_dict().values()} == {"meta"}
    assert network(images).shape == (90, 5)


def test_it_learns_in_mixed_precision_too(digits, masks, monkeypatch):
    """What CUDA does, done by the processor."""
    monkeypatch.setattr(training, "_mixed_precision", lambda device: torch.autocast(device.type, torch.bfloat16))
    trained = QUICK.fit(digits.train, Subsets(masks[:1], np.array([1], np.uint64)))
    assert {value.dtype for value in trained.networks[0].parameters()} == {torch.float32}
    assert (trained.logits(digits.test.inputs)[0].argmax(axis=1) == digits.test.labels).mean() > 0.9


@pytest.mark.parametrize(
    "place",
    [(training, "fit_one"), (training, "prepared_images"), (networks, "prepared_images")],
    ids=lambda place: f"{place[0].__name__}.{place[1]}",
)
def test_out_of_gpu_memory_says_what_to_lower(digits, masks, trained, monkeypatch, place):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nGPU 0 has a capacity of ...")

    monkeypatch.setattr(*place, full)
    fits = [lambda: QUICK.fit(digits.train, Subsets(masks[:1], np.zeros(1, np.uint64)))]
    works = [lambda: trained.logits(digits.test.inputs)] if place[0] is networks else fits
    for work in works:
        with pytest.raises(InfluenceError) as caught:
            work()
        assert "GPU's memory does not hold" in str(caught.value)
        assert "batch_size" in str(caught.value)


def test_colour_images_of_cifars_shape_pass():
    network = build(3, 4, 10).eval()
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"width": 0}, "width is 0, but must be at least 1."),
        ({"learning_rate": -1.0}, "learning_rate is -1.0, but must be above 0."),
        ({"average": 1.0}, "average is 1.0, but must be at least 0 and below 1."),
        ({"crop": -1}, "crop is -1, but must be at least 0."),
        ({"weight_decay": -1.0}, "weight_decay is -1.0, but must be at least 0."),
    ],
)
def test_bad_settings_are_refused(settings, sentence):
    with pytest.raises(InfluenceError) as caught:
        ConvNet(**settings)
    assert str(caught.value) == sentence


def test_a_crop_larger_than_the_image_is_refused(digits, masks):
    with pytest.raises(InfluenceError, match="crop is 4, too much for images of 8 pixels"):
        ConvNet(width=4, epochs=1, crop=4).fit(digits.train, Subsets(masks[:1], np.zeros(1, np.uint64)))
