"""``evaluate``: measure how far a result can be trusted."""

from pathlib import Path
from typing import Annotated

import typer

from influence.cli.options import (
    Alpha,
    Classes,
    Events,
    LearnerName,
    Settings,
    TrainSize,
    listed,
    outcome_config,
    span_of,
    whole_number,
)
from influence.cli.terminal import reporting
from influence.errors import InfluenceError

group = typer.Typer(
    help="Measure how far a result can be trusted, and keep that beside it. What is trained stays if you stop.",
    no_args_is_help=True,
    epilog="Example: python -m influence evaluate removal precomputed/digits/datamodels",
)

ResultFolder = Annotated[Path, typer.Argument(help="A result folder.")]
EvidenceOut = Annotated[Path | None, typer.Option("--out", help="The folder that gets the evidence. Default: RESULT.")]
DrawSeed = Annotated[int, typer.Option("--seed", help="Of everything that is drawn.")]
FeatureModels = Annotated[
    int, typer.Option(help="Models, trained again, whose features tell neighbours; 0 compares pixels.")
]
FitStore = Annotated[
    str | None,
    typer.Option("--store", help="Outcome store that the result was fitted on. Default: the one of its config."),
]


@group.command("lds", epilog="Example: python -m influence evaluate lds RESULT --store outcomes/digits")
def evaluate_lds(
    result: ResultFolder,
    store: Annotated[str, typer.Option(help="Path or fsspec URL of the outcome store whose models judge.")],
    models: Annotated[
        str | None, typer.Option(help="Those that judge, as FIRST:STOP. Default: those held out of the fit.")
    ] = None,
    ceiling: Annotated[bool, typer.Option(help="Measure the noise ceiling, from --ceiling-store.")] = True,
    ceiling_store: Annotated[
        str | None, typer.Option(help="The same subsets trained with other seeds. Default: STORE-ceiling.")
    ] = None,
    feature_models: FeatureModels = 4,
    bootstrap: Annotated[int, typer.Option(help="Resamples of the models, for the intervals.")] = 1000,
    kept: Annotated[
        bool | None,
        typer.Option(
            "--kept/--all-scores",
            help="Take the score that the fit measured on the same models, or compute all scores again. Default: the "
            "former if computing takes minutes.",
        ),
    ] = None,
    swapped: Annotated[
        int,
        typer.Option(help="Of common seeds: train judges again with so many examples swapped, to see what repeats."),
    ] = 0,
    swapped_models: Annotated[int, typer.Option(help="How many judges are, with --swapped.")] = 24,
    targets: Annotated[int | None, typer.Option(help="Judge on so many, drawn at random. Default: all.")] = None,
    seed: DrawSeed = 0,
    out: EvidenceOut = None,
    events: Events = False,
) -> None:
    """The linear datamodeling score on models that the fit never saw, beside baselines and the noise ceiling."""
    from influence.jobs import evaluation

    with reporting(events) as report:
        config = evaluation.LdsConfig(
            models=span_of(models, "--models"),
            ceiling=ceiling,
            feature_models=feature_models,
            bootstrap=bootstrap,
            seed=seed,
            kept=kept,
            swapped=swapped,
            swapped_models=swapped_models,
            targets=targets,
        )
        report.done(evaluation.lds(result, store, config, ceiling_store, out, report.progress))


@group.command("sizes", epilog="Example: python -m influence evaluate sizes RESULT --sizes 100,500,1000")
def evaluate_sizes(
    result: ResultFolder,
    store: FitStore = None,
    sizes: Annotated[
        str, typer.Option(help="Numbers of models, separated by commas; what the fit did not have is left out.")
    ] = "50,100,250,500,1000,2000",
    targets: Annotated[int, typer.Option(help="Test examples that the score is averaged over.")] = 1000,
    lasso_targets: Annotated[int, typer.Option(help="The same for the LASSO; 0 leaves it out.")] = 50,
    feature_models: FeatureModels = 4,
    bootstrap: Annotated[int, typer.Option(help="Resamples of the models, for the intervals.")] = 200,
    seed: DrawSeed = 0,
    out: EvidenceOut = None,
    events: Events = False,
) -> None:
    """Every estimator from fewer and more models, beside what needs no outcomes, on the models held out of the fit."""
    from influence.jobs import evaluation

    with reporting(events) as report:
        wanted = tuple(whole_number(each, "--sizes") for each in listed(sizes))
        config = evaluation.SizesConfig(
            sizes=wanted,
            targets=targets,
            lasso_targets=lasso_targets,
            feature_models=feature_models,
            bootstrap=bootstrap,
            seed=seed,
        )
        report.done(evaluation.sizes(result, store, config, out, report.progress))


