"""Fixtures of the tests of result folders."""

from pathlib import Path

import pytest

from tests.results import small


@pytest.fixture
def folder(results_home: Path) -> Path:
    return small.write(results_home / "one")
