"""Splits are scikit-learn's, row by row."""

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from influence.datasets import splits


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("n", [20, 203, 1797])
def test_rows_are_those_of_scikit_learn(n: int, seed: int) -> None:
    rows, labels = np.arange(n, dtype=np.int32), np.random.default_rng(n).permutation(np.arange(n) % 7)
    alone = [np.sort(part) for part in train_test_split(rows, test_size=0.2, random_state=seed)]
    shared = [np.sort(part) for part in train_test_split(rows, test_size=7 / 20, random_state=seed, stratify=labels)]
    for expected, found in ((alone, splits.at_random(n, 0.2, seed)), (shared, splits.by_class(labels, 7 / 20, seed))):
        for one, other in zip(expected, found, strict=True):
            np.testing.assert_array_equal(one, other)
