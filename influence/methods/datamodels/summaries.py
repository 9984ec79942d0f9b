"""What a result keeps of a datamodel's weights, gathered while blocks of targets pass by."""

from collections import defaultdict
from collections.abc import Callable

import numpy as np
import torch

from influence.datamodels.estimators.base import LinearDatamodel
from influence.datasets import Dataset
from influence.methods.datamodels.alike import most_alike
from influence.ranking import Reverse, Spread, TopK, strongest

_BLOCK = 512  # targets whose weights are held at once
_DENSE_COUNTS = 50  # removals counted one by one; beyond, in growing steps
_COARSE_COUNTS = 60


class Summaries:
    """The strongest weights either way, and figures of every target and every training example.

    Parameters
    ----------
    dataset : Dataset
    intercept : (n_targets,) float64
        The predictions for the empty subset.
    k, reverse_k : int
        Training examples kept for each target, and targets for each training example, either way.

    Attributes
    ----------
    tops : list of TopK
        Of the targets, in blocks.
    counts : (c,) int
        Numbers of removed training examples at the points of a removal curve.
    """

    def __init__(self, dataset: Dataset, intercept: np.ndarray, k: int, reverse_k: int) -> None:
        self.dataset, self.intercept, self.k = dataset, intercept, k
        self.tops: list[TopK] = []
        self.counts = removal_counts(len(dataset.train))
        self._columns: dict[str, list[np.ndarray]] = defaultdict(list)
        self._spreads: list[Spread] = []
        self._reverse = Reverse(len(dataset.train), reverse_k)
        self._by_class = _ByClass(dataset.train.labels)
        self._next = 0

    def add(self, weights: np.ndarray) -> None:
        """Take in the (b, n_train) float32 weights of the next b targets."""
        block = slice(self._next, self._next + len(weights))
        train, inputs = self.dataset.train, self.dataset.test.inputs[block]
        self.tops.append(strongest(torch.from_numpy(weights), self.k))
        self._reverse.add(weights, self._next)
        self._by_class.add(weights, self.dataset.test.labels[block])
        nearest, similarity = most_alike(inputs, train.inputs, np.asarray(self.tops[-1].proponents))
        rising, total = np.sort(weights, axis=1), weights.sum(axis=1, dtype=np.float64)
        self._spreads.append(Spread.of(rising))
        left = _left(rising, total + self.intercept[block])
        for name, values in {
            "weight_sum": total,
            "weight_sd": weights.std(axis=1, dtype=np.float64),
            "removal": left[:, self.counts].astype(np.float32),
            "support": np.where((left < 0).any(axis=1), (left < 0).argmax(axis=1), -1).astype(np.int32),
            "nearest": train.index[nearest],
            "nearest_similarity": similarity,
            "between_classes": between_classes(weights, train.labels),
        }.items():
            self._columns[name].append(values)
        self._next += len(weights)

    def of_targets(self, name: str) -> np.ndarray:
        """Return a figure of all targets.

        Parameters
        ----------
        name : str
            ``weight_sum`` and ``weight_sd``, float64;
            ``removal``, (n, c) float32, the predicted margin without the most positive training examples; ``support``,
            int32, how many removals make it negative, -1 if none do; ``nearest``, the index of the kept training
            example that looks most like the target, and ``nearest_similarity``; ``between_classes``.
        """
        return np.concatenate(self._columns[name])

    def spread(self) -> Spread:
        """How the weights of every target are spread."""
        return Spread.join(self._spreads)

    def reverse(self) -> TopK:
        """The strongest targets of every training example."""
        return self._reverse.top()

    def of_train(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean weights of every training example on targets of its own class, and of the others: (n_train,) float64."""
        return self._by_class.means()


class _ByClass:
    """Sums of weights over targets of a training example's own class, and over all."""

    def __init__(self, labels: np.ndarray) -> None:
        self.labels, self.targets = labels, 0
        self.same_sum, self.same_count, self.all_sum = np.zeros((3, len(labels)))

    def add(self, weights: np.ndarray, labels: np.ndarray) -> None:
        same = labels[:, None] == self.labels
        self.targets += len(weights)
        self.same_sum += (weights * same).sum(axis=0, dtype=np.float64)
        self.same_count += same.sum(axis=0)
        self.all_sum += weights.sum(axis=0, dtype=np.float64)

    def means(self) -> tuple[np.ndarray, np.ndarray]:
        others = np.maximum(self.targets - self.same_count, 1)
        return self.same_sum / np.maximum(self.same_count, 1), (self.all_sum - self.same_sum) / others


def summarised(
    dataset: Dataset, model: LinearDatamodel, k: int, reverse_k: int, progress: Callable[[float], None]
) -> Summaries:
    """Summarise the weights of all targets, a block at a time."""
    summaries, n_targets = Summaries(dataset, model.intercept_, k, reverse_k), len(dataset.test)
    for start in range(0, n_targets, _BLOCK):
        summaries.add(np.ascontiguousarray(model.coef(slice(start, start + _BLOCK)), dtype=np.float32))
        progress(min(start + _BLOCK, n_targets) / n_targets)
    return summaries


def _left(rising: np.ndarray, everything: np.ndarray) -> np.ndarray:
    """Predicted margins without the 0, 1, ... most positive examples: (n, n_train) sorted weights -> (n, n_train + 1).

    ``everything`` is the (n,) prediction for the whole training part.
    """
    removed = rising[:, ::-1].cumsum(axis=1, dtype=np.float64)
    left: np.ndarray = everything[:, None] - np.concatenate([np.zeros((len(rising), 1)), removed], axis=1)
    return left


def between_classes(weights: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The share of the weights' variance that lies between the classes of the training examples.

    It is the sum over classes of n_c (mean_c - mean)², over the sum over examples of (w - mean)². At 1, class is all
    that the weights know; weights that know nothing of it have about (classes - 1) / (n_train - 1).

    Parameters
    ----------
    weights : (n, n_train)
    labels : (n_train,) int

    Returns
    -------
    (n,) float64
        0 where all weights are equal.
    """
    mean = weights.mean(axis=1, dtype=np.float64)
    is_of_class = (labels[:, None] == np.unique(labels)).astype(weights.dtype)
    counts = is_of_class.sum(axis=0, dtype=np.float64)
    own_means = (weights @ is_of_class) / counts
    between = ((own_means - mean[:, None]) ** 2) @ counts
    total = weights.shape[1] * weights.var(axis=1, dtype=np.float64)
    share: np.ndarray = np.divide(between, total, out=np.zeros_like(between), where=total > 0)
    return share


def removal_counts(n_train: int) -> np.ndarray:
    """(c,) int: how many training examples are removed at the points of a removal curve, from none to half of them."""
    half = max(1, n_train // 2)
    coarse = np.geomspace(_DENSE_COUNTS, max(half, _DENSE_COUNTS), _COARSE_COUNTS).round()
    return np.unique(np.minimum(np.concatenate([np.arange(_DENSE_COUNTS + 1), coarse]), half)).astype(np.int64)
