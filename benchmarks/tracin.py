"""TracIn side by side with captum and with the least that the arithmetic costs: houses, and a small convnet.

    python -m benchmarks.tracin            all of it: about ten minutes on two cores, nearly all of them captum's
    python -m benchmarks.tracin --quick    an eighth of the training examples and two checkpoints: a minute or two
    python -m benchmarks.tracin --only images

Every line is measured in a process of its own, so that its peak of memory is its own: the highest resident size while
it ran (Linux's VmHWM, reset before) less the resident size when data, model and checkpoints were loaded and everything
had been called once. Times are medians of the stated number of runs. Nothing here passes or fails.
"""

import argparse
import copy
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from influence import Checkpoint, Examples, TracInCP, datasets, homes
from influence.datasets import california_housing
from influence.gradients.factors import FactorExtractor
from influence.learners.regression import networks
from influence.learners.toolkit.checkpoints import load_folder
from influence.learners.toolkit.outputs import squared_error

TILE = 512  # rows and columns of one bare product: the tile that TracInCP works in
CAPTUM_BATCH = 512


@dataclass(frozen=True)
class Size:
    """How much of the problem: powers of two below one for the doubling table."""

    train: float = 1.0
    targets: int = 11
    checkpoints: int = 10
    problem: str = "houses"


class Problem(ABC):
    """A model, its checkpoints, training examples and targets."""

    train: Examples
    targets: Examples
    model: nn.Module
    checkpoints: list[Checkpoint]
    last: str  # the name of the model's last linear layer

    @staticmethod
    @abstractmethod
    def loss(outputs: Tensor, labels: Tensor) -> Tensor:
        """(n,) losses."""

    def scorer(self, **options: Any) -> TracInCP:
        return TracInCP(self.model, self.checkpoints, self.loss, **options)

    def captum(self, **options: Any) -> Any:
        """captum's exact path: one vectorised backward pass a batch, with its per-example gradients."""
        from captum.influence import TracInCP as CaptumTracInCP

        return CaptumTracInCP(sample_wise_grads_per_batch=True, **self._captum_arguments(), **options)

    def captum_fast(self) -> Any:
        from captum.influence import TracInCPFast

        return TracInCPFast(final_fc_layer=self.last, **self._captum_arguments())

    def _captum_arguments(self) -> dict[str, Any]:
        by_name = {str(checkpoint.epoch): checkpoint for checkpoint in self.checkpoints}

        def load(model: nn.Module, name: str) -> float:
            model.load_state_dict(by_name[name].state)
            model.eval()
            return by_name[name].learning_rate

        def loss(outputs: Tensor, labels: Tensor) -> Tensor:
            return self.loss(outputs, labels).sum()

        loss.reduction = "sum"  # type: ignore[attr-defined]
        return {
            "model": copy.deepcopy(self.model),
            "train_dataset": TensorDataset(*self.train),
            "checkpoints": list(by_name),
            "checkpoints_load_func": load,
            "loss_fn": loss,
            "batch_size": CAPTUM_BATCH,
        }


class Houses(Problem):
    """The shipped checkpoints, the houses, and the eleven of Palo Alto (or as many other targets)."""

    last = "6"
    loss = staticmethod(squared_error)

    def __init__(self, size: Size) -> None:
        houses = datasets.load(california_housing.NAME)
        data = networks.Standardised.of(houses)
        rows = int(len(data.train_inputs) * size.train)
        self.train = Examples(data.train_inputs[:rows], data.train_labels[:rows])
        eleven = torch.as_tensor(california_housing.is_palo_alto(houses.test))
        chosen = eleven if size.targets == 11 else torch.arange(size.targets)
        self.targets = Examples(data.test_inputs[chosen], data.test_labels[chosen])
        self.model = networks.build(data.train_inputs.shape[1])
        folder = homes.precomputed_home() / california_housing.NAME / "tracin" / "checkpoints"
        self.checkpoints: list[Checkpoint] = load_folder(folder)[: size.checkpoints]


