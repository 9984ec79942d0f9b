"""``datamodels``: train many models, fit their outcomes, and write a result."""

import sys
from typing import Annotated

import typer

from influence.cli.main import GROUPS
from influence.cli.options import Events, Given, Out, Replace, derived, new_folder
from influence.cli.terminal import Terminal, reporting
from influence.datamodels.outcomes.backends import Backend
from influence.datamodels.outcomes.config import OutcomeConfig
from influence.methods.datamodels.config import DatamodelsConfig
from influence.settings import span

group = typer.Typer(
    help=GROUPS["datamodels"],
    no_args_is_help=True,
    epilog="Example: python -m influence datamodels run digits --models 1000",
)

Store = Annotated[
    str | None,
    typer.Option(help="Path or fsspec URL of the outcome store. Default: one in results/, its own for every config."),
]
Place = Annotated[str, typer.Argument(help="Path or fsspec URL of an outcome store.")]


@group.command(epilog="Example: python -m influence datamodels collect digits --models 2000 --store outcomes/digits")
@derived()
def collect(
    config: Given[OutcomeConfig],
    backend: Given[Backend],
    models: Annotated[
        int, typer.Option(help="Total number of models in the store; a larger number extends the store.")
    ] = 2000,
    store: Store = None,
    only: Annotated[
        str | None, typer.Option("--range", help="Only these models, as FIRST:STOP, for several machines on one store.")
    ] = None,
) -> None:
    """Train the models that a store lacks. Stop and start again as often as you like: what is done stays done."""
    from influence.datamodels import outcomes

    wanted = config()
    place = store or outcomes.default_store(wanted)
    with Terminal() as report:
        done = outcomes.collect(
            wanted,
            place,
            models,
            span(only, "--range"),
            backend(),
            lambda finished, total: report.progress(finished / total, f"{finished:,} of {total:,} models"),
        )
    print(f"{place}: {done.trained:,} models trained, {done.diverged:,} of them diverged; {done.present:,} are there.")


@group.command(epilog="Example: python -m influence datamodels fit outcomes/digits --estimator lasso")
@derived("outcomes")
def fit(
    store: Place,
    config: Given[DatamodelsConfig],
    models: Annotated[int | None, typer.Option(help="Models to fit. Default: all but the held-out ones.")] = None,
    ceiling: Annotated[
        bool, typer.Option(help="Train the held-out subsets a second time, which shows how much of a margin is chance.")
    ] = False,
    out: Out = None,
    replace: Replace = False,
    events: Events = False,
) -> None:
    """Fit stored outcomes, judge the fit on held-out models, and write a result folder. Trains nothing."""
    from influence.datamodels import outcomes
    from influence.methods.datamodels import Datamodels

    with reporting(events) as report:
        trained = outcomes.read_config(store)
        if models is None:
            models = outcomes.size(store) - config.values()["held_out"]
        whole = config(outcomes=trained, models=models, ceiling=ceiling)
        folder = out or new_folder(trained.dataset, "datamodels")
        report.done(Datamodels.run(whole, folder, replace, report.progress, store=store, train=False))


@group.command(epilog="Example: python -m influence datamodels verify outcomes/digits --repair")
def verify(
    store: Place,
    repair: Annotated[
        bool, typer.Option("--repair", help="Mark damaged models as missing, so that collect trains them again.")
    ] = False,
) -> None:
    """Read a whole store, and say what is missing or damaged; status 1 if anything is damaged."""
    from influence.datamodels import outcomes

    found = outcomes.verify(store, repair)
    print(f"{store}: {found}")
    if found.damaged and not repair:
        sys.exit(1)


@group.command(epilog="Example: python -m influence datamodels run digits --models 1000 --estimator lasso")
@derived()
def run(
    config: Given[DatamodelsConfig],
    backend: Given[Backend],
    measure: Annotated[
        bool, typer.Option("--measure", help="Only train the first model, keep it, and say how long all would take.")
    ] = False,
    store: Store = None,
    out: Out = None,
    replace: Replace = False,
    events: Events = False,
) -> None:
    """Train what is missing, fit, judge, and write a result folder: collect and fit in one."""
    from influence.methods.datamodels import Datamodels
    from influence.methods.datamodels.measure import measure as time_first

    with reporting(events) as report:
        wanted, where = config(), backend()
        if measure:
            report.say(str(time_first(wanted, store, report.progress)))
            return
        folder = out or new_folder(wanted.outcomes.dataset, "datamodels")
        report.done(Datamodels.run(wanted, folder, replace, report.progress, store=store, backend=where))


def add_to(app: typer.Typer) -> None:
    """Give a command line these verbs."""
    app.add_typer(group, name="datamodels")
