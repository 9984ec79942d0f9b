"""Runs: a job in a process of its own, with progress, cancel and history.

A run is the same command that a person would type, so its result is the same. It prints its progress as JSON lines and
holds a pipe from this process as its standard input: closing the pipe cancels it, and so does the end of this process,
however it comes. A cancelled, failed or killed run leaves no result.
"""

import atexit
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from influence import results
from influence.errors import InfluenceError
from influence.text import command

State = Literal["running", "cancelling", "done", "failed", "cancelled"]

_ENOUGH = 15.0  # seconds of progress that tell the pace of a run of hours
_GRACE = 3.0  # seconds that a cancelled run has to tidy up before it is killed


@dataclass
class Run:
    """One run and how it stands. Only its `Runner` changes it. Without ``out`` it leaves no result folder."""

    number: int
    arguments: list[str]
    out: Path | None
    state: State = "running"
    progress: float = 0.0
    what: str = "starting"
    seconds: float = 0.0
    error: str = ""
    said: str = ""  # the sentence that it ended with
    first: tuple[float, float] | None = None  # seconds and progress when the first progress came
    then: list[list[str]] = field(default_factory=list)  # arguments of runs that follow, one after the other
    after: int | None = None  # the number of the run that this one followed

    @property
    def command(self) -> str:
        """What to type for the same result."""
        return command(*_with_out(self.arguments, self.out))

    @property
    def is_going_on(self) -> bool:
        return self.state in ("running", "cancelling")

    @property
    def seconds_left(self) -> float | None:
        """Extrapolated from the pace since the first progress (starting takes its own time); None while too early."""
        if self.state != "running" or self.first is None:
            return None
        seconds, progress = self.seconds - self.first[0], self.progress - self.first[1]
        is_enough = progress > 0.03 or (progress > 0 and seconds > _ENOUGH)
        return seconds * (1 - self.progress) / progress if is_enough else None


class Runner:
    """Starts runs, one at a time, and follows them. One for the whole server; safe to call from any thread."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[str] | None = None
        self._follower: threading.Thread | None = None
        self._clock = 0.0
        self.history: list[Run] = []
        atexit.register(self.close)

    @property
    def current(self) -> Run | None:
        """The run that is going on, if any."""
        with self._lock:
            run = self.history[-1] if self.history else None
            if run is None or not run.is_going_on:
                return None
            run.seconds = time.monotonic() - self._clock
            return run

    def start(
        self,
        arguments: list[str],
        out: Path | None = None,
        then: Sequence[list[str]] = (),
        after: int | None = None,
    ) -> Run:
        """Start ``python -m influence ARGUMENTS --out OUT`` in a process of its own, without --out where that is None.

        Parameters
        ----------
        arguments : list of str
        out : Path or None
        then : sequence of list of str
            Arguments of further runs, each of which starts when the one before it is done.
        after : int or None
            The number of the run that this one follows.

        Raises
        ------
        InfluenceError
            If another run is going on.
        """
        with self._lock:
            if self.current is not None:
                raise InfluenceError("A run is going on already: wait until it is done, or cancel it first.")
            run = Run(next(self._numbers), list(arguments), out, then=list(then), after=after)
            path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
            self._process = subprocess.Popen(
                [sys.executable, "-m", "influence", *_with_out(arguments, out), "--events"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
                env={**os.environ, "PYTHONPATH": path},
            )
            self._clock = time.monotonic()
            self.history.append(run)
            self._follower = threading.Thread(target=self._follow, args=(run, self._process), daemon=True)
            self._follower.start()
        return run

    def cancel(self, run: Run) -> None:
        """End a run and wait until it has; nothing is left of it. A run that has ended stays as it is.

        One whose result is complete before the wish reaches it counts as done.
        """
        with self._lock:
            process, follower = self._process, self._follower
            if run.state != "running" or process is None or follower is None:
                return
            run.state = "cancelling"
        _end(process)
        follower.join()

    def dismiss(self, run: Run) -> None:
        """Forget a run that has ended."""
        with self._lock:
            if not run.is_going_on:
                self.history = [other for other in self.history if other is not run]

    def close(self) -> None:
        """Cancel what is going on."""
        if run := self.current:
            self.cancel(run)

    def _follow(self, run: Run, process: "subprocess.Popen[str]") -> None:
        """Read a run's events until it ends, then settle how it ended. Nobody else does."""
        assert process.stdout is not None
        assert process.stderr is not None
        last_words: deque[str] = deque(maxlen=5)
        stderr = threading.Thread(target=last_words.extend, args=(process.stderr,), daemon=True)
        stderr.start()
        error, complete = "", False
        for event in _events(process.stdout):
            if isinstance(event.get("progress"), (int, float)):
                run.progress, run.what = float(event["progress"]), str(event.get("what", run.what))
                run.first = run.first or (time.monotonic() - self._clock, run.progress)
            error = str(event.get("error", error))
            run.said = str(event.get("said", run.said))
            complete = complete or "result" in event or "said" in event
        code = process.wait()
        stderr.join(timeout=1)
        if not complete and run.out is not None:
            results.sweep(run.out.parent)
        with self._lock:
            run.seconds = time.monotonic() - self._clock
            if complete:
                run.state, run.progress, run.what = "done", 1.0, "done"
            elif run.state == "cancelling":
                run.state = "cancelled"
            else:
                ending = "".join(last_words).strip() or "it left no message"
                run.error = error or f"The run ended unexpectedly with exit status {code}: {ending}"
                run.state = "failed"
            if run.state == "done" and run.then:
                first, *rest = run.then
                self.start(first, None, rest, run.number)


_ROOT = Path(__file__).parent.parent  # where a run finds this package, whatever folder the server was started in


def _with_out(arguments: list[str], out: Path | None) -> list[str]:
    return [*arguments, *(() if out is None else ("--out", str(out)))]


def _events(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The events among a run's output; a library may print something else."""
    for line in lines:
        with suppress(ValueError, RecursionError):
            event = json.loads(line)
            if isinstance(event, dict):
                yield event


def _end(process: "subprocess.Popen[str]") -> None:
    """Ask a process to stop by closing its standard input, and kill it if it does not."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
