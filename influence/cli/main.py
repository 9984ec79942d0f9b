"""The verbs, and how a command ends: with a result, with a sentence, or by a signal."""

import importlib
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

import typer

from influence.cli.terminal import INTERRUPTED, end, print_whatever_comes
from influence.errors import InfluenceError
from influence.stopping import interruptible

MODULES = {  # of each verb, in the order of the help
    "app": "data",
    "data": "data",
    "doctor": "data",
    "tracin": "compute",
    "replay": "results",
    "check": "results",
    "migrate": "results",
    "add-digest": "results",
    "datamodels": "outcomes",
    "evaluate": "evaluate",
}
GROUPS = {
    "datamodels": "Datamodels: train many models on subsets, and learn which training examples their margins hang on.",
    "evaluate": "Measure how far a result can be trusted, and keep that beside it. What is trained stays if you stop.",
}


def app_for(arguments: Sequence[str]) -> typer.Typer:
    """Make the command line: where the first argument is a verb, with that alone, since others take time to import.

    Else it has every verb, and of a group the help alone.
    """
    app = typer.Typer(
        name="python -m influence",
        help=(
            "Which training examples made my model do that? Datamodels, TracIn, and the results that the explorer "
            "shows."
        ),
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(lambda: None)  # so that a single verb is still typed
    named = arguments[:1] if arguments and arguments[0] in MODULES else []
    for module in dict.fromkeys(MODULES[verb] for verb in named or MODULES if named or verb not in GROUPS):
        importlib.import_module(f"influence.cli.{module}").add_to(app)
    if not named:
        _add_other_methods(app)
    for verb, text in GROUPS.items() if not named else ():
        app.add_typer(typer.Typer(help=text), name=verb)
    return app


def _add_other_methods(app: typer.Typer) -> None:
    """Give the command line a verb for each method that has no module here."""
    from influence.cli.compute import verb_of
    from influence.methods import METHODS

    for name, method in METHODS.items():
        if name not in MODULES:
            app.command(name, epilog=f"Example: python -m influence {name} digits")(verb_of(method))


def main() -> None:
    """Run the command line; what the user can mend ends with one sentence, and status 1, or 2 if it was mistyped.

    Ctrl-C, SIGTERM and SIGHUP end it with a sentence, too, and with 128 and the signal's number.
    """
    print_whatever_comes()
    os.environ.setdefault("PYTHONWARNINGS", "ignore:resource_tracker")  # it counts what killed workers left to it
    with interruptible() as signals:
        try:
            _refuse_empty(sys.argv[1:])
            status = app_for(sys.argv[1:])(sys.argv[1:] or ["--help"], standalone_mode=False)
        except KeyboardInterrupt:
            status = INTERRUPTED
        except InfluenceError as error:  # a worker that the same signal ended may be what failed
            status = INTERRUPTED if signals else end(error.typed, 1)
        except typer.TyperException as error:
            status = end(error.format_message(), 2)
    if status == INTERRUPTED:
        from influence.jobs import what_is_kept

        what = what_is_kept(sys.argv[1:])
        kept = f"{what} are kept" if what else "nothing was kept of this run"
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # it tells of writes that were under way
        with suppress(OSError):  # a terminal that was closed can't be told
            print(f"Stopped; {kept}.", file=sys.stderr, flush=True)
        status = 128 + signals[-1] if signals else INTERRUPTED
        # An interrupt that came while a module ran exec() leaves a mark with CPython, which would then end this process
        # by a signal of its own; the next exec() takes the mark away.
        exec("")
    sys.exit(status)


def _refuse_empty(arguments: list[str]) -> None:
    """An empty argument is a slip, such as a variable of the shell that is not set; as a path it would mean here."""
    for before, argument in zip(["", *arguments], arguments, strict=False):
        option, _, value = argument.partition("=")
        if not argument.strip() or (option.startswith("--") and argument != option and not value.strip()):
            where = option if option.strip() else before
            after = f" after {where}" if where else ""
            raise typer.TyperException(f"The argument{after} is empty: give it a value, or leave it out.")
