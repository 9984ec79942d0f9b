"""Progress of long work: shares of the whole, and words for people."""

import time
from collections.abc import Callable

from influence.text import duration

Report = Callable[[float, str], None]
"""Called with the share of the whole job that is done, from 0 to 1, and what is being done."""


def silent(share: float, what: str) -> None:
    """Report nothing."""


class Stages:
    """Turns the progress of each stage into that of the whole.

    Parameters
    ----------
    cost : dict of str to float
        What each stage costs, in any one unit, in the order in which they run.
    report : Report
    """

    def __init__(self, cost: dict[str, float], report: Report) -> None:
        self._spans: dict[str, tuple[float, float]] = {}
        start, total = 0.0, sum(cost.values())
        for name, one in cost.items():
            self._spans[name] = (start, one / total)
            start += one / total
        self._report = report

    def __getitem__(self, name: str) -> Callable[[float], None]:
        """What to call with the share of this stage that is done."""
        return lambda done: self.say(name, done, name)

    def say(self, name: str, done: float, what: str) -> None:
        """Report the share of a stage that is done, in words of its own."""
        start, share = self._spans[name]
        self._report(min(start + done * share, 1.0), what)


def counting(stages: Stages, stage: str, what: str) -> Callable[[int, int], None]:
    """Progress in models, with how many there are a second and, where they are slow, what is left."""
    started = time.monotonic()

    def progress(finished: int, total: int) -> None:
        text = f"{what}: {finished:,} of {total:,} models"
        if finished:
            each = max(time.monotonic() - started, 1e-6) / finished
            speed = f"{1 / each:,.0f} a second"
            slow = f"{each:,.1f} s each, {duration(each * (total - finished))} left"
            text += f", {speed if each <= 0.5 else slow}"
        stages.say(stage, finished / total, text)

    return progress
