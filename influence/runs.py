"""Runs: a job in a process of its own, with progress, cancel and history.

A run is the same command that a person would type, so its result is the same. It prints its progress as JSON lines and
holds a pipe from this process as its standard input: closing the pipe cancels it, and so does the end of this process,
however it comes. A cancelled, failed or killed run leaves no result.
"""

import atexit
import itertools
import json
import shlex
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from influence import results
from influence.errors import InfluenceError

State = Literal["running", "done", "failed", "cancelled"]

_GRACE = 3.0  # seconds that a cancelled run has to tidy up before it is killed


@dataclass
class Run:
    """One run and how it stands. Only its `Runner` changes it."""

    number: int
    arguments: list[str]
    out: Path
    started: datetime = field(default_factory=datetime.now)
    state: State = "running"
    progress: float = 0.0
    what: str = "starting"
    seconds: float = 0.0
    error: str = ""

    @property
    def command(self) -> str:
        """What to type for the same result."""
        return shlex.join(["python", "-m", "influence", *self.arguments, "--out", str(self.out)])

    @property
    def seconds_left(self) -> float | None:
        """Extrapolated from the share that is done; None while too little is."""
        if self.state != "running" or self.progress < 0.02:
            return None
        return self.seconds * (1 - self.progress) / self.progress


class Runner:
    """Starts runs, one at a time, and follows them. One for the whole server; safe to call from any thread."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._process: subprocess.Popen[str] | None = None
        self._clock = 0.0
        self._numbers = itertools.count(1)
        self._out_before: int | None = None
        self.history: list[Run] = []
        atexit.register(self.close)

    @property
    def current(self) -> Run | None:
        """The run that is going on, if any."""
        with self._lock:
            run = self.history[-1] if self.history else None
            if run is None or run.state != "running":
                return None
            run.seconds = time.monotonic() - self._clock
            return run

    def start(self, arguments: list[str], out: Path) -> Run:
        """Start ``python -m influence ARGUMENTS --out OUT`` in a process of its own.

        Raises
        ------
        InfluenceError
            If another run is going on.
        """
        with self._lock:
            if self.current is not None:
                raise InfluenceError("A run is going on already: wait until it is done, or cancel it first.")
            run = Run(next(self._numbers), list(arguments), out)
            self._out_before = _inode(out)
            process = subprocess.Popen(
                [sys.executable, "-m", "influence", *arguments, "--out", str(out), "--events"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            self._process, self._clock = process, time.monotonic()
            self.history.append(run)
        threading.Thread(target=self._follow, args=(run, process), daemon=True).start()
        return run

    def cancel(self, run: Run) -> None:
        """End a run and wait until it has; nothing is left of it. A run that has ended stays as it is.

        One whose result is complete before the wish reaches it counts as done.
        """
        with self._lock:
            process, before = self._process, self._out_before
            if run.state != "running" or process is None:
                return
            run.state = "cancelled"
        _end(process)
        results.sweep(run.out.parent)
        if _inode(run.out) not in (None, before):
            run.state, run.progress, run.what = "done", 1.0, "done"

    def dismiss(self, run: Run) -> None:
        """Forget a run that has ended."""
        with self._lock:
            if run.state != "running":
                self.history = [other for other in self.history if other is not run]

    def close(self) -> None:
        """Cancel what is going on."""
        if run := self.current:
            self.cancel(run)

    def _follow(self, run: Run, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        last_words: deque[str] = deque(maxlen=5)
        stderr = threading.Thread(target=last_words.extend, args=(process.stderr,), daemon=True)
        stderr.start()
        error, done = "", False
        for line in process.stdout:
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if "progress" in event:
                run.progress, run.what = float(event["progress"]), str(event["what"])
            error = event.get("error", error)
            done = done or "result" in event
        code = process.wait()
        stderr.join(timeout=1)
        with self._lock:
            run.seconds = time.monotonic() - self._clock
            if run.state == "running":
                run.state = "done" if done and code == 0 else "failed"
                if run.state == "failed":
                    ending = "".join(last_words).strip() or "it left no message"
                    run.error = error or f"The run ended unexpectedly with exit status {code}: {ending}"
                    results.sweep(run.out.parent)


def _inode(folder: Path) -> int | None:
    """Which folder has this name: a result that replaces another is another."""
    try:
        return folder.stat().st_ino
    except OSError:
        return None


def _end(process: subprocess.Popen[str]) -> None:
    """Ask a process to stop by closing its standard input, and kill it if it does not."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
