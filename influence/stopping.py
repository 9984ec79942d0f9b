"""How a command ends that is stopped from outside."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def interruptible() -> Iterator[list[int]]:
    """Within, SIGTERM and SIGHUP do what Ctrl-C does: they raise KeyboardInterrupt, so that a job tidies up.

    A SIGHUP that is ignored, as under nohup, stays ignored.

    Yields
    ------
    list of int
        The signals that came, but for Ctrl-C's.
    """
    came: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        came.append(number)
        raise KeyboardInterrupt

    before = {signal.SIGTERM: signal.signal(signal.SIGTERM, interrupt)}
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, interrupt)
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def hangups_ignored() -> Iterator[None]:
    """Within, SIGHUP is ignored, and so it is for good by the processes that are started: a helper that outlives them.

    Outside the main thread, which alone may say so, nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)
