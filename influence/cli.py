"""The command line: ``python -m influence VERB ...``. Every verb calls one job."""

import codecs
import io
import json
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from influence import homes
from influence.errors import InfluenceError
from influence.stopping import interruptible, keeps_models
from influence.text import readable

if TYPE_CHECKING:
    from influence.datamodels.outcomes import OutcomeConfig
    from influence.learners.base import Learner

app = typer.Typer(
    name="python -m influence",
    help="Which training examples made my model do that? Datamodels, TracIn, and the results that the explorer shows.",
    add_completion=False,
    pretty_exceptions_enable=False,
)

_INTERRUPTED = 130  # what a shell calls a process that Ctrl-C ended; Typer returns it for KeyboardInterrupt

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


def main() -> None:
    """Run the command line; what the user can mend ends with one sentence, and status 1, or 2 if it was mistyped.

    Ctrl-C, SIGTERM and SIGHUP end it with a sentence, too, and with 128 and the signal's number.
    """
    _print_whatever_comes()
    os.environ.setdefault("PYTHONWARNINGS", "ignore:resource_tracker")  # it counts what killed workers left to it
    with interruptible() as signals:
        try:
            _refuse_empty(sys.argv[1:])
            status = app(sys.argv[1:] or ["--help"], standalone_mode=False)
        except KeyboardInterrupt:
            status = _INTERRUPTED
        except InfluenceError as error:  # a worker that the same signal ended may be what failed
            status = _INTERRUPTED if signals else _end(error.typed, 1)
        except typer.TyperException as error:
            status = _end(error.format_message(), 2)
    if status == _INTERRUPTED:
        kept = "the models that were trained are kept" if keeps_models(sys.argv[1:]) else "nothing was kept of this run"
        with suppress(OSError):  # a terminal that was closed can't be told
            print(f"Stopped; {kept}.", file=sys.stderr, flush=True)
        status = 128 + signals[-1] if signals else _INTERRUPTED
        # An interrupt that came while a module ran exec() leaves a mark with CPython, which would then end this process
        # by a signal of its own; the next exec() takes the mark away.
        exec("")
    sys.exit(status)


def _end(message: str, status: int) -> int:
    print(f"Error: {readable(message)}", file=sys.stderr)
    return status


def _print_whatever_comes() -> None:
    """Have output show what its encoding lacks in another way, where Python would stop at it or print surrogates.

    A locale that says ASCII says nothing of the terminal, which takes UTF-8 as a rule, and so gets it.
    """
    is_chosen = "PYTHONIOENCODING" in os.environ

    def shown(error: UnicodeError) -> tuple[bytes, int]:
        assert isinstance(error, UnicodeEncodeError)
        text = readable(error.object[error.start : error.end])
        encoding = "utf-8" if error.encoding == "ascii" and not is_chosen else error.encoding
        return text.encode(encoding, "backslashreplace"), error.end

    codecs.register_error("influence.readable", shown)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="influence.readable")


def _refuse_empty(arguments: list[str]) -> None:
    """An empty argument is a slip, such as a variable of the shell that is not set; as a path it would mean here."""
    for before, argument in zip(["", *arguments], arguments, strict=False):
        option, _, value = argument.partition("=")
        if not argument.strip() or (option.startswith("--") and argument != option and not value.strip()):
            where = option if option.strip() else before
            after = f" after {where}" if where else ""
            raise typer.TyperException(f"The argument{after} is empty: give it a value, or leave it out.")


@app.command(name="app", epilog="Example: python -m influence app --port 8600")
def explorer(
    port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port of the server. Where it is taken, the next free one is used.")
    ] = 8501,
) -> None:
    """Start the explorer, a web page that shows the results."""
    from influence import serve

    sys.exit(serve.serve(port))


