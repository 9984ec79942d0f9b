"""Options that several verbs share, and how their texts are read."""

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from influence import homes
from influence.errors import InfluenceError

if TYPE_CHECKING:
    from influence.datamodels.outcomes import OutcomeConfig
    from influence.learners.base import Learner

Out = Annotated[
    Path | None,
    typer.Option("--out", help="Folder of the result. Default: a new one in results/, which the explorer lists."),
]
Replace = Annotated[
    bool, typer.Option("--replace", help="Replace the folder if it exists, once the new one is complete.")
]
Events = Annotated[
    bool,
    typer.Option(
        "--events", help="Print progress as JSON lines, and stop when standard input closes (the explorer's runs do)."
    ),
]

Alpha = Annotated[float, typer.Option(help="Share of the training part that each model sees.")]
Seed = Annotated[int, typer.Option(help="Of subsets, initial weights and order of examples.")]
Seeds = Annotated[
    str,
    typer.Option(
        help="fresh: every model has its own initial weights and data order. common: only the subset differs."
    ),
]
LearnerName = Annotated[str | None, typer.Option("--learner", help="Default: mlp for digits, patchnet for cifar10.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--setting", help="Of the learner, NAME=VALUE, such as epochs=10; may be repeated."),
]
Classes = Annotated[str | None, typer.Option(help="Only these classes, with commas between them.")]
TrainSize = Annotated[int | None, typer.Option(help="Only the first so many training examples.")]
TopK = Annotated[int, typer.Option("--k", help="Training examples kept for each target, either way.")]
ReverseK = Annotated[int, typer.Option(help="Targets kept for each training example, either way.")]


def outcome_config(
    dataset: str,
    alpha: float,
    seed: int,
    seeds: str,
    learner: str | None,
    settings: list[str] | None,
    classes: str | None,
    train_size: int | None,
    repeat: int = 0,
) -> "OutcomeConfig":
    from influence.datamodels.outcomes import OutcomeConfig
    from influence.datamodels.subsets import SubsetConfig

    return OutcomeConfig(
        dataset=dataset,
        classes=listed(classes),
        train_size=train_size,
        learner=chosen_learner(dataset, learner, settings),
        subsets=SubsetConfig(alpha=alpha, seed=seed, seeds=seeds, repeat=repeat),  # type: ignore[arg-type]
    )


def chosen_learner(dataset: str, learner: str | None, settings: list[str] | None) -> "Learner":
    from influence import datasets
    from influence.learners.base import LEARNERS

    values: dict[str, object] = {}
    for each in settings or []:
        name, equals, value = each.partition("=")
        try:
            if not equals:
                raise ValueError
            values[name] = json.loads(value)
        except ValueError as error:
            raise InfluenceError(f"--setting {each!r} is not NAME=VALUE with a number: epochs=10, say.") from error
    return LEARNERS[learner or datasets.facts(dataset).learner](**values)  # type: ignore[arg-type]


def estimator_settings(settings: list[str] | None) -> dict[str, object]:
    values: dict[str, object] = {}
    for each in settings or []:
        name, equals, value = each.partition("=")
        if not equals:
            raise InfluenceError(f"--estimator-setting {each!r} is not NAME=VALUE: lambdas=100, say.")
        try:
            values[name] = json.loads(value)
        except ValueError:
            values[name] = value  # a word, as in choose=target
    return values


def span_of(text: str | None, option: str = "--range") -> tuple[int, int] | None:
    if text is None:
        return None
    first, colon, stop = text.partition(":")
    try:
        if not colon:
            raise ValueError
        return int(first), int(stop)
    except ValueError as error:
        raise InfluenceError(f"{option} {text!r} is not FIRST:STOP: 500:1000, say.") from error


def listed(text: str | None) -> tuple[str, ...]:
    """What stands between the commas of an option, without the spaces around it."""
    return tuple(each.strip() for each in text.split(",")) if text else ()


def whole_number(text: str, option: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise InfluenceError(f"{option} has {text!r}, which is no whole number: 1,10,100, say.") from error


def new_folder(dataset: str, method: str) -> Path:
    """Name a folder in the home of results by what is made now."""
    return homes.results_home() / f"{dataset}-{method}-{datetime.now():%Y-%m-%d-%H%M%S}"
