"""What all jobs share."""

import importlib.metadata
import platform
from collections.abc import Callable
from datetime import UTC, datetime

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


def circumstances(seconds: float) -> dict[str, object]:
    """What a manifest says of when, how long and with which versions."""
    names = ("torch", "numpy", "scikit-learn", "pandas", "pyarrow")
    versions = {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in names}
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
        "versions": versions,
    }
