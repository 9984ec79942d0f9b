"""What a ranking of training examples must beat: knowing the class alone, and looking alike."""

import numpy as np


def same_class(targets: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Score 1 for the same class, else 0: (n_targets,) and (n_train,) labels -> (n_targets, n_train) float32."""
    same: np.ndarray = (targets[:, None] == train).astype(np.float32)
    return same


class Neighbours:
    """Similarity in a feature space: the cosine of two examples' features, less the mean of the training examples.

    Parameters
    ----------
    targets, train : (k, n, d)
        Features by each of k models; similarities are averaged over models. For pixels, k is 1.
    target_labels, train_labels : (n,) int or None
        Where given, an example of another class counts with the opposite sign, as one that pulls away; and negative
        similarities as 0.
    """

    def __init__(
        self,
        targets: np.ndarray,
        train: np.ndarray,
        target_labels: np.ndarray | None = None,
        train_labels: np.ndarray | None = None,
    ) -> None:
        centre = train.mean(axis=1, keepdims=True)
        self._targets, self._train = (_unit(part - centre) for part in (targets, train))
        self._labels = None if target_labels is None or train_labels is None else (target_labels, train_labels)

    def rows(self, positions: np.ndarray) -> np.ndarray:
        """Compute similarities: (b,) positions of targets -> (b, n_train) float32."""
        products = [t[positions] @ x.T for t, x in zip(self._targets, self._train, strict=True)]
        cosine: np.ndarray = np.mean(products, axis=0)
        if self._labels is None:
            return cosine
        targets, train = self._labels
        sign = np.where(targets[positions, None] == train, 1, -1).astype(np.float32)
        signed: np.ndarray = sign * np.maximum(cosine, 0)
        return signed


def flat(inputs: np.ndarray) -> np.ndarray:
    """Take pixels as features: (n, ...) inputs -> (1, n, d) float32."""
    return inputs.reshape(1, len(inputs), -1).astype(np.float32)


def _unit(features: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(features, axis=2, keepdims=True)
    result: np.ndarray = (features / np.maximum(length, 1e-12)).astype(np.float32)
    return result
