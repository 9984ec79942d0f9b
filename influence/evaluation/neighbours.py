"""Neighbours in feature space: the plain ranking that scores are compared with."""

import uuid
import zipfile

import numpy as np

from influence import homes
from influence.datamodels import outcomes
from influence.datamodels.outcomes import OutcomeConfig
from influence.datasets import Dataset
from influence.errors import explain_write_errors
from influence.measures.baselines import Neighbours, flat

_BEYOND = 2**40  # the number of a model that no store has


def neighbours_of(dataset: Dataset, recipe: OutcomeConfig | None, models: int) -> tuple[Neighbours, str]:
    """Neighbours in feature space, and what the features are, as a clause.

    Parameters
    ----------
    dataset : Dataset
    recipe : OutcomeConfig or None
        How models are trained whose features are compared.
    models : int
        How many of them; 0 compares inputs.
    """
    labels = (dataset.test.labels, dataset.train.labels) if dataset.classes else (None, None)
    sign = "; an example of another class counts against" if dataset.classes else ""
    if recipe is None or models == 0:
        inputs = dataset.test.inputs, dataset.train.inputs
        if not dataset.classes:
            from influence.learners.regression.networks import Standardised

            data = Standardised.of(dataset)
            inputs = data.test_inputs.numpy(), data.train_inputs.numpy()
        what = "pixels" if dataset.classes else "the standardised inputs"
        return Neighbours(flat(inputs[0]), flat(inputs[1]), *labels), f"the cosine of {what}{sign}"
    features = _features(recipe, models)
    what = f"the cosine of the features of {models} models of the same learner, trained on subsets that judge nothing"
    return Neighbours(*features, *labels), what + sign


def _features(recipe: OutcomeConfig, models: int) -> tuple[np.ndarray, np.ndarray]:
    """(models, n, d) of test and training examples, by models that no store has; trained once, then kept."""
    path = homes.trainings_home() / f"features-{recipe.digest[:16]}-{models}.npz"
    try:
        with np.load(path, allow_pickle=False) as kept:
            return kept["test"], kept["train"]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):  # missing or damaged: make it
        pass
    dataset = recipe.load()
    again, _ = outcomes.reproduce(recipe, np.arange(_BEYOND, _BEYOND + models))
    test, train = again.features(dataset.test.inputs), again.features(dataset.train.inputs)
    with explain_write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".partial-{uuid.uuid4().hex}.npz")
        try:
            np.savez(partial, test=test, train=train)
            partial.rename(path)
        finally:
            partial.unlink(missing_ok=True)
    return test, train
