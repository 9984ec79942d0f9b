"""``datamodels``: train many models, fit their outcomes, and write a result."""

import sys
from typing import Annotated

import typer

from influence.cli.options import (
    Alpha,
    Classes,
    Events,
    LearnerName,
    Out,
    Replace,
    ReverseK,
    Seed,
    Seeds,
    Settings,
    TopK,
    TrainSize,
    estimator_settings,
    new_folder,
    outcome_config,
    span_of,
)
from influence.cli.terminal import Terminal, reporting

group = typer.Typer(
    help="Datamodels: train many models on subsets, and learn which training examples their margins hang on.",
    no_args_is_help=True,
    epilog="Example: python -m influence datamodels run digits --models 1000",
)

Store = Annotated[
    str | None,
    typer.Option(help="Path or fsspec URL of the outcome store. Default: one in results/, its own for every config."),
]
BackendName = Annotated[str, typer.Option("--backend", help="Where models are trained: here, loky or dask.")]
Workers = Annotated[int, typer.Option(help="Processes of loky; 0 is one a processor.")]
Scheduler = Annotated[str | None, typer.Option(help="Address of the Dask scheduler, such as tcp://10.0.0.5:8786.")]
HeldOut = Annotated[int, typer.Option(help="Models that are never fitted, and judge.")]
EstimatorName = Annotated[
    str,
    typer.Option(
        "--estimator", help="How weights are fitted, such as prior-informed or ridge; an unknown name lists all."
    ),
]
EstimatorSettings = Annotated[
    list[str] | None,
    typer.Option(
        "--estimator-setting", help="Of the estimator, NAME=VALUE, such as lambdas=100 of lasso; may be repeated."
    ),
]
PriorModels = Annotated[int, typer.Option(help="Models whose gradients make the prior of prior-informed.")]
Ceiling = Annotated[bool, typer.Option(help="Train the held-out subsets twice, which tells how noisy margins are.")]


@group.command(epilog="Example: python -m influence datamodels collect digits --models 2000 --store outcomes/digits")
def collect(
    dataset: Annotated[str, typer.Argument(help="The data set: digits or cifar10.")],
    models: Annotated[
        int, typer.Option(help="How many there are to be in all; more than there are extends the store.")
    ] = 2000,
    alpha: Alpha = 0.5,
    seed: Seed = 0,
    seeds: Seeds = "fresh",
    repeat: Annotated[
        int, typer.Option(help="Train the same subsets once more, with other seeds: 1 for the first time, and so on.")
    ] = 0,
    learner: LearnerName = None,
    setting: Settings = None,
    classes: Classes = None,
    train_size: TrainSize = None,
    store: Store = None,
    span: Annotated[
        str | None, typer.Option("--range", help="Only these models, as FIRST:STOP, for several machines on one store.")
    ] = None,
    backend: BackendName = "here",
    workers: Workers = 0,
    scheduler: Scheduler = None,
) -> None:
    """Train the models that a store lacks. Stop and start again as often as you like: what is done stays done."""
    from influence.datamodels import outcomes

    config = outcome_config(dataset, alpha, seed, seeds, learner, setting, classes, train_size, repeat)
    place = store or outcomes.default_store(config)
    where = outcomes.Backend(kind=backend, workers=workers, scheduler=scheduler)  # type: ignore[arg-type]
    with Terminal() as report:
        done = outcomes.collect(
            config,
            place,
            models,
            span_of(span),
            where,
            lambda finished, total: report.progress(finished / total, f"{finished:,} of {total:,} models"),
        )
    print(f"{place}: {done.trained:,} models trained, {done.diverged:,} of them diverged; {done.present:,} are there.")


@group.command(epilog="Example: python -m influence datamodels fit outcomes/digits --estimator lasso")
def fit(
    store: Annotated[str, typer.Argument(help="Path or fsspec URL of an outcome store.")],
    models: Annotated[int | None, typer.Option(help="Models to fit. Default: all but the held-out ones.")] = None,
    held_out: HeldOut = 512,
    estimator: EstimatorName = "prior-informed",
    estimator_setting: EstimatorSettings = None,
    prior_models: PriorModels = 16,
    ceiling: Ceiling = False,
    k: TopK = 50,
    reverse_k: ReverseK = 20,
    out: Out = None,
    replace: Replace = False,
    events: Events = False,
) -> None:
    """Fit stored outcomes, judge the fit on held-out models, and write a result folder. Trains nothing."""
    from influence.datamodels import outcomes
    from influence.methods.datamodels import Datamodels, DatamodelsConfig

    with reporting(events) as report:
        config = outcomes.read_config(store)
        if models is None:
            models = outcomes.size(store) - held_out
        own = estimator_settings(estimator_setting)
        whole = DatamodelsConfig(
            outcomes=config,
            models=models,
            held_out=held_out,
            estimator=estimator,
            prior_models=prior_models,
            ceiling=ceiling,
            k=k,
            reverse_k=reverse_k,
            settings=own,
        )
        folder = out or new_folder(config.dataset, "datamodels")
        report.done(Datamodels.run(whole, folder, replace, report.progress, store=store, train=False))


@group.command(epilog="Example: python -m influence datamodels verify outcomes/digits --repair")
def verify(
    store: Annotated[str, typer.Argument(help="Path or fsspec URL of an outcome store.")],
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
def run(
    dataset: Annotated[str, typer.Argument(help="The data set: digits or cifar10.")],
    models: Annotated[int, typer.Option(help="Models that are fitted.")] = 1000,
    held_out: HeldOut = 512,
    alpha: Alpha = 0.5,
    seed: Seed = 0,
    seeds: Seeds = "fresh",
    estimator: EstimatorName = "prior-informed",
    estimator_setting: EstimatorSettings = None,
    prior_models: PriorModels = 16,
    ceiling: Ceiling = True,
    measure: Annotated[
        bool, typer.Option("--measure", help="Only train the first model, keep it, and say how long all would take.")
    ] = False,
    learner: LearnerName = None,
    setting: Settings = None,
    classes: Classes = None,
    train_size: TrainSize = None,
    k: TopK = 50,
    reverse_k: ReverseK = 20,
    store: Store = None,
    backend: BackendName = "here",
    workers: Workers = 0,
    scheduler: Scheduler = None,
    out: Out = None,
    replace: Replace = False,
    events: Events = False,
) -> None:
    """Train what is missing, fit, judge, and write a result folder: collect and fit in one."""
    from influence.datamodels import outcomes
    from influence.methods.datamodels import Datamodels, DatamodelsConfig
    from influence.methods.datamodels.measure import measure as time_first

    with reporting(events) as report:
        trained = outcome_config(dataset, alpha, seed, seeds, learner, setting, classes, train_size)
        own = estimator_settings(estimator_setting)
        config = DatamodelsConfig(
            outcomes=trained,
            models=models,
            held_out=held_out,
            estimator=estimator,
            prior_models=prior_models,
            ceiling=ceiling,
            k=k,
            reverse_k=reverse_k,
            settings=own,
        )
        where = outcomes.Backend(kind=backend, workers=workers, scheduler=scheduler)  # type: ignore[arg-type]
        if measure:
            report.say(str(time_first(config, store, report.progress)))
            return
        folder = out or new_folder(dataset, "datamodels")
        report.done(Datamodels.run(config, folder, replace, report.progress, store=store, backend=where))
