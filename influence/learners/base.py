"""What a learner is: how a subset of the training examples becomes a model.

To add one, write a file beside this one with a subclass of `Learner`, whose fields are its settings. Whoever trains
subset models calls nothing but what stands here. TracIn asks for one thing more, ``trace``: see
`influence.learners.traceable`.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol, Self, cast

import numpy as np

from influence.config import Config
from influence.datasets import Classification, Dataset, Facts, Split
from influence.errors import InfluenceError
from influence.registry import Registry


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
        """(n, ...) inputs as the data set has them -> (k, n, n_classes) float32, or (k, n, 1) values."""
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


class Learner(Config):
    """An architecture and a training recipe; the fields are its whole configuration.

    Attributes
    ----------
    name : str
        The name by which configs and the command line know the learner.
    tasks : tuple of types
        The kinds of task that it learns: `Classification`, `Regression`, or both.
    seconds : float
        Roughly what a training takes, for the progress of runs; only shares matter.
    batch : int
        How many models ``fit`` best trains in one call: the unit of work that collection hands out.
    """

    name: str
    tasks: ClassVar[tuple[type, ...]] = (Classification,)
    seconds: ClassVar[float] = 10.0

    @property
    @abstractmethod
    def batch(self) -> int: ...

    def prepare(self, train: Split) -> Split:
        """The same training part, with what all trainings on it share and nobody wants to work out for each.

        Whoever calls ``fit`` several times gives it this; one call alone gains nothing by it.
        """
        return train

    @abstractmethod
    def fit(self, train: Split, subsets: Subsets) -> Models:
        """Train one model for each subset.

        The same arguments give the same models, and a model does not depend on which others are trained in the same
        call (up to rounding). A model may diverge: its logits are then not finite, and nothing is raised.
        """

    @classmethod
    def parse(cls, values: Any) -> Self:
        """A learner from its name and settings, as JSON holds them.

        Raises
        ------
        InfluenceError
            If there is no such learner, or it has no such setting.
        """
        if cls is not Learner or not isinstance(values, Mapping):
            return super().parse(values)
        if "name" not in values:
            raise InfluenceError(f"These settings name no learner: add name, one of {', '.join(LEARNERS)}.")
        return cast(Self, LEARNERS[str(values["name"])].parse(values))


LEARNERS: Registry[Learner] = Registry("influence.learners", Learner, "learner")  # type: ignore[type-abstract]


def check_task(learner: Learner, facts: Facts) -> None:
    """Raise an `InfluenceError` unless the learner learns the data set's task."""
    if not isinstance(facts.task, learner.tasks):
        raise InfluenceError(
            f"The learner {learner.name} does not learn {facts.task.what}, which {facts.name} has: use one that does, "
            f"such as --learner {facts.learner}."
        )


def prepared(dataset: Dataset, learner: Learner) -> Dataset:
    """The same data set, its training part as the learner prepares it."""
    train = learner.prepare(dataset.train)
    return dataset if train is dataset.train else replace(dataset, train=train, known_hash=dataset.content_hash)


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
