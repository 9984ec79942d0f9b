"""Datamodels on digits: how fast models are trained and LASSO is fitted, and what each estimator's weights are worth.

    python -m benchmarks.datamodels [speed] [trainings] [lasso] [lds] [doubling]

Prints a table for each; all of them without arguments. Rivals run in the same process, on the same data, with the same
recipe and number of threads; on CIFAR-10 (trainings), the rival is a convolutional network with a recipe of its own.
Peak memory is that of the whole process up to that line.
"""

import argparse
import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LassoCV
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from influence import datasets
from influence.datamodels.estimators.base import Estimator
from influence.datamodels.estimators.difference_in_means import DifferenceInMeans
from influence.datamodels.estimators.lasso import Lasso
from influence.datamodels.estimators.prior_informed import PriorInformed
from influence.datamodels.estimators.ridge import Ridge
from influence.datamodels.outcomes import Backend, OutcomeConfig, Outcomes, collect, read
from influence.datamodels.priors import Prior, tangent_prior
from influence.datamodels.subsets import SubsetConfig, draw
from influence.datasets import Split
from influence.learners.mlp import Mlp
from influence.learners.patchnet import PatchNet
from influence.learners.patchnet.networks import build
from influence.measures.lds import lds, noise_ceiling, quality, random_baseline
from influence.products import product_type

HELD_OUT = 512
MOST = 2000


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def peak_gigabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def plain_loop(learner: Mlp, train: Split, mask: np.ndarray, seed: int) -> nn.Module:
    """The learner's recipe as most people would write it: one model, nn.Module, autograd, torch.optim.SGD."""
    torch.manual_seed(seed)
    flat = torch.from_numpy(train.inputs[mask].reshape(int(mask.sum()), -1).astype(np.float32))
    inputs = (flat - train.inputs.mean()) / train.inputs.std()
    labels = torch.from_numpy(train.labels[mask])
    model = nn.Sequential(nn.Linear(inputs.shape[1], learner.width), nn.ReLU(), nn.Linear(learner.width, 10))
    steps = max(1, round(len(inputs) / learner.batch_size))
    sgd = torch.optim.SGD(
        model.parameters(), learner.learning_rate, learner.momentum, weight_decay=learner.weight_decay
    )
    decay = torch.optim.lr_scheduler.LinearLR(sgd, 1.0, 0.0, total_iters=learner.epochs * steps)
    for _ in range(learner.epochs):
        for batch in torch.randperm(len(inputs)).tensor_split(steps):
            loss = nn.functional.cross_entropy(model(inputs[batch]), labels[batch])
            sgd.zero_grad()
            loss.backward()
            sgd.step()
            decay.step()
    return model


def speed(models: int = 500, loop: int = 20) -> None:
    digits, learner = datasets.load("digits"), Mlp()
    subsets = draw(SubsetConfig(), np.arange(loop), len(digits.train))
    flat = (digits.test.inputs.reshape(len(digits.test), -1) - digits.train.inputs.mean()) / digits.train.inputs.std()
    inputs, labels = torch.from_numpy(flat.astype(np.float32)), torch.from_numpy(digits.test.labels)
    accuracy = []

    def train_loop() -> None:
        for mask, seed in zip(subsets.masks, range(loop), strict=True):
            model = plain_loop(learner, digits.train, mask, seed)
            accuracy.append((model(inputs).argmax(dim=1) == labels).float().mean().item())

    threads, rates = torch.get_num_threads(), {}
    for count in (1, threads):  # a model this small is often quicker on one: the loop gets what suits it
        torch.set_num_threads(count)
        rates[count] = loop / seconds(train_loop)
    torch.set_num_threads(threads)
    best = max(rates, key=lambda count: rates[count])
    loop_rate = rates[best]
    print(f"\n{'training 64-32-10 on half of digits':50} models/s   ratio  accuracy")
    label = f"plain loop, {loop} models, {best} thread(s)"
    print(f"{label:50} {loop_rate:8.1f} {1.0:7.1f} {np.mean(accuracy):9.4f}")
    for name, config, backend in (
        ("this project, seeds fresh, one process", SubsetConfig(), Backend()),
        ("this project, seeds common, one process", SubsetConfig(seeds="common"), Backend()),
        ("this project, seeds fresh, loky (with its start)", SubsetConfig(), Backend(kind="loky")),
    ):
        with tempfile.TemporaryDirectory() as folder:
            store = str(Path(folder) / "store")
            rate = models / seconds(lambda: collect(OutcomeConfig(subsets=config), store, models, backend=backend))  # noqa: B023 called at once
            right = read(store).accuracy.mean()
        print(f"{f'{name}, {models} models':50} {rate:8.1f} {rate / loop_rate:7.1f} {right:9.4f}")
    print(f"with subsets, margins and store; peak memory {peak_gigabytes():.2f} GB")


def standardised(train: Split, inputs: np.ndarray) -> torch.Tensor:
    mean, scale = train.inputs.mean(axis=(0, 1, 2)), train.inputs.std(axis=(0, 1, 2))
    return torch.from_numpy(((inputs - mean) / scale).astype(np.float32)).permute(0, 3, 1, 2).contiguous()


