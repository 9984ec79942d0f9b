"""The job behind `python -m influence tracin`: train with checkpoints, score every pair, write a result folder."""

import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from influence import datasets, results
from influence.circumstances import circumstances
from influence.datasets import Dataset, Facts, Split
from influence.errors import InfluenceError
from influence.learners import regression
from influence.learners.toolkit.checkpoints import save_folder
from influence.methods.tracin.config import TracInConfig
from influence.methods.tracin.kind import VALUES
from influence.progress import Report, Stages, silent
from influence.ranking import TopK, check_k, percentiles_of, ranked, strongest
from influence.tracin.scores import Examples, TracInCP

PALO_ALTO = -1  # the id of the group of the eleven
NAMED_TOP_K = 20  # training houses either way, of each of the eleven, whose coordinates and price a result carries
NAMED_SELF_INFLUENCES = 100  # likewise, with the highest and the lowest self-influence
TITLES = {
    "all": "TracInCP, exact: all layers, all parameters, biases included",
    "last": "TracInCP of the last layer alone: an approximation that leaves out the gradients of all others",
}


@dataclass(frozen=True)
class _Scored:
    """What scoring leaves; targets are the group of the eleven first, then all test houses."""

    tops: list[TopK]
    percentiles: np.ndarray  # (n_targets, 101)
    self_influence: np.ndarray  # (n_train,)


def run(config: TracInConfig, out: Path, replace: bool = False, report: Report = silent) -> Path:
    """Train, score and write a TracIn result folder.

    Raises
    ------
    InfluenceError
        Before any work if the config, the data set or ``out`` won't do; later if training diverges or the disk fills.
        Nothing is left behind.
    """
    if datasets.facts(config.dataset).classes:
        raise InfluenceError(f"{config.dataset} has classes instead of values: give a TracInImagesConfig.")
    _check_facts(datasets.facts(config.dataset))
    started = time.monotonic()
    dataset = datasets.load(config.dataset)
    check_k(config.k, len(dataset.train))
    with results.writing(out, replace) as folder:
        stages = Stages(_cost(config, dataset), report)
        data = regression.Standardised.of(dataset)
        eleven = np.flatnonzero(dataset.facts.groups[0].members(dataset.test))

        epochs = config.learner.epochs
        trained = regression.train(data, config.learner, lambda epoch: stages["training"](epoch / epochs))
        save_folder(trained.checkpoints, folder / "checkpoints")
        scored = _score(config, data, trained, eleven, stages)
        VALUES.write(
            folder,
            _describe(config, dataset, trained, eleven) | circumstances(time.monotonic() - started),
            _tables(dataset, trained, scored, eleven),
        )
        report(1.0, "done")
    return out


def _check_facts(facts: Facts) -> None:
    """Refuse a data set without what this result's tables and the houses page show."""
    if not facts.groups or {"latitude", "longitude"} - dict(facts.roles).keys():
        raise InfluenceError(
            f"The TracIn of values is for examples on a map so far, and {facts.name} declares no group of test "
            "examples, or no columns with the roles latitude and longitude: give them in its FACTS."
        )


def _score(
    config: TracInConfig,
    data: regression.Standardised,
    trained: regression.Trained,
    eleven: np.ndarray,
    stages: Stages,
) -> _Scored:
    scorer = TracInCP(trained.model, trained.checkpoints, regression.squared_error, layers=config.layers)
    train = Examples(data.train_inputs, data.train_labels)
    targets = Examples(data.test_inputs, data.test_labels)
    group = scorer.group(train, Examples(*(part[eleven] for part in targets)))[None]
    tops, percentiles = [strongest(group, config.k)], [percentiles_of(np.sort(group.numpy(), axis=1))]
    for _, block in scorer.blocks(train, targets, stages["scoring every pair"]):
        tops.append(strongest(block, config.k))
        percentiles.append(percentiles_of(np.sort(block.numpy(), axis=1)))
    self_influence = scorer.self_influence(train, stages["self-influence"]).numpy()
    return _Scored(tops, np.concatenate(percentiles), self_influence)


