"""Splits as scikit-learn draws them, without its import: a second, and 60 MB of a server's memory."""

import math

import numpy as np

Split = tuple[np.ndarray, np.ndarray]


def at_random(n: int, test_size: float, seed: int) -> Split:
    """The rows of the training and of the test part, sorted: those of ``sklearn.model_selection.train_test_split``.

    Parameters
    ----------
    n : int
    test_size : float
        The share of the test part, which is rounded up.
    seed : int
    """
    order = np.random.RandomState(seed).permutation(n).astype(np.int32)
    n_test = math.ceil(n * test_size)
    return np.sort(order[n_test:]), np.sort(order[:n_test])


def by_class(labels: np.ndarray, test_size: float, seed: int) -> Split:
    """As `at_random`, with each class in the same share of both parts: what ``stratify`` does."""
    random = np.random.RandomState(seed)
    counts = np.bincount(labels)
    n_test = math.ceil(len(labels) * test_size)
    of_train = _shares(counts, len(labels) - n_test, random)
    of_test = _shares(counts - of_train, n_test, random)
    train, test = [], []
    for label, count in enumerate(counts):
        rows = np.flatnonzero(labels == label)[random.permutation(count)].astype(np.int32)
        train.append(rows[: of_train[label]])
        test.append(rows[of_train[label] : of_train[label] + of_test[label]])
    return np.sort(np.concatenate(train)), np.sort(np.concatenate(test))


def _shares(counts: np.ndarray, n: int, random: np.random.RandomState) -> np.ndarray:
    """How many of each class are among n: the likeliest numbers, ties drawn."""
    exact = counts / counts.sum() * n
    shares = np.floor(exact)
    left = int(n - shares.sum())
    for rest in np.unique(exact - shares)[::-1]:
        if not left:
            break
        (tied,) = np.where(exact - np.floor(exact) == rest)
        more = random.choice(tied, size=min(len(tied), left), replace=False)
        shares[more] += 1
        left -= len(more)
    whole: np.ndarray = shares.astype(int)
    return whole
