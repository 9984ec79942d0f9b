"""All scores of a result: not only the kept ones, but of any target over all training examples, as it was made.

They are computed again from what a result follows from: a datamodel is fitted again on the outcome store of its
config, TracIn is summed again over the checkpoints in its folder. Where that is not at hand, or takes too long, the
kept scores stand in, and all others count as 0: `Scores.source` says so.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import nn

from influence import datasets
from influence.datamodels.outcomes import OutcomeConfig, default_store, missing, read
from influence.datamodels.priors import MOST_DENSE
from influence.datasets import Dataset
from influence.errors import InfluenceError
from influence.learners import regression
from influence.learners.base import Learner
from influence.learners.toolkit.checkpoints import Checkpoint, load_folder
from influence.learners.toolkit.outputs import cross_entropy
from influence.learners.traceable import Traceable, Traced
from influence.methods.datamodels import DatamodelsConfig
from influence.methods.datamodels.run import fitted_model
from influence.methods.tracin import TracInImagesConfig
from influence.results import Result
from influence.tracin.fixed_layers import without_fixed_layers
from influence.tracin.scores import Examples, TracInCP

_TOLERANCE = 0.05  # of the largest kept score: refitting elsewhere differs by rounding alone


@dataclass(frozen=True)
class Scores:
    """A result's scores.

    Parameters
    ----------
    rows : callable
        (b,) places of targets in the data set's test part -> (b, n_train) float32.
    source : str
        Where they come from, as a clause.
    has_scale : bool
        Whether they are in the unit of the output. TracIn's are up to a common factor.
    intercept : (n_targets,) float64 or None
        A datamodel's prediction for the empty subset.
    kept : int or None
        How many either way are known of each target; None is all.
    support : (n_targets,) int or None
        A datamodel's predicted data support, of kept scores: it was worked out when all were at hand.
    """

    rows: Callable[[np.ndarray], np.ndarray]
    source: str
    has_scale: bool
    intercept: np.ndarray | None = None
    kept: int | None = None
    support: np.ndarray | None = None

    def known(self, own: np.ndarray) -> np.ndarray:
        """(n_train,) scores of one target -> (n_train,) bool: those that are known to be what they are."""
        return np.ones(len(own), dtype=bool) if self.kept is None else own != 0


def outcome_config(result: Result) -> OutcomeConfig | None:
    """What the models behind a datamodels result were trained with; None of other results."""
    if result.manifest["method"] != "datamodels":
        return None
    return DatamodelsConfig.parse(result.manifest["config"]).outcomes


def trained_with(result: Result) -> OutcomeConfig | None:
    """How models like those behind a result are trained, on a part of the data or on all of it.

    Of a datamodels result this is what its store follows from; of another one, its config names a learner of images in
    the same words, and seeds are fresh. None if it does not.
    """
    config = result.manifest["config"]
    learner = config.get("learner")
    if not isinstance(learner, dict) or "name" not in learner:
        return outcome_config(result)
    part = tuple(config.get("classes") or ()), config.get("train_size")
    return OutcomeConfig(
        dataset=result.manifest["dataset"], classes=part[0], train_size=part[1], learner=Learner.parse(learner)
    )


def load_dataset(result: Result) -> Dataset:
    """The data set that a result is about.

    Raises
    ------
    InfluenceError
        If it is not on this machine, or is another one or another part of it than the result's.
    """
    trained = trained_with(result)
    dataset = datasets.load(result.manifest["dataset"]) if trained is None else trained.load()
    check_same_data(result, dataset)
    return dataset


def check_same_data(result: Result, dataset: Dataset, whose: str = "") -> None:
    """Raise an `InfluenceError` unless a result is about these data, example by example.

    Parameters
    ----------
    result : Result
    dataset : Dataset
    whose : str
        What else is about ``dataset``, for the message: an outcome store, say.
    """
    ours, theirs = result.manifest["dataset"], dataset.name
    other = f"{whose} is of" if whose else "the data set here is"
    if ours != theirs:
        raise InfluenceError(f"{result.path} is about {ours}, and {other} {theirs}: give one of the same data set.")
    if not np.array_equal(np.sort(result.train.index.to_numpy()), np.sort(dataset.train.index)):
        raise InfluenceError(
            f"{result.path} scores {len(result.train):,} training examples of {ours}, and {other} "
            f"{len(dataset.train):,} others: give one of the same classes and training size."
        )
    if result.manifest["dataset_hash"] != dataset.content_hash:
        raise InfluenceError(
            f"{result.path} was made from another version of {ours} (the content's hash differs), and {other} this "
            "one: compute the result again."
        )


def takes_minutes(result: Result) -> bool:
    """Whether computing all scores again takes minutes: a fit with a prior from many training examples' gradients."""
    if result.manifest["method"] != "datamodels":
        return False
    config = DatamodelsConfig.parse(result.manifest["config"])
    return config.fitted_by.needs_prior and len(result.train) > MOST_DENSE


