"""The tables of a datamodels result."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from influence.datamodels.outcomes import Outcomes
from influence.datasets import Dataset
from influence.measures.lds import Quality
from influence.methods.datamodels.summaries import Summaries
from influence.ranking import list_column, ranked, shortened

_OF_CURVES = 16  # significant bits of a removal curve, whose points are looked at for their differences


def tables(dataset: Dataset, judged: Quality, summaries: Summaries, models: Sequence[Outcomes]) -> dict[str, pa.Table]:
    """Make the tables of a result: strongest weights either way, and figures of targets and training examples.

    Parameters
    ----------
    dataset : Dataset
    judged : Quality
    summaries : Summaries
    models : sequence of Outcomes
        All models whose margins and predictions on the targets are told.
    """
    train, test = dataset.train, dataset.test
    predictions = np.concatenate([each.predictions for each in models])
    margins = np.concatenate([each.margins for each in models])
    votes = np.stack([(predictions == each).sum(axis=0) for each in range(int(predictions.max()) + 1)])
    own_class, other_classes = summaries.of_train()
    floats = {
        "agreement": votes.max(axis=0) / len(predictions),
        "correct": (predictions == test.labels).mean(axis=0),
        "margin": margins.mean(axis=0, dtype=np.float64),
        "margin_sd": margins.std(axis=0, dtype=np.float64),
        "intercept": summaries.intercept,
        "weight_sum": summaries.of_targets("weight_sum"),
        "weight_sd": summaries.of_targets("weight_sd"),
        "lds": judged.lds.per_target,
        "correlation": judged.correlation,
        "error": judged.error,
        "nearest_similarity": summaries.of_targets("nearest_similarity"),
        "between_classes": summaries.of_targets("between_classes"),
    }
    return {
        "influences": ranked(("target", "train"), test.index, train.index, summaries.tops, short=True),
        "reverse": ranked(("train", "target"), train.index, test.index, [summaries.reverse()], short=True),
        "targets": pa.table(
            {
                "target": test.index,
                **summaries.spread().columns(short=True),
                "label": test.labels.astype(np.int16),
                "prediction": votes.argmax(axis=0).astype(np.int16),
                "support": summaries.of_targets("support"),
                "nearest": summaries.of_targets("nearest"),
                "removal": list_column(shortened(summaries.of_targets("removal"), _OF_CURVES)),
            }
            | {name: values.astype(np.float32) for name, values in floats.items()}
        ),
        "train": pa.table(
            {
                "train": train.index,
                "label": train.labels.astype(np.int16),
                "own_class": own_class.astype(np.float32),
                "other_classes": other_classes.astype(np.float32),
            }
        ),
    }
