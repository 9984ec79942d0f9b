"""CIFAR-10 (Krizhevsky 2009), through torchvision: 50,000 training and 10,000 test images of ten classes.

Inputs are (32, 32, 3) uint8 images. Training and test images are named by torchvision's order, each from 0.

Opening the official files takes torchvision, seconds and the whole data set in memory, too much for showing a few
images. So there is a copy of their content that can be mapped into memory, the folder ``cifar10-pixels``: images.npy
and labels.npy, training images first, and the data set's content_hash. It stands beside the official files, or in the
user's cache where the data folder is read-only.
"""

import hashlib
import http.client
import importlib
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from influence import homes
from influence.datasets.base import Dataset, Split, missing
from influence.datasets.facts import Classification, Facts
from influence.errors import InfluenceError, explain_write_errors
from influence.progress import Report, silent

if TYPE_CHECKING:
    import torch

NAME = "cifar10"
FACTS = Facts(
    NAME,
    Classification(("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")),
    noun="image",
    brings="all 60,000 pictures, and training on them (170 MB)",
    learner="patchnet",
    near_copy=0.9,
    mirrors=True,
    title="CIFAR-10",
)

_PIECE = 1 << 20  # bytes
_N_TRAIN, _N_TEST = 50_000, 10_000
_CONTENT_HASH = "9c9b5e834c11a49d31d0d5514fa0b7bd89b86b53a676f074e0051698516b4bfe"  # of the official files


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
    return (homes.data_home() / "cifar-10-batches-py" / "test_batch").exists()


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
            part = import_torchvision().datasets.CIFAR10(str(homes.data_home()), train=train)
        except RuntimeError as error:
            raise InfluenceError(
                f"{homes.data_home() / 'cifar-10-batches-py'} is damaged: delete it, then run "
                f"`python -m influence data {NAME}`."
            ) from error
        index = np.arange(len(part.data), dtype=np.int32)
        splits.append(Split(index, part.data, np.asarray(part.targets, dtype=np.int64)))
    return Dataset(FACTS, train=splits[0], test=splits[1])


def mapped() -> Dataset:
    """Load like `load`, but read pixels from disk only when they are used. It is quick, and imports no torch.

    The first time, the copy that they are mapped from is made, in a process of its own.

    Raises
    ------
    InfluenceError
        If the data set is not on this machine or damaged, or there is no place for the copy.
    """
    if not is_present():
        raise missing(NAME)
    dataset = _first_mapped()
    if dataset is None:
        _prepare_elsewhere()
        dataset = _first_mapped()
    if dataset is None:
        raise InfluenceError(f"The copy of {NAME} in {_home_to_write()} vanished while it was opened: try again.")
    return dataset


def prepare() -> None:
    """Make the copy that `mapped` opens, unless it is there. Any number of processes may do so at once.

    Raises
    ------
    InfluenceError
        As `load`; or if the copy can't be written.
    """
    if _first_mapped() is not None:
        return
    dataset, home = load(), _home_to_write()
    partial, damaged = (home.parent / f".{home.name}-{uuid.uuid4().hex}" for _ in range(2))
    with explain_write_errors(home):
        try:
            partial.mkdir(parents=True)
            for name, parts in (
                ("images.npy", (dataset.train.inputs, dataset.test.inputs)),
                ("labels.npy", (dataset.train.labels, dataset.test.labels)),
            ):
                np.save(partial / name, np.concatenate(parts), allow_pickle=False)
            (partial / "content_hash").write_text(dataset.content_hash)
            if home.exists() and _map(home) is None:
                home.rename(damaged)
            try:
                partial.rename(home)
            except OSError:
                if _map(home) is None:  # else another process was faster
                    raise
        finally:
            for leftover in (partial, damaged):
                shutil.rmtree(leftover, ignore_errors=True)


