"""Handwritten digits (Alpaydin and Kaynak 1998), inside scikit-learn: 1,797 images of ten classes, no download.

Inputs are (8, 8) uint8 images from 0 (paper) to 16 (ink). Examples are named by scikit-learn's row number.
"""

import numpy as np

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
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    rows = np.arange(len(images), dtype=np.int32)
    splits = train_test_split(rows, test_size=0.2, random_state=_SPLIT_SEED, stratify=labels)
    train, test = (
        Split(part, images[part].reshape(-1, 8, 8).astype(np.uint8), labels[part].astype(np.int64))
        for part in map(np.sort, splits)
    )
    return Dataset(FACTS, train, test)


def fetch(report: Report = silent) -> None:
    """Nothing to download: the images come with scikit-learn."""


def pictures(inputs: np.ndarray) -> np.ndarray:
    """Black ink on white paper: (n, 8, 8) uint8."""
    drawn: np.ndarray = 255 - np.round(inputs * (255 / WHITE)).astype(np.uint8)
    return drawn