def plain_convnet(train: Split, mask: np.ndarray, epochs: int, batch_size: int = 256, peak: float = 0.3) -> nn.Module:
    """A small convolutional network, and its training as most people would write it."""
    torch.manual_seed(0)
    inputs, labels = standardised(train, train.inputs[mask]), torch.from_numpy(train.labels[mask])

    def block(width_in: int, width_out: int, stride: int = 1) -> list[nn.Module]:
        convolution = nn.Conv2d(width_in, width_out, 3, stride, padding=1, bias=False)
        return [convolution, nn.BatchNorm2d(width_out), nn.ReLU()]

    half = nn.MaxPool2d(2)
    layers = [*block(3, 16, stride=2), *block(16, 32), half, *block(32, 64), half, *block(64, 64)]
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))
    steps = epochs * -(-len(inputs) // batch_size)
    sgd = torch.optim.SGD(model.parameters(), peak, 0.9, weight_decay=5e-4, nesterov=True)
    rate = torch.optim.lr_scheduler.OneCycleLR(sgd, peak, total_steps=steps, anneal_strategy="linear")
    for _ in range(epochs):
        for batch in torch.randperm(len(inputs)).split(batch_size):
            images = inputs[batch]
            mirrored = torch.rand(len(images)) < 0.5
            images[mirrored] = images[mirrored].flip(3)
            loss = nn.functional.cross_entropy(model(images), labels[batch])
            sgd.zero_grad()
            loss.backward()
            sgd.step()
            rate.step()
    return model.eval()


def operations(model: nn.Module, batch: torch.Tensor) -> float:
    """Floating-point operations of matrix products and convolutions, of one example forward and backward."""
    with FlopCounterMode(display=False) as counter:
        model(batch).sum().backward()
    return counter.get_total_flops() / len(batch)


def product_rate(dtype: torch.dtype, n: int = 2048) -> float:
    """Operations a second of a square matrix product, the best of ten."""
    a = torch.randn(n, n).to(dtype)
    return 2 * n**3 / min(seconds(lambda: a @ a) for _ in range(10))


def trainings(loop_epochs: int = 6) -> None:
    cifar10, learner = datasets.load("cifar10"), PatchNet()
    train, test = learner.prepare(cifar10.train), cifar10.test
    subsets = draw(SubsetConfig(seeds="common"), np.arange(learner.batch), len(train))
    size = int(subsets.masks[0].sum())
    trained: dict[str, Any] = {}
    # One epoch first: what the fixed layer answers is worked out once a process, whatever is trained on it.
    fixed = seconds(lambda: learner.replace(epochs=1).fit(train, subsets))
    ours = seconds(lambda: trained.update(ours=learner.fit(train, subsets)))
    theirs = seconds(lambda: trained.update(plain=plain_convnet(train, subsets.masks[0], loop_epochs)))
    print(f"\n{'training on half of CIFAR-10':52}  s/model models/h  ratio accuracy  GFLOP GFLOP/s of torch.mm")

    def row(name: str, spent: float, named: np.ndarray, count: float, dtype: torch.dtype) -> None:
        print(
            f"{name:52} {spent:8.1f} {3600 / spent:8.0f} {theirs / spent:6.1f} {(named == test.labels).mean():8.4f} "
            f"{count / 1e9:6.0f} {count / spent / 1e9:7.0f} {count / spent / product_rate(dtype):11.1%}"
        )

    inputs = standardised(train, test.inputs)
    with torch.no_grad():
        named = torch.cat([trained["plain"](part).argmax(dim=1) for part in inputs.split(1000)]).numpy()
    count = loop_epochs * size * operations(trained["plain"].train(), inputs[:256])
    row("plain loop, 3 x 3 convolutions 16-32-64-64, float32", theirs, named, count, torch.float32)
    network = build(2 * learner.filters, learner.width, learner.grid, 10, np.random.default_rng(0))
    answers = torch.zeros(learner.batch_size, learner.grid**2, 2 * learner.filters)
    count = learner.epochs * size * operations(network, answers)
    named = trained["ours"].logits(test.inputs).argmax(axis=2)
    dtype = product_type()
    name = f"this project, {learner.name}, {str(dtype).removeprefix('torch.')}, {len(subsets)} models"
    row(name, ours / len(subsets), named, count, dtype)
    fixed -= ours / learner.epochs
    print(f"and once a process {fixed:.0f} s for the fixed layer; peak memory {peak_gigabytes():.2f} GB")


def outcomes_of(config: SubsetConfig, folder: str, first: int, last: int) -> Outcomes:
    store = str(Path(folder) / f"{config.seeds}-{config.repeat}")
    collect(OutcomeConfig(subsets=config), store, last, span=(first, last))
    return read(store, range(first, last))


def lasso(sample: int = 2, repeats: int = 3) -> None:
    with tempfile.TemporaryDirectory() as folder:
        outcomes = outcomes_of(SubsetConfig(), folder, 0, MOST)
    masks, margins = outcomes.masks, outcomes.margins
    x = np.asfortranarray(masks, dtype=np.float64)
    chosen = np.random.default_rng(0).permutation(margins.shape[1])[:sample]
    share = sample / margins.shape[1]
    same = {"cv": [Lasso().split(MOST)], "alphas": 50, "eps": 1e-2, "tol": 1e-4}

    def rival(**settings: object) -> None:
        for target in chosen:
            LassoCV(**settings).fit(x, margins[:, target].astype(float))

    contenders: dict[str, tuple[float, Callable[[], object]]] = {
        "this project: path of 50, one split of 10 %, refit": (1.0, lambda: Lasso().fit(masks, margins)),
        "... to LassoCV's tolerance on the path too": (1.0, lambda: Lasso(path_tolerance=1e-4).fit(masks, margins)),
        f"LassoCV, same split, path and tolerance, from {sample} targets": (share, lambda: rival(**same)),
        f"LassoCV as it comes, 5 folds of 100, from {sample} targets": (share, rival),
    }
    # In turn, and the best of each: other work on the machine then troubles all alike.
    spent = dict.fromkeys(contenders, np.inf)
    for _ in range(repeats):
        for name, (part, work) in contenders.items():
            spent[name] = min(spent[name], seconds(work) / part)
    print(f"\n{'LASSO, 360 targets x 1,437 examples x 2,000 models':62} seconds   ratio")
    ours = next(iter(spent.values()))
    for name, time_taken in spent.items():
        print(f"{name:62} {time_taken:7.1f} {time_taken / ours:7.1f}")
    print(f"ours leaves the path where the held-out error rises; peak memory {peak_gigabytes():.2f} GB")


def scores() -> None:
    for seeds in ("fresh", "common"):
        with tempfile.TemporaryDirectory() as folder:
            everything = outcomes_of(SubsetConfig(seeds=seeds), folder, 0, MOST + HELD_OUT)
            repeated = outcomes_of(SubsetConfig(seeds=seeds, repeat=1), folder, MOST, MOST + HELD_OUT)
        masks, margins = everything.masks[MOST:], everything.margins[MOST:]
        print(
            f"\nLDS on {HELD_OUT} held-out models of alpha 0.5, seeds {seeds}; 95 % interval by bootstrap over models"
        )
        print(f"{'random weights':24} {random_baseline(masks, margins)}")
        print(f"{'same subsets, other seed':24} {noise_ceiling(margins, repeated.margins)}")
        config = OutcomeConfig(subsets=SubsetConfig(seeds=seeds))
        start = time.perf_counter()
        prior = tangent_prior(config)
        spent = time.perf_counter() - start
        print(f"{'prior mean alone':24} {lds(masks @ prior.mean.T, margins)}   {spent:.1f} s, 16 models")
        for m in (250, 500, 1000, 2000):
            estimators: dict[str, Estimator] = {
                "difference in means": DifferenceInMeans(),
                "ridge": Ridge(),
                "LASSO": Lasso(),
                "prior-informed": PriorInformed(),
            }
            for name, estimator in estimators.items():
                start = time.perf_counter()
                fitted = estimator.fit(everything.masks[:m], everything.margins[:m], prior)
                spent = time.perf_counter() - start
                result = quality(fitted.predict(masks), margins)
                print(
                    f"{name:20} m={m:<5} {result.lds}   relative error {np.mean(result.error):.3f}   {spent:5.1f} s",
                    flush=True,
                )


def doubling() -> None:
    rng = np.random.default_rng(0)
    print(f"\n{'models':>7} {'train':>7} {'targets':>8} {'ridge s':>9} {'prior s':>9} {'LASSO s':>9} {'peak GB':>8}")
    base = {"m": 500, "n": 700, "targets": 200}
    for grown in (None, "m", "n", "targets"):
        size = {name: value * (2 if name == grown else 1) for name, value in base.items()}
        masks = rng.random((size["m"], size["n"])) < 0.5
        weights = rng.standard_normal((size["n"], size["targets"])) * (rng.random((size["n"], 1)) < 0.05)
        margins = (masks @ weights + rng.standard_normal((size["m"], size["targets"]))).astype(np.float32)
        points = rng.standard_normal((size["n"], 3))
        kernel = np.exp(-((points[:, None] - points[None]) ** 2).sum(axis=2)).astype(np.float32)
        spent = [
            seconds(lambda: estimator.fit(masks, margins, Prior(kernel)))  # noqa: B023
            for estimator in (Ridge(), PriorInformed(), Lasso())
        ]
        times = " ".join(f"{s:9.2f}" for s in spent)
        print(f"{size['m']:7} {size['n']:7} {size['targets']:8} {times} {peak_gigabytes():8.2f}", flush=True)


TABLES = {"speed": speed, "trainings": trainings, "lasso": lasso, "lds": scores, "doubling": doubling}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="*", choices=[*TABLES, []], default=list(TABLES))
    chosen = parser.parse_args().tables
    print(
        f"{platform.machine()}, {os.cpu_count()} processors, {torch.get_num_threads()} thread(s), "
        f"torch {torch.__version__}"
    )
    for table in chosen:
        TABLES[table]()
    sys.exit(0)
