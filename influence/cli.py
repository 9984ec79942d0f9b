"""The command line: ``python -m influence VERB ...``. Every verb calls one job."""

import json
import os
import signal
import sys
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from influence.errors import InfluenceError

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
    """Run the command line; what the user can mend ends with one sentence, and status 1, or 2 if it was mistyped."""
    try:
        status = app(sys.argv[1:] or ["--help"], standalone_mode=False)
    except InfluenceError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(1)
    except typer.TyperException as error:
        print(f"Error: {error.format_message()}", file=sys.stderr)
        sys.exit(2)
    if status == _INTERRUPTED:
        print("Stopped; nothing was kept of this run.", file=sys.stderr)
    sys.exit(status)


@app.command(epilog="Example: python -m influence data california-housing")
def data(name: Annotated[str | None, typer.Argument(help="A data set; all of them by default.")] = None) -> None:
    """Download the data sets that are missing, and verify all of them."""
    from influence import datasets

    failures = []
    for one in [name] if name else datasets.NAMES:
        datasets.check_name(one)
        if not datasets.is_present(one):
            print(f"Downloading {one} to {datasets.data_home()} ...", flush=True)
        try:
            datasets.fetch(one)
            dataset = datasets.load(one)
        except InfluenceError as error:
            failures.append(one)
            print(f"Error: {error}", file=sys.stderr)
        else:
            print(f"{one}: {len(dataset.train):,} training and {len(dataset.test):,} test examples, verified.")
    if failures:
        sys.exit(1)


@app.command(epilog="Example: python -m influence tracin california-housing --seed 1 --k 100")
def tracin(
    dataset: Annotated[str, typer.Argument(help="The data set: california-housing.")],
    seed: Annotated[int, typer.Option(help="Of initial weights and order of examples.")] = 0,
    epochs: Annotated[int, typer.Option(help="Passes over the training part.")] = 200,
    checkpoint_every: Annotated[int, typer.Option(help="Epochs from one checkpoint to the next.")] = 20,
    learning_rate: Annotated[float, typer.Option(help="Adam's, constant.")] = 1e-3,
    batch_size: Annotated[int, typer.Option(help="Examples a step.")] = 512,
    k: Annotated[int, typer.Option(help="Proponents and opponents kept for each target.")] = 50,
    out: Out = None,
    replace: Replace = False,
    events: Events = False,
) -> None:
    """Train with checkpoints, score every training example for every test example, and write a result folder."""
    from influence import jobs
    from influence.learners.regression import RegressionConfig

    with _Events() if events else _Terminal() as report:
        learner = RegressionConfig(seed, epochs, checkpoint_every, learning_rate, batch_size)
        config = jobs.TracInConfig(dataset, k, learner)
        report.done(jobs.tracin(config, out or _new_folder(dataset, "tracin"), replace, report.progress))


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
    """Check a result folder: schema, hashes, tables."""
    from influence import results

    read = results.read(result)
    print(
        f"{result}: {read.manifest['method']} on {read.manifest['dataset']}, {len(read.targets):,} targets, "
        f"{len(read.train):,} training examples, {len(read.influences):,} scores. Complete and undamaged."
    )


def _new_folder(dataset: str, method: str) -> Path:
    from influence import results

    return results.results_home() / f"{dataset}-{method}-{datetime.now():%Y-%m-%d-%H%M%S}"


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
        self._bar.stop()
        print(f"Result: {result}")


class _Events:
    """JSON lines on standard output, for the process that started this one; when it goes, so does this one."""

    def __enter__(self) -> "_Events":
        # Restoring what a terminal's Ctrl-C would do lets the job tidy up after itself.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        threading.Thread(target=_stop_when_stdin_closes, daemon=True).start()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, InfluenceError):
            self._print({"error": str(error)})

    def progress(self, share: float, what: str) -> None:
        self._print({"progress": share, "what": what})

    def done(self, result: Path) -> None:
        self._print({"result": str(result)})

    def _print(self, event: dict[str, object]) -> None:
        print(json.dumps(event), flush=True)


def _stop_when_stdin_closes() -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    # Python drops an interrupt that reaches it inside a destructor.
    time.sleep(2)
    os._exit(_INTERRUPTED)
