"""``tracin``: train with checkpoints, score, and write a result."""

from collections.abc import Callable
from typing import Annotated, Any

import typer

from influence.cli.options import Events, Given, Out, Replace, derived, new_folder
from influence.cli.terminal import reporting
from influence.methods.base import Method
from influence.methods.tracin.config import TracInConfig, usual_interval


@derived()
def tracin(
    config: Given[TracInConfig],
    epochs: Annotated[int | None, typer.Option(help="Passes over the training part. Default: the learner's.")] = None,
    checkpoint_every: Annotated[
        int | None,
        typer.Option(help="Epochs from one checkpoint to the next. Default: 20 for houses, else a sixth of them."),
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Learning rate of the learner. Default: the learner's.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Training examples in a step. Default: the learner's.")] = None,
    out: Out = None,
    replace: Replace = False,
    events: Events = False,
) -> None:
    """Train with checkpoints, score every training example for every test example, and write a result folder.

    Classes, and targets kept for training examples, are for data sets with classes alone.
    """
    from influence.methods.tracin import TracIn

    given = {"epochs": epochs, "learning_rate": learning_rate, "batch_size": batch_size}
    settings = {name: value for name, value in given.items() if value is not None}
    with reporting(events) as report:
        values = config.values()
        learner = values["learner"].replace(**settings)
        every = usual_interval(learner) if checkpoint_every is None else checkpoint_every
        wanted = config(learner=learner, checkpoint_every=every)
        report.done(TracIn.run(wanted, out or new_folder(wanted.dataset, "tracin"), replace, report.progress))


def verb_of(method: type[Method]) -> Callable[..., None]:
    """Make the verb of a method that has none of its own: the settings of its config are the options."""

    def verb(config: Any, out: Out = None, replace: Replace = False, events: Events = False) -> None:
        with reporting(events) as report:
            wanted = config()
            folder = out or new_folder(wanted.dataset, method.name)
            report.done(method.run(wanted, folder, replace, report.progress))

    verb.__annotations__["config"] = Given[method.config]  # type: ignore[name-defined]
    verb.__doc__ = method.__doc__
    return derived()(verb)


def add_to(app: typer.Typer) -> None:
    """Give a command line this verb."""
    app.command(epilog="Example: python -m influence tracin california-housing --seed 1 --k 100")(tracin)
