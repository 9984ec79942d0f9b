"""What the manifest of a datamodels result says."""

from typing import Any

import numpy as np

from influence.datasets import Dataset
from influence.methods.datamodels.config import DatamodelsConfig
from influence.methods.datamodels.judge import Judged

PROTOCOLS = {
    "fresh": "Every model has its own initial weights and its own order of examples: the weights are about the recipe, "
    "whatever the seed.",
    "common": "All models share their initial weights and order of examples, and differ in the subset alone: the "
    "weights are about this one initialisation.",
}


def describe(config: DatamodelsConfig, dataset: Dataset, judged: Judged, counts: np.ndarray) -> dict[str, Any]:
    """Fill the manifest, but for the circumstances of the run; ``counts`` are those of the removal curves."""
    subsets, learner = config.outcomes.subsets, config.outcomes.learner
    settings = ", ".join(f"{name} {value:g}" for name, value in learner.as_dict().items() if not isinstance(value, str))
    return {
        "dataset": dataset.name,
        "dataset_hash": dataset.content_hash,
        "method": "datamodels",
        "title": f"datamodels by {config.fitted_by.title}",
        "learner": f"{learner.name} ({settings})",
        "config": config.as_dict(),
        "estimator_settings": config.fitted_by.settings,
        "classes": list(dataset.classes),
        "k": config.k,
        "reverse_k": min(config.reverse_k, len(dataset.test)),
        "removal_counts": counts.tolist(),
        "subset_size": int(judged.fitted.masks[0].sum()),
        "sign": "positive helps: with the training example in the subset, the target's margin is larger",
        "units": "margin: correct-class logit minus the log-sum-exp of the others; 0 is a probability of one half",
        "protocol": PROTOCOLS[subsets.seeds],
        "caveat": "A weight is an average over subsets, and sums of weights ignore how examples act together; margins "
        "of the whole training set and of removals are predicted, not measured.",
        "quality": _quality(judged),
    }


def _quality(judged: Judged) -> dict[str, Any]:
    held_out, fitted = judged.held_out, judged.fitted
    return {
        "correlation": float(judged.quality.correlation.mean()),
        "error": float(np.nanmean(judged.quality.error)),
        "fitted": len(fitted),
        "held_out": len(held_out),
        "diverged": fitted.diverged + held_out.diverged,
        "accuracy": float(np.concatenate([held_out.accuracy, fitted.accuracy]).mean()),
    }