@group.command("removal", epilog="Example: python -m influence evaluate removal RESULT --targets 100 --seeds 10")
def evaluate_removal(
    result: ResultFolder,
    targets: Annotated[
        int | None,
        typer.Option(help="Test examples. Default: 100 at random; 30 of CIFAR-10; of houses, the Palo Alto eleven."),
    ] = None,
    counts: Annotated[
        str | None,
        typer.Option(
            help="Training examples removed, as 1,10,100. Default: up to a quarter of a class; 50 of CIFAR-10."
        ),
    ] = None,
    choices: Annotated[
        str | None, typer.Option(help="Of helpful, harmful, neighbours, random, with commas between them.")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(help="Trainings of every removal. Default: 10; where they take seconds 1, or 2.")
    ] = None,
    kept: Annotated[
        bool | None,
        typer.Option(
            "--kept/--all-scores",
            help="Take the kept scores, or compute all again. Default: the kept ones if computing takes minutes.",
        ),
    ] = None,
    seed: DrawSeed = 0,
    epochs: Annotated[int | None, typer.Option(help="Of every training; default: the result's own recipe.")] = None,
    feature_models: FeatureModels = 4,
    together: Annotated[
        bool, typer.Option("--together", help="Remove what helps all the targets together: one training serves all.")
    ] = False,
    store: FitStore = None,
    out: EvidenceOut = None,
    events: Events = False,
) -> None:
    """Train without the examples that a result names: predicted against measured change, and flipped predictions."""
    from influence.jobs import evaluation

    with reporting(events) as report:
        config = evaluation.RemovalConfig(
            targets=targets,
            counts=tuple(whole_number(each, "--counts") for each in listed(counts)),
            choices=listed(choices),
            seeds=seeds,
            seed=seed,
            epochs=epochs,
            feature_models=feature_models,
            kept=kept,
            together=together,
        )
        report.done(evaluation.removal(result, config, store, out, report.progress))


@group.command("mislabels", epilog="Example: python -m influence evaluate mislabels digits --share 0.1")
def evaluate_mislabels(
    what: Annotated[str, typer.Argument(metavar="RESULT|DATASET", help="A result on images, or digits or cifar10.")],
    share: Annotated[float, typer.Option(help="Of the labels that are flipped.")] = 0.1,
    models: Annotated[
        int | None,
        typer.Option(help="Trained on everything, for loss and self-influence. Default: 10; 1 of CIFAR-10."),
    ] = None,
    subset_models: Annotated[
        int | None,
        typer.Option(help="Trained on subsets, for own weights and held-out loss. Default: 500; 48 of CIFAR-10."),
    ] = None,
    alpha: Alpha = 0.5,
    seed: DrawSeed = 0,
    learner: LearnerName = None,
    setting: Settings = None,
    classes: Classes = None,
    train_size: TrainSize = None,
    out: EvidenceOut = None,
    events: Events = False,
) -> None:
    """Flip labels, and see which ranking finds the flips: self-influence, own weight, or plain loss."""
    from influence import datasets
    from influence.jobs import evaluation

    with reporting(events) as report:
        values = {"share": share, "models": models, "subset_models": subset_models, "alpha": alpha, "seed": seed}
        is_result = Path(what).is_dir() and what not in datasets.NAMES
        if is_result:
            if learner or setting or classes or train_size:
                raise InfluenceError("A result has its own learner and data: give a data set's name to choose others.")
            config = evaluation.mislabels_of(Path(what), **values)
        else:
            datasets.check_name(what)
            trained = outcome_config(what, alpha, seed, "fresh", learner, setting, classes, train_size)
            config = evaluation.MislabelsConfig(
                dataset=trained.dataset,
                classes=trained.classes,
                train_size=trained.train_size,
                learner=trained.learner,
                **values,  # type: ignore[arg-type]
            )
        about = Path(what) if is_result else None
        folder = out or about or evaluation.default_evidence(config)
        report.done(evaluation.mislabels(config, folder, about, report.progress))