class Images(Problem):
    """A convnet of 60,986 trained parameters on 32 x 32 images: noise, and random weights, for time's sake.

    captum's per-example gradients are those of nn.Conv2d and nn.Linear alone, so the normalisation has no parameters.
    """

    last = "10"
    most = 2_048

    @staticmethod
    def loss(outputs: Tensor, labels: Tensor) -> Tensor:
        return nn.functional.cross_entropy(outputs, labels, reduction="none")

    def __init__(self, size: Size) -> None:
        generator = torch.Generator().manual_seed(0)

        def examples(n: int) -> Examples:
            inputs = torch.randn(n, 3, 32, 32, generator=generator)
            return Examples(inputs, torch.randint(10, (n,), generator=generator))

        self.train, self.targets = examples(int(self.most * size.train)), examples(size.targets)
        self.checkpoints = []
        for epoch in range(1, size.checkpoints + 1):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(epoch)
                self.model = self._build()
            self.checkpoints.append(Checkpoint(self.model.state_dict(), 0.1 / epoch, epoch))

    @staticmethod
    def _build() -> nn.Sequential:
        def block(width_in: int, width: int) -> nn.Sequential:
            convolution = nn.Conv2d(width_in, width, 3, padding=1, bias=False)
            return nn.Sequential(convolution, nn.BatchNorm2d(width, affine=False), nn.GELU())

        widths = ((3, 16), (16, 32), (32, 64), (64, 64))
        body = [part for pair in widths for part in (block(*pair), nn.AvgPool2d(2))]
        return nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


PROBLEMS: dict[str, type[Problem]] = {"houses": Houses, "images": Images}


# What is measured. Each takes the problem and returns what is timed; preparation is not.


def ours_pairs(problem: Problem) -> Callable[[], object]:
    scorer = problem.scorer()
    return lambda: scorer.scores(problem.train, problem.targets)


def captum_pairs(problem: Problem) -> Callable[[], object]:
    scorer = problem.captum()
    return lambda: scorer.influence(tuple(problem.targets))


def ours_self(problem: Problem) -> Callable[[], object]:
    scorer = problem.scorer()
    return lambda: scorer.self_influence(problem.train)


def captum_self(problem: Problem) -> Callable[[], object]:
    scorer = problem.captum()
    return scorer.self_influence


def passes(problem: Problem) -> Callable[[], object]:
    """The floor of self-influence: one plain forward and backward pass over the training part a checkpoint."""
    rows = 2048 if problem.train.inputs.ndim == 2 else 128
    problem.model.eval()

    def run() -> None:
        for checkpoint in problem.checkpoints:
            problem.model.load_state_dict(checkpoint.state)
            for inputs, labels in zip(*(part.split(rows) for part in problem.train), strict=True):
                problem.model.zero_grad()
                problem.loss(problem.model(inputs), labels).sum().backward()

    return run


def ours_full(problem: Problem) -> Callable[[], object]:
    """Every pair, a block of targets at a time, nothing kept."""
    scorer = problem.scorer()

    def run() -> None:
        for _ in scorer.blocks(problem.train, problem.targets):
            pass

    return run


def widths(problem: Problem) -> list[int]:
    """The width of every matrix whose Gram matrix is needed."""
    extract = FactorExtractor(problem.model, problem.loss)
    return [factor.shape[1] for layer in extract(*(part[:1] for part in problem.train)) for factor in layer]


def products(problem: Problem) -> Callable[[], object]:
    """The floor of every pair: its matrix products alone, tile by tile, into a buffer that is thrown away."""
    n_targets, n_train = len(problem.targets.inputs), len(problem.train.inputs)
    left = [torch.randn(n_targets, width) for width in widths(problem)]
    right = [torch.randn(n_train, width) for width in widths(problem)]
    buffer = torch.empty(TILE * TILE)

    def run() -> None:
        for _ in problem.checkpoints:
            for column in range(0, n_train, TILE):
                for row in range(0, n_targets, TILE):
                    for a, b in zip(left, right, strict=True):
                        rows, columns = a[row : row + TILE], b[column : column + TILE]
                        out = buffer[: len(rows) * len(columns)].view(len(rows), len(columns))
                        torch.mm(rows, columns.T, out=out)

    return run


def matmul(problem: Problem) -> Callable[[], object]:
    """What this machine reaches on one large product: 3072 x 3072 x 3072."""
    a, b, out = torch.randn(3072, 3072), torch.randn(3072, 3072), torch.empty(3072, 3072)
    return lambda: torch.mm(a, b, out=out)


def ours_last(problem: Problem) -> Callable[[], object]:
    scorer = problem.scorer(layers="last")
    return lambda: scorer.scores(problem.train, problem.targets)


def captum_last(problem: Problem) -> Callable[[], object]:
    scorer = problem.captum_fast()
    return lambda: scorer.influence(tuple(problem.targets))