def scores_of(
    result: Result,
    dataset: Dataset,
    store: str | None = None,
    progress: Callable[[float], None] = lambda share: None,
    kept: bool = False,
) -> Scores:
    """The scores of a result, from the best source there is.

    Parameters
    ----------
    result : Result
    dataset : Dataset
        From `load_dataset`.
    store : str or None
        Where the outcomes of a datamodels result may be, beside the default place of its config.
    progress : callable
    kept : bool
        If true, the kept ones do, whatever is at hand.
    """
    if kept:
        return _kept(result, dataset, "computing them again takes long")
    made = None
    if result.manifest["method"] == "datamodels":
        made = _refitted(result, store, progress)
    elif result.manifest["method"] == "tracin":
        made = _traced(result, dataset)
    return made or _kept(result, dataset, "what they were computed from is not at hand")


def _refitted(result: Result, store: str | None, progress: Callable[[float], None]) -> Scores | None:
    config = DatamodelsConfig.parse(result.manifest["config"])
    total = config.held_out + config.models
    candidates = [place for place in (store, default_store(config.outcomes)) if place is not None]
    place = next((place for place in candidates if _has_models(config.outcomes, place, total)), None)
    if place is None:
        return None
    model = fitted_model(config, read(place, range(config.held_out, total)), progress)
    found = Scores(
        lambda places: np.ascontiguousarray(model.coef(places), dtype=np.float32),
        f"fitted again on the {config.models:,} stored models that the result was fitted on",
        has_scale=True,
        intercept=model.intercept_,
    )
    _check_same_scores(result, config.outcomes.load(), found)
    return found


def _has_models(config: OutcomeConfig, store: str, total: int) -> bool:
    """Whether a store has all these models; one of another config has none."""
    try:
        return missing(config, store, total) == 0
    except InfluenceError:
        return False


def _traced(result: Result, dataset: Dataset) -> Scores | None:
    folder = result.path / "checkpoints"
    if not folder.is_dir():
        return None
    checkpoints = load_folder(folder)
    if not dataset.classes:
        model, train, targets = _houses(dataset)
        scorer = TracInCP(model, checkpoints, regression.squared_error, layers=_layers(result))
    else:
        moving, train, targets = without_fixed_layers(Traced(_architecture(result, dataset), checkpoints), dataset)
        scorer = TracInCP(moving.model, moving.checkpoints, cross_entropy)

    def rows(places: np.ndarray) -> np.ndarray:
        return scorer.scores(train, Examples(targets.inputs[places], targets.labels[places])).numpy()

    found = Scores(rows, f"computed again from the result's {len(checkpoints)} checkpoints", has_scale=False)
    _check_same_scores(result, dataset, found)
    return found


def _layers(result: Result) -> Literal["all", "last"]:
    """Whose gradients a TracIn result is made of; older ones don't say, and are of all."""
    layers: Literal["all", "last"] = result.manifest["config"].get("layers", "all")
    return layers