@app.command(epilog="Example: python -m influence data california-housing")
def data(
    name: Annotated[str | None, typer.Argument(help="A data set; all of them by default.")] = None,
    events: Events = False,
) -> None:
    """Download the data sets that are missing, and verify all of them."""
    from influence import datasets

    failures = []
    for one in datasets.NAMES if name is None else [name]:
        datasets.check_name(one)
        if not datasets.is_present(one) and not events:
            print(f"Downloading {one} to {homes.data_home()} ...", flush=True)
        try:
            with _Events() if events else _Terminal() as report:
                datasets.fetch(one, report.progress)
                dataset = datasets.load(one)
                train, test = len(dataset.train), len(dataset.test)
                report.say(f"{one}: {train:,} training and {test:,} test examples, verified.")
        except InfluenceError as error:
            failures.append(one)
            _end(error.typed, 1)
    if failures:
        sys.exit(1)


@app.command(epilog="Example: python -m influence doctor")
def doctor() -> None:
    """Say what is on this machine, what is missing, and what each missing thing would bring."""
    from influence import doctor as machine

    print("\n".join(machine.report()))


group = typer.Typer(
    help="Datamodels: train many models on subsets, and learn which training examples their margins hang on.",
    no_args_is_help=True,
    epilog="Example: python -m influence datamodels run digits --models 1000",
)
app.add_typer(group, name="datamodels")

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
TopK = Annotated[int, typer.Option("--k", help="Training examples kept for each target, either way.")]
ReverseK = Annotated[int, typer.Option(help="Targets kept for each training example, either way.")]


