"""A few numbers of every learner and estimator on a tiny problem, from fixed seeds."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from influence import datasets, products
from influence.datasets import Dataset
from tests.pinned import adapters
from tests.pinned.record import pinned

LEARNERS: dict[str, dict[str, Any]] = {
    "mlp": {"name": "mlp", "width": 6, "epochs": 3},
    "convnet": {"name": "convnet", "width": 4, "epochs": 1, "crop": 1, "batch_size": 32},
    "patchnet": {"name": "patchnet", "filters": 8, "patch": 3, "stride": 1, "grid": 2, "width": 4, "epochs": 2},
}
ESTIMATORS: dict[str, dict[str, Any]] = {"ridge": {}, "lasso": {"lambdas": 10}, "difference-in-means": {}}
PRICES = {"seed": 3, "epochs": 2, "checkpoint_every": 1, "batch_size": 64}


def observe() -> dict[str, Any]:
    found: dict[str, Any] = {
        f"{name}, {seeds} seeds": outputs(name, seeds == "common") for name in LEARNERS for seeds in ("fresh", "common")
    }
    found |= {name: weights(name) for name in ESTIMATORS}
    return found | {"houses": prices(datasets.load("california-housing"))}


def outputs(name: str, common: bool) -> list[Any]:
    """Logits of two models for three test images."""
    digits = datasets.load("digits", (), 100)
    masks = np.random.default_rng(0).random((2, 100)) < 0.7
    found: list[Any] = adapters.logits(LEARNERS[name], digits, masks, common)[:, :3].tolist()
    return found


def weights(name: str) -> list[Any]:
    """Intercept and weights of two targets whose margins are linear, with noise."""
    rng = np.random.default_rng(1)
    masks = rng.random((80, 6)) < 0.5
    margins = masks @ rng.normal(size=(6, 2)) + 0.1 * rng.normal(size=(80, 2))
    found: list[Any] = adapters.datamodel(name, ESTIMATORS[name], masks, margins.astype(np.float32)).tolist()
    return found


def prices(houses: Dataset) -> list[float]:
    """Predictions for five houses by a network that saw every 50th."""
    rows = np.arange(0, len(houses.train), 50)
    few = Dataset(houses.facts, houses.train.take(rows), houses.test.take(np.arange(5)))
    found: list[float] = adapters.prices(few, PRICES).tolist()
    return found


@pytest.fixture(scope="module")
def expected() -> Any:
    return pinned("numbers")


@pytest.fixture(autouse=True)
def products_in_bfloat16(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As when the numbers were pinned, on processors where float32 is faster too."""
    monkeypatch.setattr(products, "_seconds", lambda dtype: 1.0)
    products.product_type.cache_clear()
    yield
    products.product_type.cache_clear()


@pytest.mark.parametrize("seeds", ["fresh", "common"])
@pytest.mark.parametrize("name", LEARNERS)
def test_a_learner_gives_the_same_outputs(name: str, seeds: str, expected: Any) -> None:
    np.testing.assert_allclose(outputs(name, seeds == "common"), expected[f"{name}, {seeds} seeds"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_an_estimator_gives_the_same_weights(name: str, expected: Any) -> None:
    np.testing.assert_allclose(weights(name), expected[name], rtol=0, atol=1e-5)


def test_a_network_for_houses_gives_the_same_prices(houses: Dataset, expected: Any) -> None:
    np.testing.assert_allclose(prices(houses), expected["houses"], rtol=0, atol=1e-5)
