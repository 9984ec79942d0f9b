"""What ships: how large it is, and the figures that it was made with. Its bytes are in tests/pinned."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from influence import datasets, homes, library, results
from influence.datasets import california_housing, cifar10, sheets
from influence.explorer.images.records import Images
from influence.results import Result, manifest_file
from notebooks.execute import WALKTHROUGH

HOME = homes.precomputed_home()


def size(path: Path) -> int:
    """Bytes of a file, or of all files of a folder."""
    return sum(file.stat().st_size for file in [path, *path.rglob("*")] if file.is_file())


def names(dataset: str, method: str) -> list[str]:
    entries, problems = library.of_method(dataset, method)
    assert problems == []
    return [entry.name for entry in entries]


@pytest.fixture(scope="module")
def datamodels() -> Result:
    return results.read(HOME / "digits" / "datamodels", "shipped")


def test_every_manifest_has_a_digest() -> None:
    shipped = sorted(HOME.rglob("manifest.json"))
    assert len(shipped) == 20
    for path in shipped:
        assert manifest_file.has_digest(json.loads(path.read_bytes())), path
        assert manifest_file.is_unchanged(path.read_bytes()), path


def test_tracin_of_the_houses_has_the_papers_setting() -> None:
    read = results.read(HOME / "california-housing" / "tracin", "shipped")
    assert len(read.targets) == 4128 + 1
    assert len(read.train) == 16512
    assert len(read.influences) == 4129 * 100
    assert read.manifest.config.learner.epochs == 200
    assert read.manifest.checkpoint_epochs == tuple(range(20, 201, 20))
    assert read.manifest.quality.explained_variance.test >= 0.70
    assert len(read.groups[-1].targets) == 11


def test_tracin_of_the_digits() -> None:
    folder = HOME / "digits" / "tracin"
    read = results.read(folder)
    assert (len(read.targets), len(read.train), read.manifest.k) == (360, 1_437, 50)
    assert read.manifest.dataset_hash == datasets.load("digits").content_hash
    assert size(folder) < 1_000_000
    assert names("digits", "tracin") == ["shipped"]


def test_datamodels_of_the_digits(datamodels: Result) -> None:
    quality = datamodels.manifest.quality
    assert quality.fitted >= 5000
    assert quality.held_out == 512
    assert quality.lds.mean > 0.67
    assert datamodels.manifest.config.estimator == "prior-informed"
    assert len(datamodels.targets) == 360
    assert len(datamodels.train) == 1437
    assert datamodels.manifest.k == 50
    assert size(datamodels.path) < 5_000_000


def test_the_papers_estimator_on_the_digits(datamodels: Result) -> None:
    """Fitted to the same outcomes, and judged on the same models."""
    folder = HOME / "digits" / "datamodels-lasso"
    lasso = results.read(folder, "shipped-lasso")
    assert names("digits", "datamodels") == ["shipped", "shipped-lasso"]
    assert lasso.manifest.config.estimator == "lasso"
    assert lasso.manifest.config.outcomes == datamodels.manifest.config.outcomes
    np.testing.assert_allclose(lasso.targets["margin"], datamodels.targets["margin"], atol=0.01)
    quality = lasso.manifest.quality
    assert (quality.fitted, quality.held_out) == (5000, 512)
    assert quality.lds.low > 0.5
    assert size(folder) < 1_000_000
    assert Images(lasso, datasets.load("digits")).pick(21, 50).positive["score"].min() >= 0


def test_the_houses_are_small_and_name_their_source() -> None:
    path = california_housing.shipped()
    assert size(path) < 600_000
    assert b"Pace and R. Barry" in pq.read_schema(path).metadata[b"source"]


def test_the_sheet_of_cifar10_is_small_and_names_its_source() -> None:
    sheet, path = sheets.read(cifar10.NAME), sheets.path_of(cifar10.NAME)
    assert sheet is not None
    assert len(sheet.images) <= 1000
    assert size(path) <= 2_500_000
    assert b"Krizhevsky" in pq.read_schema(path).metadata[b"source"]


def test_the_walkthrough_is_small() -> None:
    assert size(WALKTHROUGH) < 1_500_000
