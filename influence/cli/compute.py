"""``tracin``: train with checkpoints, score, and write a result."""

from typing import Annotated

import typer

from influence.cli.options import (
    Classes,
    Events,
    LearnerName,
    Out,
    Replace,
    ReverseK,
    Settings,
    TrainSize,
    chosen_learner,
    listed,
    new_folder,
)
from influence.cli.terminal import reporting
from influence.errors import InfluenceError


def tracin(
    dataset: Annotated[str, typer.Argument(help="The data set: california-housing, digits or cifar10.")],
    seed: Annotated[int, typer.Option(help="Of initial weights and order of examples.")] = 0,
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the training part. Default: 200 for houses, else the learner's.")
    ] = None,
    checkpoint_every: Annotated[
        int | None,
        typer.Option(help="Epochs from one checkpoint to the next. Default: 20 for houses, else a sixth of them."),
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="For houses Adam's, constant. Default: 0.001, else the learner's.")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Examples a step. Default: 512 for houses, else the learner's.")
    ] = None,
    layers: Annotated[
        str, typer.Option(help="Of houses: all, or last, which approximates with the last layer's gradients alone.")
    ] = "all",
    learner: LearnerName = None,
    setting: Settings = None,
    classes: Classes = None,
    train_size: TrainSize = None,
    k: Annotated[int, typer.Option(help="Proponents and opponents kept for each target.")] = 50,
    reverse_k: ReverseK = 20,
    out: Out = None,
    replace: Replace = False,
    events: Events = False,
) -> None:
    """Train with checkpoints, score every training example for every test example, and write a result folder.

    The learner, its settings, classes, a training size and targets kept for training examples are for images alone.
    """

    from influence import datasets
    from influence.learners.regression import RegressionConfig
    from influence.methods.tracin import TracIn, TracInConfig, TracInImagesConfig

    datasets.check_name(dataset)
    given = {"epochs": epochs, "learning_rate": learning_rate, "batch_size": batch_size}
    settings = {name: value for name, value in given.items() if value is not None}
    with reporting(events) as report:
        folder = out or new_folder(dataset, "tracin")
        if datasets.facts(dataset).classes:
            if layers != "all":
                raise InfluenceError(f"--layers is for houses alone: {dataset} is scored over all layers.")
            chosen = chosen_learner(dataset, learner, setting).replace(**settings)
            every = checkpoint_every if checkpoint_every is not None else max(1, getattr(chosen, "epochs", 1) // 6)
            names = listed(classes)
            images = TracInImagesConfig(
                dataset=dataset,
                classes=names,
                train_size=train_size,
                learner=chosen,
                seed=seed,
                checkpoint_every=every,
                k=k,
                reverse_k=reverse_k,
            )
            report.done(TracIn.run(images, folder, replace, report.progress))
        else:
            if learner or setting or classes or train_size:
                raise InfluenceError(f"{dataset} has one learner and no classes: leave out what is for images alone.")
            if checkpoint_every is not None:
                settings["checkpoint_every"] = checkpoint_every
            houses = TracInConfig(
                dataset=dataset,
                k=k,
                learner=RegressionConfig(seed=seed, **settings),  # type: ignore[arg-type]
                layers=layers,  # type: ignore[arg-type]
            )
            report.done(TracIn.run(houses, folder, replace, report.progress))
