"""CIFAR-10 (Krizhevsky 2009), through torchvision: 50,000 training and 10,000 test images of ten classes.

Inputs are (32, 32, 3) uint8 images. Training and test images are named by torchvision's order, each from 0.
"""

import contextlib
import importlib
import io
import sys
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from influence.datasets.base import Dataset, Split, data_home, missing
from influence.errors import InfluenceError

if TYPE_CHECKING:
    import torch

NAME = "cifar10"
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def import_torchvision() -> ModuleType:
    """Import torchvision, also beside a CPU-only torch.

    The registry's torchvision is built for CUDA: beside a CPU-only torch its compiled operators can't load, and the
    import stops where it describes two of them. Declaring their names first lets it through; data sets, transforms
    and classification models use neither.
    """
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]  # half imported
    for operator in (
        "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
        "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    ):
        _library().define(operator)
    return importlib.import_module("torchvision")


_LIBRARY: "list[torch.library.Library]" = []


def _library() -> "torch.library.Library":
    """The operators' library, kept alive: its definitions go when it is collected."""
    import torch

    if not _LIBRARY:
        _LIBRARY.append(torch.library.Library("torchvision", "DEF"))
    return _LIBRARY[0]


def is_present() -> bool:
    return (data_home() / "cifar-10-batches-py" / "test_batch").exists()


def load() -> Dataset:
    """Read the official files; torchvision compares each with its MD5 before it opens it.

    Raises
    ------
    InfluenceError
        If the data set is not on this machine or damaged.
    """
    if not is_present():
        raise missing(NAME)
    splits = []
    for train in (True, False):
        try:
            part = import_torchvision().datasets.CIFAR10(str(data_home()), train=train)
        except RuntimeError as error:
            raise InfluenceError(
                f"{data_home() / 'cifar-10-batches-py'} is damaged: delete it, then run "
                f"`python -m influence data {NAME}`."
            ) from error
        index = np.arange(len(part.data), dtype=np.int32)
        splits.append(Split(index, part.data, np.asarray(part.targets, dtype=np.int64)))
    return Dataset(NAME, train=splits[0], test=splits[1])


def fetch() -> None:
    """Download through torchvision unless present, with progress on a terminal, then verify every file's MD5."""
    torchvision = import_torchvision()
    progress = contextlib.nullcontext() if sys.stderr.isatty() else contextlib.redirect_stderr(io.StringIO())
    try:
        with progress:
            torchvision.datasets.CIFAR10(str(data_home()), train=True, download=True)
    except (OSError, RuntimeError) as error:
        raise InfluenceError(
            f"{NAME} could not be downloaded ({error}): connect to the internet and try again, or unpack "
            f"cifar-10-python.tar.gz into {data_home()}."
        ) from error


def pictures(inputs: np.ndarray) -> np.ndarray:
    """The images themselves: (n, 32, 32, 3) uint8."""
    return inputs