def _houses(dataset: Dataset) -> tuple[nn.Module, Examples, Examples]:
    data = regression.Standardised.of(dataset)
    model = regression.build(dataset.train.inputs.shape[1])
    return model, Examples(data.train_inputs, data.train_labels), Examples(data.test_inputs, data.test_labels)


def _architecture(result: Result, dataset: Dataset) -> nn.Module:
    """Of a result on images; one example of each class and one epoch make it, and its weights do not matter."""
    learner = TracInImagesConfig.parse(result.manifest["config"]).learner
    if not isinstance(learner, Traceable):
        raise InfluenceError(f"{result.path} was made with {learner.name}, which keeps no checkpoints.")
    _, few = np.unique(dataset.train.labels, return_index=True)
    model: nn.Module = learner.replace(epochs=1).trace(dataset.train.take(few), 0, 1).model
    return model


def price_scores(result: Result, dataset: Dataset) -> Callable[[np.ndarray], np.ndarray]:
    """TracIn of the predicted price itself: how much training on each house raised it, up to a common factor.

    The influence on a loss says nothing of the direction. With the label y' = f(x') - 1/2 for the target, the squared
    error's gradient is that of the prediction f(x'): what lowers it lowers the price.

    Returns
    -------
    callable
        (b,) places of targets -> (b, n_train) float32.
    """
    data = regression.Standardised.of(dataset)
    train = Examples(data.train_inputs, data.train_labels)
    model = regression.build(dataset.train.inputs.shape[1])

    def one(checkpoint: Checkpoint, places: np.ndarray) -> np.ndarray:
        model.load_state_dict(checkpoint.state)
        inputs = data.test_inputs[places]
        with torch.no_grad():
            labels = model(inputs)[:, 0] - 0.5
        scorer = TracInCP(model, [checkpoint], regression.squared_error, layers=_layers(result))
        return -scorer.scores(train, Examples(inputs, labels)).numpy()

    checkpoints = load_folder(result.path / "checkpoints")

    def rows(places: np.ndarray) -> np.ndarray:
        return np.asarray(sum(one(checkpoint, places) for checkpoint in checkpoints))

    return rows


def _kept(result: Result, dataset: Dataset, why: str) -> Scores:
    order = np.argsort(dataset.train.index)

    def rows(places: np.ndarray) -> np.ndarray:
        values = np.zeros((len(places), len(dataset.train)), dtype=np.float32)
        for row, target in enumerate(dataset.test.index[places]):
            kept = result.of(int(target))
            at = order[np.searchsorted(dataset.train.index, kept["train"], sorter=order)]
            values[row, at] = kept["score"]
        return values

    k = int(result.manifest["k"])
    return Scores(
        rows,
        f"the {k} kept either way; all others count as 0, since {why}",
        has_scale=result.manifest["method"] == "datamodels",
        kept=k,
        support=_stored_support(result, dataset),
    )


def _stored_support(result: Result, dataset: Dataset) -> np.ndarray | None:
    """(n_targets,); -2 of targets that the result does not explain. None of results that predict none."""
    if "support" not in result.targets:
        return None
    return result.targets["support"].reindex(dataset.test.index, fill_value=-2).to_numpy(np.int64)


def _check_same_scores(result: Result, dataset: Dataset, found: Scores) -> None:
    """What is judged must be what the result shows: compare a few targets' kept scores with those computed again."""
    places = np.unique(np.linspace(0, len(dataset.test) - 1, 5).astype(int))
    again, kept = found.rows(places), _kept(result, dataset, "").rows(places)
    off = np.abs(np.where(kept != 0, again - kept, 0)).max()
    if off > _TOLERANCE * np.abs(kept).max():
        raise InfluenceError(
            f"Computing the scores of {result.path} again gives others (they differ by up to {off:.3g}): the program "
            "or the store has changed since, so compute the result again."
        )