def _homes() -> tuple[Path, Path]:
    """List the places where the copy may be."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return homes.data_home() / "cifar10-pixels", cache / "influence" / "cifar10-pixels"


def _home_to_write() -> Path:
    beside, in_cache = _homes()
    folder = beside.parent
    # A folder that is marked read-only is left alone by root, too.
    may_write = os.access(folder, os.W_OK) and folder.stat().st_mode & 0o222
    return beside if may_write else in_cache


def _first_mapped() -> Dataset | None:
    return next((dataset for dataset in map(_map, _homes()) if dataset is not None), None)


def _map(home: Path) -> Dataset | None:
    """The copy in a folder; None where there is none, or it is cut short or not of the official files."""
    try:
        if (home / "content_hash").read_text() != _CONTENT_HASH:
            return None
        images = np.load(home / "images.npy", mmap_mode="r", allow_pickle=False)
        labels = np.load(home / "labels.npy", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    n = _N_TRAIN + _N_TEST
    if (images.shape, images.dtype, labels.shape, labels.dtype) != ((n, 32, 32, 3), np.uint8, (n,), np.int64):
        return None
    train, test = slice(_N_TRAIN), slice(_N_TRAIN, None)
    return Dataset(
        FACTS,
        Split(np.arange(_N_TRAIN, dtype=np.int32), images[train], labels[train]),
        Split(np.arange(_N_TEST, dtype=np.int32), images[test], labels[test]),
        known_hash=_CONTENT_HASH,
    )


_PREPARE = """
import sys
from influence.datasets import cifar10
from influence.errors import InfluenceError
try:
    cifar10.prepare()
except InfluenceError as error:
    sys.exit(str(error))
"""


def _prepare_elsewhere() -> None:
    """`prepare` in another process, which takes what torch and the whole data set need of memory away with it."""
    root = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    ended = subprocess.run(
        [sys.executable, "-c", _PREPARE],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        env={**os.environ, "PYTHONPATH": path},
    )
    if ended.returncode:
        said = ended.stderr.strip().rpartition("\n")[2] or f"exit status {ended.returncode}"
        raise InfluenceError(said)


def fetch(report: Report = silent) -> None:
    """Download the archive unless its files are here, verify every file's MD5, and make the copy that can be mapped.

    Raises
    ------
    InfluenceError
        If the archive can't be reached or is not the official one, or the data folder can't be written to.
    """
    files = import_torchvision().datasets.CIFAR10
    report(0.0, "looking at what is there")
    try:
        files(str(homes.data_home()), train=False)
    except RuntimeError:  # missing or damaged
        archive = homes.data_home() / files.filename
        _download(files.url, archive, files.tgz_md5, lambda share, what: report(0.9 * share, what))
        report(0.9, "unpacking")
        try:
            files(str(homes.data_home()), train=False, download=True)
        except (OSError, RuntimeError) as error:
            raise InfluenceError(
                f"{archive} could not be unpacked ({error}): free some space, or delete it, and try again."
            ) from error
    report(0.95, "verifying")
    prepare()


def _download(url: str, path: Path, md5: str, report: Report) -> None:
    """Bring a file unless it is there; nothing is left of one that did not come whole."""
    if path.exists() and _md5(path) == md5:
        return
    partial = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with urllib.request.urlopen(url, timeout=60) as source, open(partial, "wb") as file:
            total, done = int(source.headers.get("Content-Length") or 0), 0
            while piece := source.read(_PIECE):
                file.write(piece)
                done += len(piece)
                of = f" of {total / 1e6:,.0f}" if total else ""
                report(done / total if total else 0.0, f"downloading: {done / 1e6:,.0f}{of} MB")
        if _md5(partial) != md5:
            raise InfluenceError(
                f"What {url} sent is incomplete or not the official file (its MD5 differs): nothing was kept of it; "
                "try again."
            )
        partial.rename(path)
    except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
        raise InfluenceError(
            f"{NAME} could not be downloaded ({error}): connect to the internet and try again, or unpack "
            f"{path.name} into {path.parent}."
        ) from error
    except OSError as error:
        raise InfluenceError(
            f"{path.parent} can't be written to ({error}): free some space, or set INFLUENCE_DATA_DIR to a folder that "
            "can, and try again."
        ) from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def _md5(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def pictures(inputs: np.ndarray) -> np.ndarray:
    """The images themselves: (n, 32, 32, 3) uint8."""
    return inputs
