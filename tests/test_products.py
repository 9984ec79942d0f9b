import numpy as np
import pytest
import torch

from influence import products
from influence.datasets import Split
from influence.learners.base import Subsets
from influence.learners.patchnet import PatchNet, patches, training


@pytest.fixture(autouse=True)
def forget():
    products.product_type.cache_clear()
    yield
    products.product_type.cache_clear()


@pytest.mark.parametrize(("seconds", "expected"), [(0.5, torch.bfloat16), (100, torch.float32)])
def test_bfloat16_is_taken_where_it_is_fast(seconds, expected, monkeypatch):
    """A processor without instructions for it is a hundred times slower."""
    monkeypatch.setattr(products, "_seconds", lambda dtype: seconds if dtype == torch.bfloat16 else 1.0)
    assert products.product_type() == expected


def test_the_time_of_a_product_is_measured():
    assert 0 < products._seconds(torch.float32) < 1


def test_patchnet_is_nearly_the_same_in_either_type(monkeypatch):
    """Trained, its outputs differ by what rounding does, far less than by another seed."""
    random = np.random.default_rng(0)
    labels = np.arange(200) % 4
    images = random.integers(0, 90, size=(200, 12, 12), dtype=np.uint8)
    images[:, :6] += (40 * labels).astype(np.uint8)[:, None, None]
    train = Split(np.arange(200, dtype=np.int32), images, labels.astype(np.int64))
    learner = PatchNet(filters=16, patch=4, grid=2, width=8, epochs=4, batch_size=25)

    def logits(dtype, seed):
        for module in (patches, training):
            monkeypatch.setattr(module, "product_type", lambda: dtype)
        return learner.fit(train, Subsets(np.ones((1, 200), bool), np.array([seed], np.uint64))).logits(images)[0]

    rounded, exact, other = logits(torch.bfloat16, 1), logits(torch.float32, 1), logits(torch.float32, 2)
    assert np.abs(rounded - exact).mean() < 0.1 * np.abs(other - exact).mean()