def _tables(dataset: Dataset, trained: regression.Trained, scored: _Scored, eleven: np.ndarray) -> dict[str, pa.Table]:
    target_ids = np.concatenate([[PALO_ALTO], dataset.test.index]).astype(np.int32)
    influences = ranked(("target", "train"), target_ids, dataset.train.index, scored.tops)
    named_train = _named_train(influences, dataset, eleven, scored.self_influence)
    named_test = np.isin(np.arange(len(dataset.test)), eleven)
    return {
        "influences": influences,
        "targets": pa.table(
            {"target": target_ids, "score_percentiles": results.percentile_column(scored.percentiles)}
            | _prepend_null(_house_columns(dataset.facts, dataset.test, trained.test_predictions, named_test))
        ),
        "train": pa.table(
            {"train": dataset.train.index, "self_influence": scored.self_influence}
            | _house_columns(dataset.facts, dataset.train, trained.train_predictions, named_train)
        ),
    }


def _describe(
    config: TracInConfig, dataset: Dataset, trained: regression.Trained, eleven: np.ndarray
) -> dict[str, Any]:
    """The manifest, but for the circumstances of the run."""
    return {
        "dataset": config.dataset,
        "dataset_hash": dataset.content_hash,
        "method": "tracin",
        "task": "values",
        "title": TITLES[config.layers],
        "learner": "regression: 8-512-256-128-1 ReLU, Adam, mean squared error, standardised inputs",
        "config": config.as_dict(),
        "checkpoint_epochs": [checkpoint.epoch for checkpoint in trained.checkpoints],
        "k": config.k,
        "named_top_k": NAMED_TOP_K,
        "groups": [
            {
                "id": PALO_ALTO,
                "title": dataset.facts.groups[0].title,
                "targets": dataset.test.index[eleven].tolist(),
            }
        ],
        "sign": "positive helps: the training example lowered the target's loss (proponent)",
        "units": "reduction of the squared error, in units of ($100,000)^2, to first order; residuals, prices and "
        "predictions in units of $100,000, residual = prediction - price",
        "caveat": "TracInCP's formula follows plain SGD; this model was trained with Adam, whose steps differ.",
        "quality": {"explained_variance": trained.explained_variance, "lds": None},
        "loss_curve": trained.curve,
    }


def _cost(config: TracInConfig, dataset: Dataset) -> dict[str, float]:
    """Floating-point operations of each stage, counted."""
    sizes = (dataset.train.inputs.shape[1], *regression.WIDTHS, 1)
    pairs = list(pairwise(sizes))
    weights = sum(n_in * n_out for n_in, n_out in pairs)
    widths = sum(n_in + 1 + n_out for n_in, n_out in (pairs if config.layers == "all" else pairs[-1:]))
    n, checkpoints = len(dataset.train), config.learner.epochs // config.learner.checkpoint_every
    return {
        "training": 6 * weights * n * config.learner.epochs,
        "scoring every pair": checkpoints * n * (4 * weights + 2 * widths * len(dataset.test)),
        "self-influence": checkpoints * n * 4 * weights,
    }


def _named_train(influences: pa.Table, dataset: Dataset, eleven: np.ndarray, self_influence: np.ndarray) -> np.ndarray:
    """(n_train,) bool: the training houses that the explorer's default view names."""
    frame = influences.to_pandas()
    shown = [PALO_ALTO, *dataset.test.index[eleven]]
    top = frame[frame["target"].isin(shown) & (frame["rank"].abs() <= NAMED_TOP_K)]
    order = np.argsort(self_influence, kind="stable")
    extremes = np.concatenate([order[:NAMED_SELF_INFLUENCES], order[-NAMED_SELF_INFLUENCES:]])
    return np.isin(dataset.train.index, np.concatenate([top["train"], dataset.train.index[extremes]]))


def _house_columns(facts: Facts, split: Split, predictions: np.ndarray, named: np.ndarray) -> dict[str, pa.Array]:
    """Give every house its residual, and the named ones their price, prediction and position."""
    values = {
        "price": split.labels,
        "prediction": predictions,
        "latitude": split.inputs[:, facts.column("latitude")],
        "longitude": split.inputs[:, facts.column("longitude")],
    }
    residual = pa.array((predictions - split.labels).astype(np.float32))
    return {"residual": residual} | {
        name: pa.array(column.astype(np.float32), mask=~named) for name, column in values.items()
    }


def _prepend_null(columns: dict[str, pa.Array]) -> dict[str, pa.Array]:
    """A first row without values, for the group."""
    return {name: pa.concat_arrays([pa.nulls(1, column.type), column]) for name, column in columns.items()}
