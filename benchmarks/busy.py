"""What another two busy processes cost a run, by how OpenMP's threads wait for each other.

    python benchmarks/busy.py                        everything, three times each: some minutes on two cores
    python benchmarks/busy.py --repeat 1 --only houses tracin
    python benchmarks/busy.py --policy GOMP_SPINCOUNT=1000

By default a thread of OpenMP that waits for another one spins for some milliseconds; with OMP_WAIT_POLICY=PASSIVE,
which `influence.waiting` sets, it sleeps at once. Beside other busy processes a spinning thread keeps the one that it
waits for from its core. Every cell is the median of some runs of the work itself, in a process that has done the work
once before; on the busy machine, two other processes count in a loop. The results of a work
must be the same, byte by byte, for all policies and loads; else this ends with an error.
"""

import argparse
import hashlib
import itertools
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
DEFAULT, PASSIVE = "default", "OMP_WAIT_POLICY=PASSIVE"
LOADS = {"quiet": 0, "busy": 2}
THREADS = (1, 2)
Cell = tuple[str, int, str, str]  # work, threads, policy, load


def houses() -> Callable[[], bytes]:
    """Two epochs of the regression network on California housing."""
    import numpy as np

    from influence import datasets
    from influence.learners.base import Subsets
    from influence.learners.regression import RegressionNetwork

    houses = datasets.load("california-housing")
    everyone = Subsets(np.ones((1, len(houses.train)), bool), np.array([0], np.uint64))
    return lambda: RegressionNetwork(epochs=2).fit(houses.train, everyone).logits(houses.test.inputs).tobytes()


def digits() -> Callable[[], bytes]:
    """100 networks on halves of the digits, as `datamodels collect` trains them."""
    import numpy as np

    from influence import datasets
    from influence.datamodels.subsets import SubsetConfig, draw
    from influence.learners.mlp import Mlp

    part = datasets.load("digits")
    subsets = draw(SubsetConfig(), np.arange(100), len(part.train))
    return lambda: Mlp().fit(part.train, subsets).logits(part.test.inputs).tobytes()


def cifar10() -> Callable[[], bytes]:
    """One training of `patchnet` on 5,000 images with a quarter of its filters, as `tracin cifar10` trains it."""
    import torch

    from influence import datasets
    from influence.learners.patchnet import PatchNet

    part, learner = datasets.load("cifar10", (), 5000), PatchNet(filters=64, epochs=4)

    def work() -> bytes:
        state = learner.trace(part.train, 0, 4).checkpoints[-1].state
        return b"".join(weight.to(torch.float32).numpy().tobytes() for weight in state.values())

    return work


def tracin() -> Callable[[], bytes]:
    """Exact TracIn of 256 test houses and all training houses, over the first two checkpoints that ship."""
    from influence import Examples, TracInCP, datasets, homes
    from influence.learners.regression import networks
    from influence.learners.toolkit.checkpoints import load_folder
    from influence.learners.toolkit.outputs import squared_error

    data = networks.Standardised.of(datasets.load("california-housing"))
    checkpoints = load_folder(homes.precomputed_home() / "california-housing" / "tracin" / "checkpoints")[:2]
    scorer = TracInCP(networks.build(data.train_inputs.shape[1]), checkpoints, squared_error)
    train, targets = (
        Examples(data.train_inputs, data.train_labels),
        Examples(data.test_inputs[:256], data.test_labels[:256]),
    )
    return lambda: scorer.scores(train, targets).numpy().tobytes()


WORKS = {
    "houses": (houses, "houses, 2 epochs of training"),
    "digits": (digits, "digits, 100 models"),
    "cifar10": (cifar10, "CIFAR-10, a small training"),
    "tracin": (tracin, "exact TracIn, 256 × 16,512 houses"),
}


def here(names: list[str], repeat: int) -> None:
    """In a process of its own: print the seconds of every run, and the SHA-256 of what each gave."""
    for name in names:
        work = WORKS[name][0]()
        seconds, digests = [], {hashlib.sha256(work()).hexdigest()}
        for _ in range(repeat):
            start = time.perf_counter()
            given = work()
            seconds.append(time.perf_counter() - start)
            digests.add(hashlib.sha256(given).hexdigest())
        print(json.dumps({"work": name, "seconds": seconds, "digests": sorted(digests)}), flush=True)


def measured(names: list[str], repeat: int, threads: int, policy: str) -> list[dict[str, Any]]:
    env = {name: value for name, value in os.environ.items() if name not in WAITING}
    env |= {"OMP_NUM_THREADS": str(threads), "PYTHONPATH": str(ROOT)}
    if policy != DEFAULT:
        variable, _, value = policy.partition("=")
        env[variable] = value
    command = [sys.executable, str(Path(__file__)), "--here", "--repeat", str(repeat), "--only", *names]
    ended = subprocess.run(command, env=env, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in ended.stdout.splitlines()]


@contextmanager
def others(number: int) -> Iterator[None]:
    """So many processes that are never idle."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(number)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=WORKS, default=list(WORKS))
    parser.add_argument("--policy", action="append", help="NAME=VALUE of the environment, beside the two")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        here(options.only, options.repeat)
        return
    policies = [DEFAULT, PASSIVE, *(options.policy or [])]
    cells: dict[Cell, float] = {}
    digests: dict[tuple[str, int], set[str]] = {}
    before = os.getloadavg()[0]
    for load, threads, policy in itertools.product(LOADS, THREADS, policies):
        with others(LOADS[load]):
            found = measured(options.only, options.repeat, threads, policy)
        for each in found:
            seconds = cells[each["work"], threads, policy, load] = statistics.median(each["seconds"])
            digests.setdefault((each["work"], threads), set()).update(each["digests"])
            print(f"{load}, {threads} thread(s), {policy}: {each['work']} {seconds:.2f} s", file=sys.stderr)
    print_table(options.only, policies, cells, digests)
    print(f"{platform.machine()}, {os.cpu_count()} processors; load average before this {before:.1f}")


def print_table(
    names: list[str], policies: list[str], cells: dict[Cell, float], digests: dict[tuple[str, int], set[str]]
) -> None:
    """As the README has it."""
    differing = sorted({name for (name, _), found in digests.items() if len(found) > 1})
    if differing:
        raise SystemExit(f"The results differ between policies, loads or runs: {', '.join(differing)}.")
    print(f"| seconds | threads | {' | '.join(f'{p}, {load}' for p in policies for load in LOADS)} |")
    print("|---|---|" + "---|" * (len(policies) * len(LOADS)))
    for name in names:
        for threads in THREADS:
            row = [f"{cells[name, threads, policy, load]:.2f}" for policy in policies for load in LOADS]
            print(f"| {WORKS[name][1]} | {threads} | {' | '.join(row)} |")
    alike = [name for name in names if len({digest for n in THREADS for digest in digests[name, n]}) == 1]
    print("\nAll results are byte-identical for all policies and loads.")
    print(f"With one thread and with two they are also the same for: {', '.join(alike) or 'none'}.")


if __name__ == "__main__":
    main()
