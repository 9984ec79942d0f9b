"""All that the pins know of the package: where a function or a class is, and how it is called.

The pins say what must not change when the package is reorganised. A move or a new name changes this file alone; the
values in the JSON files, and the tests, stay as they are.
"""

import contextlib
import io
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import pandas as pd
import typer.main
from streamlit.testing.v1 import AppTest

from influence import evidence, homes, results
from influence.cli import main as command_line
from influence.cli.options import chosen_learner
from influence.datamodels import outcomes
from influence.datamodels.estimators.base import ESTIMATORS
from influence.datamodels.outcomes import OutcomeConfig
from influence.datamodels.subsets import SubsetConfig
from influence.datasets import Dataset
from influence.errors import InfluenceError
from influence.evaluation import EVALUATIONS
from influence.evaluation.mislabels import MislabelsConfig
from influence.evaluation.mislabels.suspicions import SuspicionTrainer
from influence.evaluation.removal import RemovalConfig
from influence.evaluation.removal.config import completed
from influence.learners.base import LEARNERS, Learner, Subsets
from influence.methods.datamodels import DatamodelsConfig
from influence.methods.tracin import TracInConfig
from influence.retraining.trainer import ClassifierTrainer, RegressionTrainer
from influence.retraining.trainings import Training, Trainings
from influence.settings import listed

Refusal = InfluenceError
PRECOMPUTED = homes.precomputed_home()

# --- configs --------------------------------------------------------------------------------------------------------


def outcome_config(
    dataset: str,
    learner: str | None = None,
    settings: list[str] | None = None,
    classes: str | None = None,
    train_size: int | None = None,
    alpha: float = 0.5,
    seed: int = 0,
    seeds: str = "fresh",
    repeat: int = 0,
) -> OutcomeConfig:
    """The config of an outcome store, from what the command line's options hold."""
    return OutcomeConfig(
        dataset=dataset,
        classes=listed(classes),
        train_size=train_size,
        learner=chosen_learner(dataset, learner, settings),
        subsets=SubsetConfig(alpha=alpha, seed=seed, seeds=seeds, repeat=repeat),
    )


def outcome_config_from_json(values: dict[str, Any]) -> OutcomeConfig:
    return OutcomeConfig.parse(values)


def outcome_config_as_json(config: OutcomeConfig) -> dict[str, Any]:
    """The config with the field names that stores hold today."""
    return config.as_dict()


def digest(config: OutcomeConfig) -> str:
    return config.digest


def default_store(config: OutcomeConfig) -> Path:
    return Path(outcomes.default_store(config))


def default_configs() -> dict[str, dict[str, Any]]:
    """The defaults of every learner, estimator, method and evaluation, with today's stored names."""
    configs: dict[str, dict[str, Any]] = {f"learner {name}": learner().as_dict() for name, learner in LEARNERS.items()}
    houses = TracInConfig(dataset="california-housing", learner=LEARNERS["regression"](), checkpoint_every=20)
    configs["learner regression"] = houses.as_dict()["learner"]
    configs |= {f"estimator {name}": each().settings for name, each in ESTIMATORS.items()}
    configs["method datamodels"] = DatamodelsConfig().as_dict()
    configs["method tracin of images"] = TracInConfig().as_dict()
    configs["method tracin of houses"] = houses.as_dict()
    configs |= {f"evaluation {name}": each.config().as_dict() for name, each in EVALUATIONS.items()}
    return configs


def completed_mislabels(n_train: int) -> dict[str, Any]:
    """The config of an evaluation of flipped labels once its open settings are chosen by the number of examples."""
    return MislabelsConfig().completed(n_train).as_dict()


def completed_removal(dataset: Dataset) -> dict[str, Any]:
    """Likewise of an evaluation by removal of models that do not share their seeds."""
    return completed(RemovalConfig(), dataset, False, None).as_dict()


def training_store_names(digits: Dataset, houses: Dataset | None) -> dict[str, str]:
    """The files that hold an evaluation's finished trainings, by what they hold."""
    mlp = LEARNERS["mlp"]()
    trainers: dict[str, Any] = {
        "removal, fresh seeds": ClassifierTrainer(digits, mlp, common=False),
        "removal, common seeds": ClassifierTrainer(digits, mlp, common=True),
        "mislabels, subsets": ClassifierTrainer(digits, mlp, part="train"),
        "mislabels, everything": SuspicionTrainer(digits, mlp, 6),
    }
    if houses is not None:
        trainers["removal, houses"] = RegressionTrainer(houses, LEARNERS["regression"]())
    return {name: Trainings(trainer).path.name for name, trainer in trainers.items()}


def training_key(removed: list[int], seed: int) -> str:
    return Training(np.array(removed, np.int32), seed).key.hex()


# --- folders --------------------------------------------------------------------------------------------------------


def result_config(folder: Path) -> dict[str, Any]:
    """A result's config, with today's stored names."""
    return dict(results.read_manifest(folder).settings)


def evidence_config(folder: Path, kind: str) -> dict[str, Any]:
    """The config of one kind of evidence in a result's folder, with today's stored names."""
    return dict(evidence.read_one(folder, kind)[0].config)


def store_config(store: Path) -> OutcomeConfig:
    return outcomes.read_config(str(store))


class Read(NamedTuple):
    """A result that was read and checked."""

    method: str
    quality: dict[str, Any]
    tables: dict[str, pd.DataFrame]  # targets and train are indexed by example


def read_result(folder: Path) -> Read:
    read = results.read(folder)
    tables = {"influences": read.influences, "targets": read.targets, "train": read.train}
    if read.reverse is not None:
        tables["reverse"] = read.reverse
    return Read(read.manifest.method, read.manifest.quality.model_dump(), tables)


