"""What the checks of TracIn's exactness cost: their share of a run, for the results that ship.

    python -m benchmarks.checks                    digits and houses as they ship: about two minutes on two cores
    python -m benchmarks.checks --only cifar10     trains and scores all of CIFAR-10: 20 minutes

Each check is timed from inside, in seconds that the process computed, while a run makes the whole result: examples
passed alone, losses compared with those in other batches, the walk of autograd's graph, and the random streams and
tensors compared before and after every pass.
"""

import argparse
import functools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from influence import homes

COMMANDS = {
    "digits": homes.precomputed_home() / "digits" / "tracin",
    "houses": homes.precomputed_home() / "california-housing" / "tracin",
    "cifar10": homes.precomputed_home() / "cifar10" / "tracin",
}


class Clock:
    """Seconds within functions, those that one calls inside another counted once."""

    def __init__(self) -> None:
        self.seconds, self._depth = 0.0, 0

    def timing(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def timed(*arguments: Any, **named: Any) -> Any:
            self._depth += 1
            started = time.process_time()
            try:
                return function(*arguments, **named)
            finally:
                self._depth -= 1
                if not self._depth:
                    self.seconds += time.process_time() - started

        return timed


def here(name: str) -> None:
    """In a process of its own: make the result again, and print the seconds of checks and of everything."""
    from influence import jobs
    from influence.gradients import factors, passes
    from influence.tracin import scores

    clock = Clock()
    for owner, functions in (
        (factors, ["verify"]),
        (factors.FactorExtractor, ["check_again", "check_same_weights"]),
        (passes, ["check_graph"]),
        (passes.Passes, ["_streams", "_tensors"]),
        (scores, ["check_reaches_copy"]),
        (scores.TracInCP, ["_verify"]),
    ):
        for function in functions:
            setattr(owner, function, clock.timing(getattr(owner, function)))
    with tempfile.TemporaryDirectory() as folder:
        started = time.process_time()
        jobs.replay(COMMANDS[name], Path(folder) / "again")
        print(json.dumps([clock.seconds, time.process_time() - started, time.process_time()]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=COMMANDS, default=["digits", "houses"])
    parser.add_argument("--repeat", type=int, default=1, help="runs, of whose seconds the medians are printed")
    parser.add_argument("--here", choices=COMMANDS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        here(options.here)
        return
    for name in options.only:
        command = [sys.executable, "-m", "benchmarks.checks", "--here", name]
        runs = [
            json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()[-1])
            for _ in range(options.repeat)
        ]
        checks, job, whole = map(statistics.median, zip(*runs, strict=True))
        print(f"{name}: checks {checks:.2f} s, the job {job:.1f} s ({checks / job:.1%}), ", end="")
        print(f"with the start of the program {whole:.1f} s ({checks / whole:.1%})")


if __name__ == "__main__":
    main()
