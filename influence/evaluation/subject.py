"""The subject of an evaluation: a result's scores of any target, and how models like those behind it are trained.

Each method makes subjects of its own, which compute all scores again from what a result follows from. Of a result whose
method is not known here, `Subject` itself has what the folder says.
"""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from influence import datasets
from influence.datamodels.outcomes import OutcomeConfig
from influence.datasets import Dataset
from influence.errors import InfluenceError
from influence.evaluation.scores import Fitted, Rows, Scores
from influence.learners.base import Learner
from influence.learners.recipe import Recipe
from influence.results import Result
from influence.retraining.trainer import ClassifierTrainer, Trainer

_TOLERANCE = 0.05  # of the largest kept score: refitting elsewhere differs by rounding alone


class Subject:
    """A result as its evaluations see it; what costs time is computed when it is asked for.

    Parameters
    ----------
    result : Result
    store : str or None
        Where outcomes may be from which all scores follow; None is where those of the result's config are kept.
    trainings : Path or None
        Where finished trainings are kept; None is a hidden folder among the results.

    Attributes
    ----------
    has_scale : bool
        Whether scores are in the unit of the output.
    takes_minutes : bool
        Whether computing all scores does.
    remark : str or None
        How the scores relate to the margin, where they predict something else; a sentence.
    fitted : Fitted or None
        The fit that the scores come from, where they come from one.
    """

    has_scale: ClassVar[bool] = False
    remark: ClassVar[str | None] = None

    def __init__(self, result: Result[Any], store: str | None = None, trainings: Path | None = None) -> None:
        self.result = result
        self.store = store
        self.trainings = trainings

    @cached_property
    def recipe(self) -> OutcomeConfig | None:
        """How models like the result's own are trained, on a part of the data or on all of it.

        None where the result does not name a learner of classes.
        """
        settings = self.result.manifest.settings
        learner = settings.get("learner")
        if not isinstance(learner, dict) or "name" not in learner:
            return None
        classes, train_size = self.result.manifest.part
        return OutcomeConfig(
            dataset=self.result.manifest.dataset, classes=classes, train_size=train_size, learner=Learner.parse(learner)
        )

    @cached_property
    def dataset(self) -> Dataset:
        """The data set that the result is about.

        Raises
        ------
        InfluenceError
            If it is not on this machine, or is another one or another part of it than the result's.
        """
        recipe = self.recipe
        dataset = datasets.load(self.result.manifest.dataset) if recipe is None else recipe.load()
        check_same_data(self.result, dataset)
        return dataset

    def share(self, dataset: Dataset, whose: str) -> None:
        """Take a data set that is at hand instead of loading it; an `InfluenceError` unless the result is about it."""
        check_same_data(self.result, dataset, whose)
        self.__dict__["dataset"] = dataset  # where cached_property looks first

    @property
    def takes_minutes(self) -> bool:
        return False

    @property
    def fitted(self) -> Fitted | None:
        return None

    @property
    def is_common(self) -> bool:
        """Whether the models behind the result share their initial weights and order of examples."""
        return self.recipe is not None and self.recipe.subsets.seeds == "common"

    @property
    def weight(self) -> float:
        """The weight of every training example where the scores are derivatives; 1 is the training of all."""
        return 1.0

    def expected(self, n_train: int) -> tuple[int, int]:
        """How many of so many examples count in that training, and from how many its number of steps follows."""
        return n_train, n_train

    def recipe_for(self, epochs: int | None) -> OutcomeConfig | None:
        """The recipe, with as many epochs if any are given."""
        if epochs is None or self.recipe is None:
            return self.recipe
        return self.recipe.replace(learner=self.recipe.learner.replace(epochs=epochs))

    def trainer(self, epochs: int | None = None) -> Trainer:
        """What trains models as the result's own were trained, but for as many epochs if any are given.

        Raises
        ------
        InfluenceError
            If the result does not say how.
        """
        recipe = self.recipe_for(epochs)
        if recipe is None:
            raise InfluenceError(
                f"{self.result.path} was made by {self.result.manifest.method!r} on {self.result.manifest.dataset}, "
                "and its config does not say how to train models like its own: only results whose config names a "
                "learner can be evaluated by retraining."
            )
        return ClassifierTrainer(recipe.load(), recipe.learner, self.is_common)

    def scores(self, kept: bool = False, progress: Callable[[float], None] = lambda share: None) -> Scores:
        """The scores, from the best source there is.

        Parameters
        ----------
        kept : bool
            If true, the kept ones do, whatever is at hand.
        progress : callable
        """
        if kept:
            return self.kept_scores("computing them again takes long")
        return self.all_scores(progress) or self.kept_scores("what they were computed from is not at hand")

    def all_scores(self, progress: Callable[[float], None]) -> Scores | None:
        """Every score, computed again; None where what they are computed from is not at hand."""
        return None

    def output_scores(self, scores: Scores) -> Rows:
        """What each training example adds to the explained output itself: the scores, unless they are of a loss."""
        return scores.rows

    def kept_scores(self, why: str) -> Scores:
        """The scores that the folder keeps, with 0 for all others; ``why`` is a clause."""
        k = int(self.result.manifest.k)
        return Scores(
            lambda positions: _kept_rows(self.result, self.dataset, positions),
            f"the {k} kept either way; all others count as 0, since {why}",
            has_scale=self.has_scale,
            kept=k,
            support=self._stored_support(),
        )

    def _stored_support(self) -> np.ndarray | None:
        """(n_targets,); -2 of targets that the result does not explain. None of results that predict none."""
        if "support" not in self.result.targets:
            return None
        return self.result.targets["support"].reindex(self.dataset.test.index, fill_value=-2).to_numpy(np.int64)

    def check_same_scores(self, found: Scores) -> Scores:
        """Compare a few targets' kept scores with those computed again: what is judged is what the result shows."""
        positions = np.unique(np.linspace(0, len(self.dataset.test) - 1, 5).astype(int))
        again, kept = found.rows(positions), _kept_rows(self.result, self.dataset, positions)
        off = np.abs(np.where(kept != 0, again - kept, 0)).max()
        if off > _TOLERANCE * np.abs(kept).max():
            raise InfluenceError(
                f"Computing the scores of {self.result.path} again gives others (they differ by up to {off:.3g}): the "
                "program or the store has changed since, or this processor rounds otherwise: compute the result again."
            )
        return found


