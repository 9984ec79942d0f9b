"""Pictures that ship, for where the data set itself is missing."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from influence import InfluenceError, datasets, homes
from influence.datasets import cifar10, sheets
from influence.explorer.parts.pictures import Pictures
from tools.shipped_data import selection

HASH = "0123456789abcdef"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in place of ``precomputed/``."""
    monkeypatch.setattr(sheets, "path_of", lambda name: tmp_path / f"{name}-pictures.parquet")
    return tmp_path


def decoded(image: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(image)))


def made(seed: int = 0) -> dict[tuple[str, int], np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        (part, index): rng.integers(256, size=(32, 32, 3), dtype=np.uint8)
        for part, index in (("train", 70_000), ("test", 3), ("train", 3), ("test", 0))
    }


def test_pictures_come_back_without_loss(home):
    pictures = made()
    sheets.write(sheets.path_of("cifar10"), HASH, pictures, "somebody")
    sheet = sheets.read("cifar10")
    assert sheet is not None
    assert sheet.dataset_hash == HASH
    assert sheet.images.keys() == pictures.keys()
    for key, pixels in pictures.items():
        assert np.array_equal(decoded(sheet.images[key]), pixels)


def test_where_none_ships_there_is_none(home):
    assert sheets.read("cifar10") is None
    assert not Pictures.shipped("cifar10", HASH)
    assert Pictures.shipped("cifar10", HASH)("test", 3) is None


def test_only_the_data_set_that_they_are_from_shows_them(home):
    sheets.write(sheets.path_of("cifar10"), HASH, made(), "somebody")
    shown = Pictures.shipped("cifar10", HASH)
    assert shown
    assert str(shown("train", 70_000)).startswith("data:image/webp;base64,")
    assert shown("test", 70_000) is None
    assert "only the 4 pictures that ship" in shown.what_is_shown
    other = Pictures.shipped("cifar10", "0" * 64)
    assert not other
    assert other("train", 70_000) is None
    assert "by class and index" in other.what_is_shown


@pytest.mark.parametrize("damage", ["cut", "foreign", "flipped"])
def test_damage_is_noticed(home, damage):
    path = sheets.path_of("cifar10")
    sheets.write(path, HASH, made(), "somebody")
    content = bytearray(path.read_bytes())
    if damage == "cut":
        content = content[:-100]
    elif damage == "foreign":
        content = bytearray(b"<html>")
    else:
        content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(InfluenceError, match="damaged"):
        sheets.read("cifar10")


# What ships


@pytest.fixture(scope="module")
def shipped() -> sheets.Sheet:
    sheet = sheets.read(cifar10.NAME)
    assert sheet is not None
    return sheet


def test_the_sheet_holds_what_pages_show_first(shipped):
    tests, trains = selection()
    assert shipped.images.keys() == {("test", index) for index in tests} | {("train", index) for index in trains}


def test_the_sheet_has_the_official_pixels(shipped):
    if not cifar10.is_present():
        pytest.skip(f"cifar10 is not in {homes.data_home()}: run `python -m influence data`")
    official = datasets.load(cifar10.NAME)
    assert shipped.dataset_hash == official.content_hash
    for (part, index), image in shipped.images.items():
        split = official.test if part == "test" else official.train
        assert np.array_equal(decoded(image), split.inputs[index])
