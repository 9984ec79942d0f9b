"""``data``, ``doctor`` and ``app``: what is on this machine, and the web page that shows it."""

import sys
from typing import Annotated

import typer

from influence import homes
from influence.cli.options import Events
from influence.cli.terminal import end, reporting
from influence.errors import InfluenceError


def explorer(
    port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port of the server. If it is taken, the next free port is used.")
    ] = 8501,
) -> None:
    """Start the explorer, a web page that shows the results."""
    from influence import serve

    sys.exit(serve.serve(port))


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
            with reporting(events) as report:
                datasets.fetch(one, report.progress)
                dataset = datasets.load(one)
                train, test = len(dataset.train), len(dataset.test)
                report.say(f"{one}: {train:,} training and {test:,} test examples, verified.")
        except InfluenceError as error:
            failures.append(one)
            end(error.typed, 1)
    if failures:
        sys.exit(1)


def doctor() -> None:
    """Say what is on this machine, what is missing, and what each missing thing would bring."""
    from influence import doctor as machine

    print("\n".join(machine.report()))


def add_to(app: typer.Typer) -> None:
    """Give a command line these verbs."""
    app.command("app", epilog="Example: python -m influence app --port 8600")(explorer)
    app.command(epilog="Example: python -m influence data california-housing")(data)
    app.command(epilog="Example: python -m influence doctor")(doctor)
