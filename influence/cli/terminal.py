"""What a command prints: progress, the sentence at the end, and errors."""

import codecs
import io
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

from influence.errors import InfluenceError
from influence.text import readable

INTERRUPTED = 130  # what a shell calls a process that Ctrl-C ended; Typer returns it for KeyboardInterrupt


def reporting(events: bool) -> "Events | Terminal":
    """Choose who tells how a job goes: JSON lines for a process that asked for events, a progress bar for a person."""
    return Events() if events else Terminal()


def end(message: str, status: int) -> int:
    print(f"Error: {readable(message)}", file=sys.stderr)
    return status


def print_whatever_comes() -> None:
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


class Terminal:
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

    def __enter__(self) -> "Terminal":
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


class Events:
    """JSON lines on standard output, for the process that started this one; when it goes, so does this one."""

    def __enter__(self) -> "Events":
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
    os._exit(INTERRUPTED)
