"""Targets and training examples on one map, laid out by influence: near each other where scores are alike."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import sparse

from influence.errors import InfluenceError

LEAST_TARGETS = 8
NEIGHBOURS = 10  # of each target, which are compared before and after
_PERPLEXITY = 30.0
_ROUNDS = 30  # of the search for a median, which has settled by then
_NEAR = 1e-3  # of the map's half width: what is nearer counts as if it were so far


class Layout(NamedTuple):
    """A map; its places lie between -1 and 1.

    Attributes
    ----------
    targets : (n, 2) float32
    train : (m, 2) float32
        NaN of training examples that help no target by a score that was kept.
    directions : int
        How many the scores were reduced to before.
    explained : float
        The share of the scores' variance in these directions.
    neighbours : float
        The share of each target's nearest ten, by these directions, that are among its nearest ten on the map.
    """

    targets: np.ndarray
    train: np.ndarray
    directions: int
    explained: float
    neighbours: float


def lay_out(
    scores: sparse.csr_array,
    seed: int = 0,
    directions: int = 50,
    progress: Callable[[float], None] = lambda share: None,
) -> Layout:
    """Lay targets and training examples out on one map.

    Each target's scores are scaled to length 1, reduced to a few directions by a truncated singular value
    decomposition, and laid out by t-SNE (van der Maaten and Hinton 2008): near each other are targets that the same
    training examples help and hurt. t-SNE is for the targets alone, whose rows are whole. A training example then goes
    where the targets are that it helps: to their median, weighted by score, which unlike a mean does not fall between
    two groups. It is on one thread, so that the same seed gives the same map on the same machine.

    10,000 targets and 50,000 training examples, with 50 and 10 scores kept either way, took 170 to 194 seconds of
    processor time and .7 GB.

    Parameters
    ----------
    scores : (n, m) sparse array
        The scores that are known; all others count as 0.
    seed : int
    directions : int
        At most one less than there are targets and training examples.
    progress : callable
        Called with the share that is done.

    Raises
    ------
    InfluenceError
        If there are fewer than eight targets.
    """
    from threadpoolctl import threadpool_limits

    n = scores.shape[0]
    if n < LEAST_TARGETS:
        raise InfluenceError(f"A map needs at least {LEAST_TARGETS} targets, and there are {n}.")
    with threadpool_limits(1):
        reduced, explained = _reduced(scores, min(directions, *(size - 1 for size in scores.shape)), seed)
        progress(0.1)
        targets = _on_a_plane(reduced, seed)
        progress(0.9)
        kept = _neighbours_kept(reduced, targets)
    train = medians(targets, scores)
    progress(1.0)
    return Layout(targets.astype(np.float32), train.astype(np.float32), reduced.shape[1], explained, kept)


def _reduced(scores: sparse.csr_array, directions: int, seed: int) -> tuple[np.ndarray, float]:
    """(n, directions) float32 of length 1, and the share of the variance that they hold."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.preprocessing import normalize

    found = TruncatedSVD(directions, n_iter=7, random_state=seed)
    reduced = normalize(found.fit_transform(normalize(scores.astype(np.float64))))
    return reduced.astype(np.float32), float(found.explained_variance_ratio_.sum())


def _on_a_plane(reduced: np.ndarray, seed: int) -> np.ndarray:
    """(n, 2), centred, the farthest coordinate 1 away from the middle."""
    from sklearn.manifold import TSNE

    perplexity = min(_PERPLEXITY, (len(reduced) - 1) / 3)
    places: np.ndarray = TSNE(init="pca", perplexity=perplexity, random_state=seed).fit_transform(reduced)
    places -= (places.max(axis=0) + places.min(axis=0)) / 2
    places /= np.abs(places).max()
    return places


def _neighbours_kept(before: np.ndarray, after: np.ndarray) -> float:
    from sklearn.neighbors import NearestNeighbors

    k = min(NEIGHBOURS, len(before) - 1)
    one, two = (NearestNeighbors(n_neighbors=k).fit(each).kneighbors(return_distance=False) for each in (before, after))
    return float((one[:, :, None] == two[:, None, :]).any(axis=2).mean())


def medians(places: np.ndarray, weights: sparse.csr_array) -> np.ndarray:
    """The weighted geometric median of the targets that each training example helps, by Weiszfeld's steps.

    Parameters
    ----------
    places : (n, 2)
    weights : (n, m) sparse array
        Those that are positive count.

    Returns
    -------
    (m, 2) float64
        NaN where none is.
    """
    found, n_train = weights.tocoo(), weights.shape[1]
    helps = found.data > 0
    (row, column), weight = (each[helps] for each in found.coords), found.data[helps].astype(np.float64)
    at = places[row].astype(np.float64)

    def centres(pull: np.ndarray) -> np.ndarray:
        total = np.bincount(column, pull, n_train)
        sums = np.stack([np.bincount(column, pull * at[:, axis], n_train) for axis in (0, 1)], axis=1)
        return np.divide(sums, total[:, None], out=np.full_like(sums, np.nan), where=total[:, None] > 0)

    centre = centres(weight)
    for _ in range(_ROUNDS):
        distance = np.linalg.norm(at - centre[column], axis=1)
        centre = centres(weight / np.maximum(distance, _NEAR))
    return centre
