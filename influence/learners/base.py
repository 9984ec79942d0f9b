"""What a learner is: how a subset of the training images becomes a model.

To add one, write a file beside this one with a frozen dataclass of settings that has ``name``, ``batch`` and ``fit``;
`influence.learners.mlp` is the shortest example, and a line in `influence.learners.registry` makes it known by name.
Whoever trains subset models calls nothing but what stands here. TracIn asks for one thing more, ``trace``: see
`influence.learners.traceable`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from influence.datasets import Split
from influence.errors import InfluenceError


@dataclass(frozen=True)
class Subsets:
    """What each of k models is to see, and its seed.

    Parameters
    ----------
    masks : (k, n_train) bool
        Which training examples each model sees.
    seeds : (k,) uint64
        Of the initial weights and the data order.
    common : bool
        If true, the models differ in their subset alone: all seeds are equal, every model starts from the same weights
        and walks through the same order of all training examples in the same batches, and the examples outside its
        subset are dropped from their places. If false, each has its own weights, and its own order of its subset.
    """

    masks: np.ndarray
    seeds: np.ndarray
    common: bool = False

    def __post_init__(self) -> None:
        if self.masks.dtype != bool or self.masks.ndim != 2 or len(self.masks) != len(self.seeds):
            raise ValueError(f"masks {self.masks.shape} {self.masks.dtype} and seeds {self.seeds.shape}")
        if not self.masks.any(axis=1).all():
            raise ValueError("a subset is empty")
        if self.common and len(np.unique(self.seeds)) > 1:
            raise ValueError("common to all models, but the seeds differ")

    def __len__(self) -> int:
        return len(self.seeds)


class Models(Protocol):
    """k trained models."""

    def logits(self, inputs: np.ndarray) -> np.ndarray:
        """(n, ...) inputs as the data set has them -> (k, n, n_classes) float32."""
        ...

    def features(self, inputs: np.ndarray) -> np.ndarray:
        """(n, ...) inputs -> (k, n, d) float32: what the last linear layer sees."""
        ...

    def factors(self, inputs: np.ndarray, gradients: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """The two factors of each example's gradient by the weights of linear layers.

        The last layer alone will do (its factors are the features with a 1 appended, and ``gradients`` itself); the
        more layers, the better is a datamodel's prior.

        Parameters
        ----------
        inputs : (n, ...)
        gradients : (k, n, n_classes) float32
            Of whatever is differentiated, by the logits.

        Returns
        -------
        list of (activations, deltas), one pair a layer
            (k, n, d_in + 1) and (k, n, d_out): the gradient by the weights, bias included, is their outer product. Of a
            layer used at several positions of an example, (k, n, positions, ...): the sum of the outer products.
        """
        ...


class Learner(Protocol):
    """An architecture and a training recipe: a frozen dataclass, whose fields are its whole configuration.

    Attributes
    ----------
    name : str
        As in the registry.
    batch : int
        How many models ``fit`` best trains in one call: the unit of work that collection hands out.
    """

    name: ClassVar[str]

    @property
    def batch(self) -> int: ...

    def fit(self, train: Split, subsets: Subsets) -> Models:
        """Train one model a subset.

        The same arguments give the same models, and a model does not depend on which others are trained in the same
        call (up to rounding). A model may diverge: its logits are then not finite, and nothing is raised.
        """
        ...


def check_counts(config: object, *settings: str) -> None:
    """Raise an `InfluenceError` unless each of a config's settings is at least 1."""
    _check(config, settings, lambda value: value >= 1, "at least 1")


def check_positive(config: object, *settings: str) -> None:
    """Raise an `InfluenceError` unless each of a config's settings is a positive finite number."""
    _check(config, settings, lambda value: 0 < value < float("inf"), "a positive number")


def check_not_negative(config: object, *settings: str) -> None:
    """Raise an `InfluenceError` unless each of a config's settings is 0 or a positive finite number."""
    _check(config, settings, lambda value: 0 <= value < float("inf"), "0 or a positive number")


def check_shares(config: object, *settings: str) -> None:
    """Raise an `InfluenceError` unless each of a config's settings is at least 0 and below 1."""
    _check(config, settings, lambda value: 0 <= value < 1, "at least 0 and below 1")


def _check(config: object, settings: tuple[str, ...], holds: Callable[[float], bool], what: str) -> None:
    for setting in settings:
        value = getattr(config, setting)
        if not holds(value):
            raise InfluenceError(f"{setting} is {value}, but must be {what}.")


def margins(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Correct-class margin: the correct class's logit minus the log-sum-exp of the other logits.

    It is log(p / (1 - p)) with p the probability of the correct class, and positive where p > 1/2. Ilyas et al. (2022)
    subtract the largest other logit instead.

    Parameters
    ----------
    logits : (k, n, n_classes)
    labels : (n,) int

    Returns
    -------
    (k, n) float32
    """
    rows = np.arange(len(labels))
    correct = logits[:, rows, labels]
    others = np.array(logits, dtype=np.float64)
    others[:, rows, labels] = -np.inf
    largest = others.max(axis=2)
    with np.errstate(invalid="ignore"):  # of a model that diverged
        rest = largest + np.log(np.exp(others - largest[:, :, None]).sum(axis=2))
    result: np.ndarray = (correct - rest).astype(np.float32)
    return result