MEASURES = {
    function.__name__: function
    for function in (
        ours_pairs,
        captum_pairs,
        ours_self,
        captum_self,
        passes,
        ours_full,
        products,
        matmul,
        ours_last,
        captum_last,
    )
}


@dataclass(frozen=True)
class Measured:
    seconds: float  # median
    least: float
    most: float
    runs: int
    megabytes: float  # peak above what was held before


def in_this_process(name: str, size: Size, runs: int) -> Measured:
    problem = PROBLEMS[size.problem](size)
    call = MEASURES[name](problem)
    small = replace(size, train=1 / 256, targets=11, checkpoints=1)
    MEASURES[name](
        PROBLEMS[size.problem](small)
    )()  # the first call of anything sets things up: captum's, for 2 seconds
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forget the highest so far
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    peak = resident("VmHWM") - before
    return Measured(statistics.median(times), min(times), max(times), runs, peak)


def resident(line: str) -> float:
    """A size of this process in MB, by its name in Linux's /proc/self/status."""
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{line}:")[1].split()[0]) / 1024


def measure(name: str, size: Size, runs: int) -> Measured:
    """Measure in a child process."""
    command = [sys.executable, "-m", "benchmarks.tracin", "--measure", name, "--runs", str(runs)]
    command += ["--train", str(size.train), "--targets", str(size.targets), "--checkpoints", str(size.checkpoints)]
    command += ["--problem", size.problem]
    quiet = os.environ | {"PYTHONWARNINGS": "ignore"}  # captum warns of what it sets by itself
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=quiet)
    return Measured(**json.loads(ended.stdout))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tracin", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a small part of the problem")
    parser.add_argument("--measure", choices=MEASURES, help=argparse.SUPPRESS)
    parser.add_argument("--runs", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--train", type=float, default=1.0, help=argparse.SUPPRESS)
    parser.add_argument("--targets", type=int, default=11, help=argparse.SUPPRESS)
    parser.add_argument("--checkpoints", type=int, default=10, help=argparse.SUPPRESS)
    parser.add_argument("--problem", choices=PROBLEMS, default="houses", help=argparse.SUPPRESS)
    parser.add_argument("--only", choices=PROBLEMS, help="one of the two parts")
    options = parser.parse_args()
    if options.measure:
        size = Size(options.train, options.targets, options.checkpoints, options.problem)
        print(json.dumps(vars(in_this_process(options.measure, size, options.runs))))
        return
    console = Console(width=110)
    console.print(
        f"torch {torch.__version__}, {torch.get_num_threads()} threads, {platform.machine()}, "
        f"load {os.getloadavg()[0]:.1f} at the start."
    )
    if options.only != "images":
        compare_on_houses(console, options.quick)
    if options.only != "houses":
        compare_on_images(console, options.quick)


def compare_on_houses(console: Console, quick: bool) -> None:
    share, checkpoints, every = (1 / 8, 2, 512) if quick else (1.0, 10, 4_128)
    size = Size(share, 11, checkpoints)
    n_train = int(16_512 * share)
    console.print(f"\n{n_train:,} training houses, {checkpoints} checkpoints, 168,961 parameters.")

    table = Table("what", "who", "seconds", "least to most", "runs", "peak MB", "ratio", title="Against captum")
    for what, ours, theirs in (
        (f"11 targets x {n_train:,}", "ours_pairs", "captum_pairs"),
        (f"self-influence of {n_train:,}", "ours_self", "captum_self"),
        (f"last layer alone, 11 x {n_train:,}", "ours_last", "captum_last"),
    ):
        mine, captums = measure(ours, size, 5), measure(theirs, size, 1)
        table.add_row(what, "this project", *cells(mine), "")
        peer = "captum TracInCPFast" if theirs == "captum_last" else "captum TracInCP"
        table.add_row("", peer, *cells(captums), f"{captums.seconds / mine.seconds:.1f}x")
    console.print(table)

    table = Table("what", "who", "seconds", "least to most", "runs", "peak MB", "ratio", title="Against the floor")
    mine, floor = measure("ours_self", size, 5), measure("passes", size, 5)
    table.add_row("self-influence", "this project", *cells(mine), f"{mine.seconds / floor.seconds:.2f}")
    table.add_row("", "forward and backward passes alone", *cells(floor), "1")
    every_pair = Size(share, every, checkpoints)
    runs = 3 if quick else 2
    mine, floor = measure("ours_full", every_pair, runs), measure("products", every_pair, runs)
    large = measure("matmul", size, 7)
    table.add_row(f"{every:,} x {n_train:,}", "this project", *cells(mine), f"{mine.seconds / floor.seconds:.2f}")
    table.add_row("", "its matrix products alone", *cells(floor), "1")
    console.print(table)
    report_rates(console, every_pair, mine, floor, large)

    doubling(console, share, checkpoints)


def compare_on_images(console: Console, quick: bool) -> None:
    """A small convnet: its gradients are formed, and every pair is one large product."""
    share, checkpoints, targets = (1 / 8, 1, 16) if quick else (1.0, 2, 64)
    size = Size(share, targets, checkpoints, "images")
    n_train = int(Images.most * share)
    console.print(f"\n{n_train:,} training images, {checkpoints} checkpoint(s), a convnet of 60,986 parameters.")

    table = Table("what", "who", "seconds", "least to most", "runs", "peak MB", "ratio", title="Images, against captum")
    for what, ours, theirs in (
        (f"{targets} targets x {n_train:,}", "ours_pairs", "captum_pairs"),
        (f"self-influence of {n_train:,}", "ours_self", "captum_self"),
    ):
        mine, captums = measure(ours, size, 3), measure(theirs, size, 1)
        table.add_row(what, "this project", *cells(mine), "")
        table.add_row("", "captum TracInCP", *cells(captums), f"{captums.seconds / mine.seconds:.1f}x")
    console.print(table)

    table = Table(
        "what", "who", "seconds", "least to most", "runs", "peak MB", "ratio", title="Images, against the floor"
    )
    mine, floor = measure("ours_self", size, 3), measure("passes", size, 3)
    table.add_row("self-influence", "this project", *cells(mine), f"{mine.seconds / floor.seconds:.2f}")
    table.add_row("", "forward and backward passes alone", *cells(floor), "1")
    every_pair = replace(size, targets=n_train)
    mine, floor, large = (
        measure("ours_full", every_pair, 2),
        measure("products", every_pair, 2),
        measure("matmul", size, 7),
    )
    table.add_row(f"{n_train:,} x {n_train:,}", "this project", *cells(mine), f"{mine.seconds / floor.seconds:.2f}")
    table.add_row("", "its matrix products alone", *cells(floor), "1")
    console.print(table)
    report_rates(console, every_pair, mine, floor, large)


def report_rates(console: Console, size: Size, mine: Measured, floor: Measured, large: Measured) -> None:
    problem = PROBLEMS[size.problem](replace(size, targets=2))
    work = 2 * size.targets * len(problem.train.inputs) * size.checkpoints * sum(widths(problem)) / 1e9
    rate = 2 * 3072**3 / 1e9 / large.seconds
    console.print(
        f"{work:,.0f} GFLOP of products: this project {work / mine.seconds:.0f} GFLOP/s, the products alone "
        f"{work / floor.seconds:.0f}; one product of 3072 x 3072 x 3072 reaches {rate:.0f}."
    )


def doubling(console: Console, share: float, checkpoints: int) -> None:
    """Time as targets, training rows and checkpoints double, the other two held fixed."""
    table = Table(
        "doubled", "targets", "training houses", "checkpoints", "seconds", "to the one before", title="Growth"
    )
    most = 512 if share < 1 else 1_024
    series = {
        "targets": [Size(share, n, checkpoints) for n in (most // 4, most // 2, most)],
        "training houses": [Size(share / part, most // 4, checkpoints) for part in (4, 2, 1)],
        "checkpoints": [Size(share, most // 4, n) for n in ((1, 2) if checkpoints < 8 else (2, 4, 8))],
    }
    for doubled, sizes in series.items():
        before = None
        for size in sizes:
            seconds = measure("ours_full", size, 3).seconds
            table.add_row(
                doubled,
                f"{size.targets:,}",
                f"{int(16_512 * size.train):,}",
                str(size.checkpoints),
                f"{seconds:.2f}",
                f"{seconds / before:.2f}x" if before else "",
            )
            before = seconds
    console.print(table)


def cells(measured: Measured) -> tuple[str, str, str, str]:
    return (
        f"{measured.seconds:.2f}",
        f"{measured.least:.2f} to {measured.most:.2f}",
        str(measured.runs),
        f"{measured.megabytes:,.0f}",
    )


if __name__ == "__main__":
    main()