@app.command(epilog="Example: python -m influence tracin california-housing --seed 1 --k 100")
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

    from influence import datasets, jobs
    from influence.learners.regression import RegressionConfig

    datasets.check_name(dataset)
    given = {"epochs": epochs, "learning_rate": learning_rate, "batch_size": batch_size}
    settings = {name: value for name, value in given.items() if value is not None}
    with _Events() if events else _Terminal() as report:
        folder = out or _new_folder(dataset, "tracin")
        if datasets.facts(dataset).classes:
            if layers != "all":
                raise InfluenceError(f"--layers is for houses alone: {dataset} is scored over all layers.")
            chosen = _learner(dataset, learner, setting).replace(**settings)
            every = checkpoint_every if checkpoint_every is not None else max(1, getattr(chosen, "epochs", 1) // 6)
            names = _listed(classes)
            images = jobs.TracInImagesConfig(
                dataset=dataset,
                classes=names,
                train_size=train_size,
                learner=chosen,
                seed=seed,
                checkpoint_every=every,
                k=k,
                reverse_k=reverse_k,
            )
            report.done(jobs.tracin_images(images, folder, replace, report.progress))
        else:
            if learner or setting or classes or train_size:
                raise InfluenceError(f"{dataset} has one learner and no classes: leave out what is for images alone.")
            if checkpoint_every is not None:
                settings["checkpoint_every"] = checkpoint_every
            houses = jobs.TracInConfig(
                dataset=dataset,
                k=k,
                learner=RegressionConfig(seed=seed, **settings),  # type: ignore[arg-type]
                layers=layers,  # type: ignore[arg-type]
            )
            report.done(jobs.tracin(houses, folder, replace, report.progress))


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
    from influence import jobs
    from influence.datamodels import outcomes

    config = _outcome_config(dataset, alpha, seed, seeds, learner, setting, classes, train_size, repeat)
    place = store or jobs.default_store(config)
    where = outcomes.Backend(kind=backend, workers=workers, scheduler=scheduler)  # type: ignore[arg-type]
    with _Terminal() as report:
        done = outcomes.collect(
            config,
            place,
            models,
            _span(span),
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
    from influence import jobs
    from influence.datamodels import outcomes

    with _Events() if events else _Terminal() as report:
        config = outcomes.read_config(store)
        if models is None:
            models = outcomes.size(store) - held_out
        own = _estimator_settings(estimator_setting)
        whole = jobs.DatamodelsConfig(
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
        folder = out or _new_folder(config.dataset, "datamodels")
        report.done(jobs.datamodels(whole, folder, store, replace, report.progress, train=False))


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
    from influence import jobs
    from influence.datamodels import outcomes

    with _Events() if events else _Terminal() as report:
        trained = _outcome_config(dataset, alpha, seed, seeds, learner, setting, classes, train_size)
        own = _estimator_settings(estimator_setting)
        config = jobs.DatamodelsConfig(
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
            report.say(str(jobs.measure(config, store, report.progress)))
            return
        folder = out or _new_folder(dataset, "datamodels")
        report.done(jobs.datamodels(config, folder, store, replace, report.progress, where))


def _outcome_config(
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
        classes=_listed(classes),
        train_size=train_size,
        learner=_learner(dataset, learner, settings),
        subsets=SubsetConfig(alpha=alpha, seed=seed, seeds=seeds, repeat=repeat),  # type: ignore[arg-type]
    )


def _learner(dataset: str, learner: str | None, settings: list[str] | None) -> "Learner":
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
    from influence import datasets

    return LEARNERS[learner or datasets.facts(dataset).learner](**values)  # type: ignore[arg-type]


def _estimator_settings(settings: list[str] | None) -> dict[str, object]:
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


def _span(text: str | None, option: str = "--range") -> tuple[int, int] | None:
    if text is None:
        return None
    first, colon, stop = text.partition(":")
    try:
        if not colon:
            raise ValueError
        return int(first), int(stop)
    except ValueError as error:
        raise InfluenceError(f"{option} {text!r} is not FIRST:STOP: 500:1000, say.") from error


evaluate = typer.Typer(
    help="Measure how far a result can be trusted, and keep that beside it. What is trained stays if you stop.",
    no_args_is_help=True,
    epilog="Example: python -m influence evaluate removal precomputed/digits/datamodels",
)
app.add_typer(evaluate, name="evaluate")

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


@evaluate.command("lds", epilog="Example: python -m influence evaluate lds RESULT --store outcomes/digits")
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

    with _Events() if events else _Terminal() as report:
        config = evaluation.LdsConfig(
            models=_span(models, "--models"),
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


@evaluate.command("sizes", epilog="Example: python -m influence evaluate sizes RESULT --sizes 100,500,1000")
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

    with _Events() if events else _Terminal() as report:
        wanted = tuple(_whole_number(each, "--sizes") for each in _listed(sizes))
        config = evaluation.SizesConfig(
            sizes=wanted,
            targets=targets,
            lasso_targets=lasso_targets,
            feature_models=feature_models,
            bootstrap=bootstrap,
            seed=seed,
        )
        report.done(evaluation.sizes(result, store, config, out, report.progress))


@evaluate.command("removal", epilog="Example: python -m influence evaluate removal RESULT --targets 100 --seeds 10")
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

    with _Events() if events else _Terminal() as report:
        config = evaluation.RemovalConfig(
            targets=targets,
            counts=tuple(_whole_number(each, "--counts") for each in _listed(counts)),
            choices=_listed(choices),
            seeds=seeds,
            seed=seed,
            epochs=epochs,
            feature_models=feature_models,
            kept=kept,
            together=together,
        )
        report.done(evaluation.removal(result, config, store, out, report.progress))


@evaluate.command("mislabels", epilog="Example: python -m influence evaluate mislabels digits --share 0.1")
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

    with _Events() if events else _Terminal() as report:
        values = {"share": share, "models": models, "subset_models": subset_models, "alpha": alpha, "seed": seed}
        is_result = Path(what).is_dir() and what not in datasets.NAMES
        if is_result:
            if learner or setting or classes or train_size:
                raise InfluenceError("A result has its own learner and data: give a data set's name to choose others.")
            config = evaluation.mislabels_of(Path(what), **values)
        else:
            datasets.check_name(what)
            trained = _outcome_config(what, alpha, seed, "fresh", learner, setting, classes, train_size)
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


def _listed(text: str | None) -> tuple[str, ...]:
    """What stands between the commas of an option, without the spaces around it."""
    return tuple(each.strip() for each in text.split(",")) if text else ()


def _whole_number(text: str, option: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise InfluenceError(f"{option} has {text!r}, which is no whole number: 1,10,100, say.") from error


@app.command(epilog="Example: python -m influence replay precomputed/california-housing/tracin --out results/again")
def replay(
    result: Annotated[Path, typer.Argument(help="A result folder.")],
    out: Out = None,
    replace: Replace = False,
    events: Events = False,
) -> None:
    """Make a result again from the config in its own manifest."""
    from influence import jobs

    with _Events() if events else _Terminal() as report:
        folder = out or _new_folder(result.name, "replay")
        report.done(jobs.replay(result, folder, replace, report.progress))


@app.command(epilog="Example: python -m influence check precomputed/california-housing/tracin")
def check(result: Annotated[Path, typer.Argument(help="A result folder.")]) -> None:
    """Check a result folder and the evidence in it: schema, hashes, tables."""
    from influence import evidence, manifests, results

    read = results.read(result)
    found = evidence.read(read)
    for problem in found.problems:
        _end(problem, 1)
    if found.problems:
        sys.exit(1)
    parts = {"the result": read.manifest} | {f"its {kind} evidence": each for kind, each in found.manifests.items()}
    print(
        f"{result}: {read.manifest['method']} on {read.manifest['dataset']}, {len(read.targets):,} targets, "
        f"{len(read.train):,} training examples, {len(read.influences):,} scores. Complete and undamaged."
    )
    old = [name for name, manifest in parts.items() if not manifests.has_digest(manifest)]
    if old:
        print(
            f"An older version of this program wrote the manifest of {', '.join(old)}, without a digest of the "
            "manifest itself: the tables were compared with their hashes, but a change in that manifest would not be "
            "noticed."
        )


@app.command("add-digest", hidden=True)
def add_digest(result: Annotated[Path, typer.Argument(help="A result folder.")]) -> None:
    """Give the manifests of a result and its evidence that an older version wrote a digest of themselves."""
    from influence import evidence, results

    folders = [result, *(evidence.place(result, kind) for kind in evidence.KINDS)]
    for folder in folders:
        if folder == result or folder.exists():
            added = results.add_digest(folder)
            print(f"{folder}: {'the digest was added' if added else 'there is a digest already'}.")


def _new_folder(dataset: str, method: str) -> Path:

    return homes.results_home() / f"{dataset}-{method}-{datetime.now():%Y-%m-%d-%H%M%S}"


class _Terminal:
    """A progress bar where output is a terminal, and one line at the end."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn("{task.description:<20}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            disable=not sys.stdout.isatty(),
        )
        self._task = self._bar.add_task("starting", total=1.0)

    def __enter__(self) -> "_Terminal":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def progress(self, share: float, what: str) -> None:
        self._bar.update(self._task, completed=share, description=what)

    def done(self, result: Path) -> None:
        self.say(f"Result: {result}")

    def say(self, text: str) -> None:
        """End with a sentence."""
        self._bar.stop()
        print(text)


class _Events:
    """JSON lines on standard output, for the process that started this one; when it goes, so does this one."""

    def __enter__(self) -> "_Events":
        threading.Thread(target=_stop_when_stdin_closes, daemon=True).start()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, InfluenceError):
            self._print({"error": str(error)})  # whoever started this has no options to choose

    def progress(self, share: float, what: str) -> None:
        self._print({"progress": share, "what": what})

    def done(self, result: Path) -> None:
        self._print({"result": str(result)})

    def say(self, text: str) -> None:
        self._print({"said": text})

    def _print(self, event: dict[str, object]) -> None:
        shown = {name: readable(value) if isinstance(value, str) else value for name, value in event.items()}
        print(json.dumps(shown), flush=True)


def _stop_when_stdin_closes() -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    # Python drops an interrupt that reaches it inside a destructor.
    time.sleep(2)
    os._exit(_INTERRUPTED)