def recipe_of(subject: Subject) -> Recipe:
    """The recipe of a subject's models; an `InfluenceError` where the result names no learner of classes."""
    if subject.recipe is None:
        raise InfluenceError(
            f"{subject.result.path} does not say which learner of images made it: give the data set's name (and "
            "--learner) instead."
        )
    return subject.recipe


def check_same_data(result: Result[Any], dataset: Dataset, whose: str = "") -> None:
    """Raise an `InfluenceError` unless a result is about these data, example by example.

    Parameters
    ----------
    result : Result
    dataset : Dataset
    whose : str
        What else is about ``dataset``, for the message: an outcome store, say.
    """
    ours, theirs = result.manifest.dataset, dataset.name
    other = f"{whose} is of" if whose else "the data set here is"
    if ours != theirs:
        raise InfluenceError(f"{result.path} is about {ours}, and {other} {theirs}: give one of the same data set.")
    if not np.array_equal(np.sort(result.train.index.to_numpy()), np.sort(dataset.train.index)):
        raise InfluenceError(
            f"{result.path} scores {len(result.train):,} training examples of {ours}, and {other} "
            f"{len(dataset.train):,} others: give one of the same classes and training size."
        )
    if result.manifest.dataset_hash != dataset.content_hash:
        raise InfluenceError(
            f"{result.path} was made from another version of {ours} (the content's hash differs), and {other} this "
            "one: compute the result again."
        )


def _kept_rows(result: Result[Any], dataset: Dataset, positions: np.ndarray) -> np.ndarray:
    order = np.argsort(dataset.train.index)
    values = np.zeros((len(positions), len(dataset.train)), dtype=np.float32)
    for row, target in enumerate(dataset.test.index[positions]):
        kept = result.of(int(target))
        at = order[np.searchsorted(dataset.train.index, kept["train"], sorter=order)]
        values[row, at] = kept["score"]
    return values
