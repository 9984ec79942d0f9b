"""Which training examples look most like each target: Pearson's correlation of inputs, of all pairs in blocks."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

_TARGETS, _TRAIN = 1000, 5000  # a block of products is (1000, 5000) float32, 20 MB
_DIGITS = 6  # single precision knows a correlation no better


class Alike(NamedTuple):
    """The training examples that look most like each target, the most alike first.

    ``places`` (n, k) int64 in the training part, ``similarity`` (n, k) float32 from -1 to 1, and ``mirrored`` (n, k)
    bool, whether it is the mirror image, left to right, that is alike.
    """

    places: np.ndarray
    similarity: np.ndarray
    mirrored: np.ndarray


def directions(inputs: np.ndarray) -> np.ndarray:
    """Centre each of (n, ...) inputs and scale it to length 1 (or 0): inner products are then correlations.

    Returns
    -------
    (n, d) float32
    """
    flat = inputs.reshape(len(inputs), -1).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(flat, axis=1, keepdims=True)
    scaled: np.ndarray = np.divide(flat, lengths, out=np.zeros_like(flat), where=lengths > 0)
    return scaled


def most_alike(
    targets: np.ndarray,
    train: np.ndarray,
    k: int,
    mirrored: bool = False,
    progress: Callable[[float], None] = lambda share: None,
) -> Alike:
    """Compare every target with every training example, and keep the k most alike of each.

    Memory is bounded: beside the targets' pixels in single precision there is one block of products.

    Parameters
    ----------
    targets : (n, ...)
    train : (n_train, ...)
    k : int
        At most n_train are kept.
    mirrored : bool
        Whether mirror images count too, of (n, height, width, ...) pictures; the larger correlation counts.
    progress : callable
        Called with the share that is done.

    Returns
    -------
    Alike
        Of equals, the lower place comes first.
    """
    k = min(k, len(train))
    of_targets = _parts(targets, mirrored)
    similarity = np.full((len(targets), k), -np.inf, np.float32)
    places = np.zeros((len(targets), k), np.int64)
    for start in range(0, len(train), _TRAIN):
        block = _parts(train[start : start + _TRAIN], mirrored)
        for first in range(0, len(targets), _TARGETS):
            rows = slice(first, first + _TARGETS)
            even, odd = (mine[rows] @ other.T for mine, other in zip(of_targets, block, strict=True))
            products = np.add(even, np.abs(odd, out=odd) if mirrored else odd, out=even)
            similarity[rows], places[rows] = _best(similarity[rows], places[rows], products, start)
        progress(min(1.0, (start + _TRAIN) / len(train)))
    return _exactly(targets, train, places, mirrored)


def _parts(inputs: np.ndarray, mirrored: bool) -> tuple[np.ndarray, np.ndarray]:
    """Split directions into what a mirror leaves as it is and what it turns into its negative.

    The correlation of two pictures is the sum of both parts' inner products, and with one of them mirrored their
    difference: one pass gives both. Where nothing is mirrored, the second part is empty.
    """
    every = directions(inputs)
    if not mirrored:
        return every, every[:, :0]
    pictures: np.ndarray = every.reshape(inputs.shape)
    half = pictures.shape[2] // 2
    left, right = pictures[:, :, :half], pictures[:, :, ::-1][:, :, :half]
    centre = pictures[:, :, half : pictures.shape[2] - half]
    parts = np.concatenate([(left + right) / np.sqrt(2), centre], axis=2), (left - right) / np.sqrt(2)
    even, odd = (part.reshape(len(part), -1).astype(np.float32) for part in parts)
    return even, odd


def _best(
    similarity: np.ndarray, places: np.ndarray, products: np.ndarray, start: int
) -> tuple[np.ndarray, np.ndarray]:
    """Update the (b, k) best so far with (b, m) products of the training examples from ``start`` on."""
    n, k = similarity.shape
    least = similarity[:, -1:]
    if not np.isfinite(least).all() and products.shape[1] > k:
        least = np.maximum(least, np.partition(products, -k, axis=1)[:, -k, None])
        rows, columns = np.nonzero(products >= least)
    else:
        rows, columns = np.nonzero(products > least)
    every_row = np.concatenate([np.repeat(np.arange(n), k), rows])
    every_value = np.concatenate([similarity.ravel(), products[rows, columns]])
    every_place = np.concatenate([places.ravel(), columns + start])
    order = np.lexsort([every_place, -every_value, every_row])
    counts = np.bincount(every_row, minlength=n)
    kept = order[(np.cumsum(counts) - counts)[:, None] + np.arange(k)]
    return every_value[kept], every_place[kept]


def _exactly(targets: np.ndarray, train: np.ndarray, places: np.ndarray, mirrored: bool) -> Alike:
    """Compare the k best of each target again, one target at a time, and sort them."""
    similarity, flipped = np.empty(places.shape, np.float32), np.zeros(places.shape, bool)
    for row, mine in enumerate(places):
        views = [targets[row], targets[row][:, ::-1]] if mirrored else [targets[row]]
        both = directions(train[mine]) @ directions(np.stack(views)).T
        similarity[row] = both.max(axis=1).round(_DIGITS)
        flipped[row] = both.argmax(axis=1) == 1
    order = np.lexsort([places, -similarity], axis=1)
    return Alike(*(np.take_along_axis(each, order, axis=1) for each in (places, similarity, flipped)))
