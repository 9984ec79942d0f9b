"""Processes of the command line that start at once: forked from one process that has loaded torch and the rest already.

Such a process is one of its own in all that tests look at: arguments, environment, folder, pipes, signals, exit status.
What it lacks is the start of an interpreter, so where that is the point a test does without.
"""

import gc
import importlib
import json
import os
import runpy
import select
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PYTHON = sys.executable  # tests put others in its place
REAL = subprocess.Popen
LOADED = (
    "influence.cli.main",
    "influence.cli.compute",
    "influence.cli.data",
    "influence.cli.evaluate",
    "influence.cli.outcomes",
    "influence.cli.results",
    "influence.jobs",
    "influence.methods",
    "pyarrow.parquet",
    "rich.progress",
    "safetensors.torch",
    "scipy.stats",
    "sklearn.datasets",
    "torch",
    "zarr",
)


class Mother:
    """The process that the others are forked from."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.warm", str(theirs.fileno())], pass_fds=[theirs.fileno()], cwd=ROOT
            )

    def fork(self, wish: dict[str, Any], streams: Sequence[int]) -> tuple[int, int]:
        """The new process's id, and a pipe that tells how it ended."""
        ended, end = os.pipe()
        try:
            socket.send_fds(self._control, [json.dumps(wish).encode()], [*streams, end])
        finally:
            os.close(end)
        return int(os.read(ended, 16)), ended

    def close(self) -> None:
        self._control.close()
        self._process.wait()


def popen_of(mother: Mother) -> type["subprocess.Popen[Any]"]:
    """What starts ``python -m influence`` and ``python -c CODE`` from the mother, and any other command as ever."""

    class Popen(subprocess.Popen[Any]):
        _ended: int | None = None

        def _execute_child(
            self, args, executable, preexec_fn, close_fds, pass_fds, cwd, env, startup, flags, shell, *rest
        ):  # type: ignore[no-untyped-def]
            pipes, start_new_session = rest[:6], rest[11]
            starts = args[0] == PYTHON and (args[1] == "-c" or args[1:3] == ["-m", "influence"])
            if not starts or preexec_fn is not None:
                super()._execute_child(
                    args, executable, preexec_fn, close_fds, pass_fds, cwd, env, startup, flags, shell, *rest
                )
                return
            wish = {
                "arguments": [os.fsdecode(each) for each in args[1:]],
                "cwd": str(cwd or Path.cwd()),
                "env": dict(os.environ if env is None else env),
                "session": bool(start_new_session),
            }
            streams = [theirs if theirs != -1 else own for own, theirs in enumerate((pipes[0], pipes[3], pipes[5]))]
            self.pid, self._ended = mother.fork(wish, streams)
            self._child_created = True
            self._close_pipe_fds(*pipes)

        def _try_wait(self, wait_flags):  # type: ignore[no-untyped-def]
            if self._ended is None:
                return super()._try_wait(wait_flags)
            if not select.select([self._ended], [], [], 0 if wait_flags & os.WNOHANG else None)[0]:
                return 0, 0
            status = int(os.read(self._ended, 16))
            os.close(self._ended)
            return self.pid, status

        def _internal_poll(self, _deadstate=None, *rest):  # type: ignore[no-untyped-def]
            if self._ended is None:
                return super()._internal_poll(_deadstate, *rest)
            if self.returncode is None and self._waitpid_lock.acquire(False):
                try:
                    pid, status = (0, 0) if self.returncode is not None else self._try_wait(os.WNOHANG)
                    if pid:
                        self._handle_exitstatus(status)
                finally:
                    self._waitpid_lock.release()
            return self.returncode

    return Popen


def serve(control: socket.socket) -> None:
    """Fork a process for each wish, until nobody wishes any more; return in the forked ones alone."""
    while True:
        message, descriptors, *_ = socket.recv_fds(control, 1 << 20, 4)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG if message else 0)[0]:
                pass
        if not message:
            sys.exit()
        if os.fork() == 0:
            control.close()
            watch(json.loads(message), descriptors)
            return
        for each in descriptors:
            os.close(each)


def watch(wish: dict[str, Any], descriptors: list[int]) -> None:
    """Fork the process that is wished for, and tell of its end; return in it alone."""
    *streams, end = descriptors
    if pid := os.fork():
        for each in streams:
            os.close(each)
        os.write(end, f"{pid:<16}".encode())
        os.write(end, f"{os.waitpid(pid, 0)[1]:<16}".encode())
        os._exit(0)
    os.close(end)
    if wish["session"]:
        os.setsid()
    for own, each in enumerate(streams):
        os.dup2(each, own)
        os.close(each)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(own, mode, encoding="utf-8") for own, mode in enumerate("rww"))
    os.chdir(wish["cwd"])
    os.environ.clear()
    os.environ.update(wish["env"])
    sys.argv = wish["arguments"]


def run() -> None:
    """Do what the arguments of Python say: ``-c CODE`` or ``-m influence``."""
    kind, what, *arguments = sys.argv
    sys.argv = [kind, *arguments]
    if kind == "-c":
        exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})
    else:
        runpy.run_module(what, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    for name in LOADED:
        importlib.import_module(name)
    gc.freeze()
    serve(socket.socket(fileno=int(sys.argv[1])))
    run()
