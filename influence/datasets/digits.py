"""Handwritten digits (Alpaydin and Kaynak 1998), inside scikit-learn: 1,797 images of ten classes, no download.

Inputs are (8, 8) uint8 images from 0 (paper) to 16 (ink). Examples are named by scikit-learn's row number.
"""

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from influence.datasets import splits
from influence.datasets.base import Dataset, Split
from influence.datasets.facts import Classification, Facts
from influence.progress import Report, silent

FACTS = Facts(
    "digits", Classification(tuple("0123456789")), noun="image", is_quick=True, near_copy=0.98, title="Digits"
)
WHITE = 16

_SPLIT_SEED = 0


def is_present() -> bool:
    return True


def load() -> Dataset:
    """Read and split the data set: 1,437 training and 360 test images, each class in the same share of both."""
    *pixels, labels = _read().T
    images = np.stack(pixels, axis=1).reshape(-1, 8, 8).astype(np.uint8)
    train, test = (
        Split(part, images[part], labels[part].astype(np.int64)) for part in splits.by_class(labels, 0.2, _SPLIT_SEED)
    )
    return Dataset(FACTS, train, test)


def _read() -> np.ndarray:
    """(1797, 65) int64: scikit-learn's file, without importing it, which takes a second and 60 MB."""
    found = find_spec("sklearn")
    assert found is not None
    path = Path(str(found.origin)).parent / "datasets" / "data" / "digits.csv.gz"
    table: np.ndarray = np.loadtxt(path, delimiter=",").astype(np.int64)
    return table


def fetch(report: Report = silent) -> None:
    """Nothing to download: the images come with scikit-learn."""


def pictures(inputs: np.ndarray) -> np.ndarray:
    """Black ink on white paper: (n, 8, 8) uint8."""
    drawn: np.ndarray = 255 - np.round(inputs * (255 / WHITE)).astype(np.uint8)
    return drawn