def evidence_place(folder: Path, kind: str) -> Path:
    """Where a result's evidence of a kind is."""
    return evidence.place(folder, kind)


def read_evidence(folder: Path) -> dict[str, dict[str, Any]]:
    """The figures of every kind of evidence that is about the result in the folder; a problem with one is an error."""
    found = evidence.read(results.read(folder))
    assert found.problems == []
    return {kind: manifest.figures.model_dump() for kind, manifest in found.manifests.items()}


class Models(NamedTuple):
    """Outcomes of a store's models."""

    numbers: np.ndarray
    masks: np.ndarray
    margins: np.ndarray
    predictions: np.ndarray


def read_store(store: Path, models: Iterable[int] | None = None) -> Models:
    read = outcomes.read(str(store), models)
    return Models(read.models, read.masks, read.margins, read.predictions)


def collect(config: OutcomeConfig, store: Path, models: int) -> int:
    """Train the models that a store lacks, and return how many that were."""
    return outcomes.collect(config, str(store), models).trained


# --- numbers --------------------------------------------------------------------------------------------------------


def _learner(values: dict[str, Any]) -> Learner:
    settings = dict(values)
    return LEARNERS[settings.pop("name")](**settings)


def logits(learner: dict[str, Any], dataset: Dataset, masks: np.ndarray, common: bool = False) -> np.ndarray:
    """(k, n_test, n_classes): the outputs of models trained on subsets, with the seeds 1, 2, ..., or 1 for all."""
    seeds = np.ones(len(masks), np.uint64) if common else np.arange(1, len(masks) + 1, dtype=np.uint64)
    models = _learner(learner).fit(dataset.train, Subsets(masks, seeds, common))
    return models.logits(dataset.test.inputs)


def prices(dataset: Dataset, settings: dict[str, Any]) -> np.ndarray:
    """(n_test,): the predictions of a network for houses."""
    own = {name: value for name, value in settings.items() if name not in ("seed", "checkpoint_every")}
    everyone = Subsets(np.ones((1, len(dataset.train)), bool), np.array([settings.get("seed", 0)], np.uint64))
    return LEARNERS["regression"](**own).fit(dataset.train, everyone).logits(dataset.test.inputs)[0, :, 0]


def datamodel(estimator: str, settings: dict[str, Any], masks: np.ndarray, margins: np.ndarray) -> np.ndarray:
    """(n_targets, 1 + n_train): the intercepts and weights of an estimator that needs no prior."""
    fitted = ESTIMATORS[estimator](**settings).fit(masks, margins)
    return np.column_stack([fitted.intercept_, fitted.coef_])


@contextlib.contextmanager
def houses_replaced(few: Dataset, widths: tuple[int, ...]) -> Iterator[None]:
    """Whoever loads a data set gets these houses, and networks have these hidden layers; no option can ask for that."""
    with (
        patch("influence.datasets.load", lambda *_: few),
        patch("influence.learners.regression.networks.WIDTHS", widths),
    ):
        yield


# --- the command line -----------------------------------------------------------------------------------------------

_TYPES = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "flag",
    Path: "path",
    list[str]: "text, repeatable",
    list[Path]: "paths",
}


def cli(*arguments: object) -> tuple[int, str, str]:
    """Run the command line within this process: exit code, standard output, standard error."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    before, sys.argv = sys.argv, ["influence", *map(str, arguments)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            command_line.main()
    except SystemExit as ended:
        code = int(ended.code or 0)
    finally:
        sys.argv = before
    return code, out.getvalue(), err.getvalue()


def verbs() -> dict[str, dict[str, dict[str, Any]]]:
    """Every verb's parameters in neutral words: an argument by its position, an option by its names."""
    found: dict[str, dict[str, dict[str, Any]]] = {}

    def walk(command: Any, path: tuple[str, ...]) -> None:
        for name, sub in getattr(command, "commands", {}).items():
            walk(sub, (*path, name))
        if not hasattr(command, "commands"):
            arguments = 0
            found[" ".join(path)] = parameters = {}
            for each in command.params:
                arguments += (is_argument := each.param_type_name == "argument")
                name = f"argument {arguments}" if is_argument else " ".join(sorted(each.opts))
                parameters[name] = _parameter(each)

    for verb in command_line.MODULES:
        walk(typer.main.get_command(command_line.app_for([verb])), ())
    return found


def _parameter(parameter: Any) -> dict[str, Any]:
    return {
        "type": _TYPES[parameter.type_descriptor.annotation],
        "required": parameter.required,
        "default": parameter.default,
        "off": sorted(parameter.secondary_opts),
    }


# --- the explorer ---------------------------------------------------------------------------------------------------


class Page(NamedTuple):
    """What a page of the explorer says."""

    title: str
    text: str
    warnings: str
    query: dict[str, str]


def open_page(name: str, query: dict[str, str]) -> Page:
    """Follow a link to a page, and read it; an exception on the page is an error."""
    app = AppTest.from_file(str(Path(__file__).parents[2] / "app.py"), default_timeout=90)
    app.switch_page(f"pages/{name}.py")
    for key, value in query.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception
    kinds = (app.title, app.header, app.subheader, app.markdown, app.caption, app.info)
    text = " ".join(element.value for kind in kinds for element in kind)
    text += " " + " ".join(re.sub("<[^>]*>", " ", element.proto.body) for element in app.get("html"))
    kept = {key: value[0] if isinstance(value, list) else value for key, value in app.query_params.items()}
    return Page(app.title[0].value, text, " ".join(element.value for element in app.warning), kept)
