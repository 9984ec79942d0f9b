"""Fixtures of the tests of evaluations: an outcome store and a result that was fitted on it."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from influence.datamodels import Ridge, outcomes
from influence.methods.datamodels.run import run
from tests.evaluation.made import SMALL


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An outcome store of 100 models, the ceiling's of 40 beside it, and a result fitted on 60 beside both."""
    place = str(tmp_path_factory.mktemp("evaluation") / "digits")
    run(SMALL, Path(place).parent / "fitted", store=place)
    return place


@pytest.fixture
def result(store: str, tmp_path: Path) -> Path:
    """A copy of the result, whose only evidence is the LDS that its own run measured."""
    return Path(shutil.copytree(Path(store).parent / "fitted", tmp_path / "result"))


@pytest.fixture(scope="session")
def weights(store: str) -> tuple[np.ndarray, np.ndarray]:
    fitted = outcomes.read(store, range(40, 100))
    model = Ridge().fit(fitted.masks, fitted.margins)
    return model.coef_, model.intercept_
