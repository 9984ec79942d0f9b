"""Fixtures that all tests share. No test writes into the project's own results/."""

from pathlib import Path

import pytest
import torch

from influence import datasets
from influence.datasets import Dataset, california_housing


@pytest.fixture(autouse=True)
def results_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty place for results, for this process and those that it starts."""
    home = tmp_path / "results-of-this-test"
    monkeypatch.setenv("INFLUENCE_RESULTS_DIR", str(home))
    return home


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def houses() -> Dataset:
    """California housing; where it is missing, the test is skipped and says how to get it."""
    if not california_housing.is_present():
        pytest.skip(f"california-housing is not in {datasets.data_home()}: run `python -m influence data`")
    return datasets.load(california_housing.NAME)
