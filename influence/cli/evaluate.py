"""``evaluate``: measure how far a result can be trusted. A verb an evaluation, with the options of its settings."""

from pathlib import Path
from types import GenericAlias
from typing import Annotated, Any

import typer

from influence import datasets, jobs
from influence.cli.main import GROUPS
from influence.cli.options import Events, Given, derived
from influence.cli.terminal import reporting
from influence.errors import InfluenceError
from influence.evaluation import EVALUATIONS, Evaluation
from influence.evaluation.lds import LdsConfig, LdsEvaluation
from influence.evaluation.mislabels import MislabelsConfig, MislabelsEvaluation

group = typer.Typer(
    help=GROUPS["evaluate"],
    no_args_is_help=True,
    epilog="Example: python -m influence evaluate removal precomputed/digits/datamodels",
)

ResultFolder = Annotated[Path, typer.Argument(help="A result folder.")]
EvidenceOut = Annotated[Path | None, typer.Option("--out", help="The folder that gets the evidence. Default: RESULT.")]
FitStore = Annotated[
    str | None,
    typer.Option("--store", help="Outcome store that the result was fitted on. Default: the one of its config."),
]


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
    """Judge by the models of a store, which must be named."""
    with reporting(events) as report:
        done = jobs.evaluate("lds", result, config(), out, report.progress, store, ceiling_store=ceiling_store)
        report.done(done)


@derived("dataset")
def mislabels(
    what: Annotated[str, typer.Argument(metavar="RESULT|DATASET", help="A result on images, or digits or cifar10.")],
    config: Given[MislabelsConfig],
    out: EvidenceOut = None,
    events: Events = False,
) -> None:
    """Flip labels of a result's data set, or of the one that is named."""
    with reporting(events) as report:
        about = Path(what) if Path(what).is_dir() and what not in datasets.NAMES else None
        if about is None:
            report.done(jobs.evaluate_data("mislabels", config(dataset=what), out, report.progress))
            return
        if config.is_given(*_RECIPE, "setting"):
            raise InfluenceError("A result has its own learner and data: give a data set's name to choose others.")
        values = config.values(learner=None)
        wanted = MislabelsConfig(**{name: values[name] for name in values if name not in _RECIPE})
        report.done(jobs.evaluate("mislabels", about, wanted, out, report.progress))


_RECIPE = ("learner", "classes", "train_size")


def _verb_of(evaluation: type[Evaluation]) -> Any:
    """The verb of an evaluation that asks for nothing but a result and its settings."""

    def verb(
        result: ResultFolder, config: Any, store: FitStore = None, out: EvidenceOut = None, events: Events = False
    ) -> None:
        with reporting(events) as report:
            report.done(jobs.evaluate(evaluation.name, result, config(), out, report.progress, store))

    verb.__annotations__["config"] = GenericAlias(Given, (evaluation.config,))
    return derived()(verb)


_OWN = {LdsEvaluation.name: lds, MislabelsEvaluation.name: mislabels}
_FORMERLY = {"scaling": "sizes"}  # verbs that go on under the names that they had

for _name, _evaluation in EVALUATIONS.items():
    _verb = _OWN.get(_name) or _verb_of(_evaluation)
    for _each in (_name, _FORMERLY.get(_name)):
        if _each is not None:
            _example = f"Example: python -m influence evaluate {_each} {_evaluation.example}"
            group.command(_each, help=_evaluation.title, epilog=_example, hidden=_each != _name)(_verb)


def add_to(app: typer.Typer) -> None:
    """Give a command line these verbs."""
    app.add_typer(group, name="evaluate")
