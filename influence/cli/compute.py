"""``tracin``: train with checkpoints, score, and write a result."""

from typing import Annotated, Any

import typer

from influence import datasets
from influence.cli.options import Events, Given, Out, Replace, derived, new_folder
from influence.cli.terminal import reporting
from influence.errors import InfluenceError
from influence.methods.tracin.config import TracInConfig, TracInImagesConfig


@derived()
def tracin(
    config: Given[TracInImagesConfig],
    epochs: Annotated[int | None, typer.Option(help="Passes over the training part. Default: the learner's.")] = None,
    checkpoint_every: Annotated[
        int | None,
        typer.Option(help="Epochs from one checkpoint to the next. Default: 20 for houses, else a sixth of them."),
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Learning rate of the learner. Default: the learner's.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Training examples in a step. Default: the learner's.")] = None,
    layers: Annotated[
        str, typer.Option(help="Of houses: all, or last, which approximates with the last layer's gradients alone.")
    ] = "all",
    out: Out = None,
    replace: Replace = False,
    events: Events = False,
) -> None:
    """Train with checkpoints, score every training example for every test example, and write a result folder.

    The learner, its settings, classes, a training size and targets kept for training examples are for images alone.
    """
    from influence.methods.tracin import TracIn

    given = {"epochs": epochs, "learning_rate": learning_rate, "batch_size": batch_size}
    settings = {name: value for name, value in given.items() if value is not None}
    with reporting(events) as report:
        name = config.values()["dataset"]
        is_classified = bool(datasets.facts(name).classes)
        wanted = (_of_classes if is_classified else _of_values)(config, settings, checkpoint_every, layers)
        report.done(TracIn.run(wanted, out or new_folder(name, "tracin"), replace, report.progress))


def _of_classes(
    given: Given[TracInImagesConfig], settings: dict[str, Any], every: int | None, layers: str
) -> TracInImagesConfig:
    if layers != "all":
        raise InfluenceError(f"--layers is for houses alone: {given.values()['dataset']} is scored over all layers.")
    learner = given.values()["learner"].replace(**settings)
    sixth = max(1, getattr(learner, "epochs", 1) // 6)
    return given(learner=learner, checkpoint_every=sixth if every is None else every)


def _of_values(
    given: Given[TracInImagesConfig], settings: dict[str, Any], every: int | None, layers: Any
) -> TracInConfig:
    from influence.learners.regression import RegressionConfig

    values = given.values(learner=None)
    if given.is_given("learner", "setting", "classes", "train_size"):
        raise InfluenceError(f"{values['dataset']} has one learner and no classes: leave out what is for images alone.")
    if every is not None:
        settings = settings | {"checkpoint_every": every}
    learner = RegressionConfig(seed=values["seed"], **settings)
    return TracInConfig(dataset=values["dataset"], k=values["k"], learner=learner, layers=layers)


def add_to(app: typer.Typer) -> None:
    """Give a command line this verb."""
    app.command(epilog="Example: python -m influence tracin california-housing --seed 1 --k 100")(tracin)
