"""``evaluate``: measure how far a result can be trusted."""

from pathlib import Path
from typing import Annotated

import typer

from influence import datasets
from influence.cli.options import Events, Given, derived
from influence.cli.terminal import reporting
from influence.errors import InfluenceError
from influence.jobs import evaluation
from influence.jobs.evaluation import LdsConfig, MislabelsConfig, RemovalConfig, SizesConfig

group = typer.Typer(
    help="Measure how far a result can be trusted, and keep that beside it. What is trained stays if you stop.",
    no_args_is_help=True,
    epilog="Example: python -m influence evaluate removal precomputed/digits/datamodels",
)

ResultFolder = Annotated[Path, typer.Argument(help="A result folder.")]
EvidenceOut = Annotated[Path | None, typer.Option("--out", help="The folder that gets the evidence. Default: RESULT.")]
FitStore = Annotated[
    str | None,
    typer.Option("--store", help="Outcome store that the result was fitted on. Default: the one of its config."),
]


@group.command("lds", epilog="Example: python -m influence evaluate lds RESULT --store outcomes/digits")
@derived()
def lds(
    result: ResultFolder,
    config: Given[LdsConfig],
    store: Annotated[str, typer.Option(help="Path or fsspec URL of the outcome store whose models judge.")],
    ceiling_store: Annotated[
        str | None, typer.Option(help="The same subsets trained with other seeds. Default: STORE-ceiling.")
    ] = None,
    out: EvidenceOut = None,
    events: Events = False,
) -> None:
    """The linear datamodeling score on models that the fit never saw, beside baselines and the noise ceiling."""
    with reporting(events) as report:
        report.done(evaluation.lds(result, store, config(), ceiling_store, out, report.progress))


@group.command("sizes", epilog="Example: python -m influence evaluate sizes RESULT --sizes 100,500,1000")
@derived()
def sizes(
    result: ResultFolder,
    config: Given[SizesConfig],
    store: FitStore = None,
    out: EvidenceOut = None,
    events: Events = False,
) -> None:
    """Every estimator from fewer and more models, beside what needs no outcomes, on the models held out of the fit."""
    with reporting(events) as report:
        report.done(evaluation.sizes(result, store, config(), out, report.progress))


@group.command("removal", epilog="Example: python -m influence evaluate removal RESULT --targets 100 --seeds 10")
@derived()
def removal(
    result: ResultFolder,
    config: Given[RemovalConfig],
    store: FitStore = None,
    out: EvidenceOut = None,
    events: Events = False,
) -> None:
    """Train without the examples that a result names: predicted against measured change, and flipped predictions."""
    with reporting(events) as report:
        report.done(evaluation.removal(result, config(), store, out, report.progress))


@group.command("mislabels", epilog="Example: python -m influence evaluate mislabels digits --share 0.1")
@derived("dataset")
def mislabels(
    what: Annotated[str, typer.Argument(metavar="RESULT|DATASET", help="A result on images, or digits or cifar10.")],
    config: Given[MislabelsConfig],
    out: EvidenceOut = None,
    events: Events = False,
) -> None:
    """Flip labels, and see which ranking finds the flips: self-influence, memorisation, or plain loss."""
    with reporting(events) as report:
        about = Path(what) if Path(what).is_dir() and what not in datasets.NAMES else None
        if about is None:
            wanted = config(dataset=what)
        elif config.is_given(*_RECIPE, "setting"):
            raise InfluenceError("A result has its own learner and data: give a data set's name to choose others.")
        else:
            values = config.values(learner=None)
            wanted = evaluation.mislabels_of(about, **{name: values[name] for name in values if name not in _RECIPE})
        folder = out or about or evaluation.default_evidence(wanted)
        report.done(evaluation.mislabels(wanted, folder, about, report.progress))


_RECIPE = ("learner", "classes", "train_size")
