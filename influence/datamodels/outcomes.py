"""The outcome store: many models trained on subsets, and what each says on every target.

A store is a Zarr v3 group at a path or any fsspec URL, with named dimensions::

    margins    (model, target)      float16  correct-class margin, see `influence.learners.base.margins`, in 32nds
    named      (model, target)      uint8    the class that the model names, the one of its largest logit
    masks      (model, train_byte)  uint8    who saw what, eight training examples a byte (numpy.packbits)
    accuracy   (model,)             float32  share of the targets that the model gets right
    checksum   (model,)             uint64   of the model's rows of the four above
    state      (model,)             uint8    0 missing, 1 done, 2 diverged (a margin is not finite)
    target     (target,)            int32    the targets' names

The group's attributes hold the config, its hash and the data set's; a store refuses models of another config or of
other data. What model i sees follows from (config, i) alone, so that any process can train any model.

Collection works in units: consecutive models that a learner trains together. The arrays are cut into chunks along the
same lines, so that no two units share a chunk and several processes may write one store as long as their ranges differ.
``state`` is written last, when the rest of the unit is safe: whatever is killed in between, or finds the disk full,
counts as missing, so that no more than the unit in progress is lost. When a unit is completed later (a store of 10
models that grows), rows that were there are written back unchanged.

A store may go on on another machine. What is compared bit for bit is the config, the data's hash, masks (drawn with
whole numbers alone) and the checksums of what is stored; never a margin trained anew, since another processor or
another BLAS rounds otherwise. How far that takes a model from itself is the learner's matter: on digits, the plainest
instructions and the fastest gave margins that differ by at most one step of 1/32 (see the tests).
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, Self

import numpy as np
import torch
import zarr
from joblib import Parallel, delayed, parallel_config
from pydantic import model_validator
from zarr.codecs import BloscCodec, Crc32cCodec
from zarr.errors import ContainsArrayError, ContainsGroupError

from influence import datasets
from influence.config import Config, setting
from influence.datamodels.subsets import SubsetConfig, draw, subset_size
from influence.datasets import Dataset
from influence.errors import InfluenceError
from influence.learners.base import Learner, Models, margins, prepared
from influence.learners.mlp import Mlp
from influence.stopping import hangups_ignored

SCHEMA_VERSION = 2
_STEPS = 32  # of a unit of margin: an error of 0.009 (root mean square), and two thirds of the bytes
MISSING, DONE, DIVERGED = 0, 1, 2

_PER_MODEL = ("margins", "named", "masks", "accuracy", "checksum", "state")

Report = Callable[[int, int], None]
"""Called with the number of models finished by this call, and the number that it set out to train."""


class OutcomeConfig(Config):
    """Everything that a store's models follow from; how many there are is no part of it."""

    dataset: str = setting("digits", "Name of the data set.")
    classes: tuple[str, ...] = setting((), "Only the examples of these classes; none means all.")
    train_size: int | None = setting(None, "Only the first so many training examples.", ge=1)
    learner: Learner = setting(Mlp(), "How models are trained.")
    subsets: SubsetConfig = setting(SubsetConfig(), "Which examples each model sees.")

    def load(self) -> Dataset:
        """The data set, read once a process, its training part as the learner prepares it."""
        return _load(self.dataset, self.classes, self.train_size, self.learner)


Kind = Literal["here", "loky", "dask"]


class Backend(Config):
    """Where models are trained."""

    kind: Kind = setting(
        "here",
        "Where models are trained: in this process, in processes of this machine (loky), or on a Dask cluster, whose "
        "workers reach the store by its URL and the data set by their own INFLUENCE_DATA_DIR.",
        title="backend",
    )
    workers: int = setting(0, "Processes of loky, each with one thread; 0 is one a processor.", ge=0)
    scheduler: str | None = setting(None, "Address of the Dask scheduler, such as tcp://10.0.0.5:8786.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.kind == "dask") != (self.scheduler is not None):
            raise InfluenceError("A scheduler's address belongs to the dask backend: give both or neither.")
        return self


@dataclass(frozen=True)
class Collected:
    """What one call of `collect` did, in models."""

    trained: int
    diverged: int
    present: int


@dataclass(frozen=True)
class Outcomes:
    """Outcomes of the models that are done, by increasing number.

    Parameters
    ----------
    models : (m,) int64
        Their numbers.
    masks : (m, n_train) bool
    margins : (m, n_targets) float32
    named : (m, n_targets) uint8
        The class that each model names.
    accuracy : (m,) float32
    diverged : int
        How many of the models asked for are left out because they diverged.
    missing : int
        How many are not there.
    """

    models: np.ndarray
    masks: np.ndarray
    margins: np.ndarray
    named: np.ndarray
    accuracy: np.ndarray
    diverged: int
    missing: int

    def __len__(self) -> int:
        return len(self.models)


@dataclass(frozen=True)
class Check:
    """What `verify` found: how many models are done or diverged, and the numbers of those missing or damaged."""

    models: int
    done: int
    diverged: int
    missing: list[int]
    damaged: list[int]

    @property
    def is_complete(self) -> bool:
        return not self.missing and not self.damaged

    def __str__(self) -> str:
        text = f"{self.models} models: {self.done} done, {self.diverged} diverged"
        for numbers, what in ((self.missing, "missing"), (self.damaged, "damaged")):
            text += f", {len(numbers)} {what}" + (f" ({_ranges(numbers)})" if numbers else "")
        return text + "."


def collect(
    config: OutcomeConfig,
    store: str,
    models: int,
    span: tuple[int, int] | None = None,
    backend: Backend | None = None,
    report: Report = lambda finished, total: None,
) -> Collected:
    """Train the models that a store lacks. Stop and call again as often as you like: what is done stays done.

    Parameters
    ----------
    config : OutcomeConfig
    store : str
        A path or an fsspec URL; made if there is nothing.
    models : int
        How many models the store is to have in all; more than it has extends it.
    span : (start, stop) or None
        Train only these, for several processes or machines on one store. Both ends fall on the borders of units
        (``config.learner.batch``), except that ``stop`` may be ``models``.
    backend : Backend or None
        None is this process.

    Raises
    ------
    InfluenceError
        Before any training if the config, the range or the data set won't do, or the store is of another config;
        later if the store can't be written or worker processes die. What was finished by then is kept.
    """
    backend = backend or Backend()
    datasets.check_name(config.dataset)
    if models < 1:
        raise InfluenceError(f"models is {models}, but must be at least 1.")
    dataset = config.load()
    _check_labels(dataset)
    subset_size(config.subsets, len(dataset.train))
    with _explain_storage(store):
        group = _open_or_create(config, dataset, store)
        unit = _number(group, "unit")
        start, stop = span or (0, models)
        _check_span(start, stop, models, unit)
        _grow(group, models)
        before = _states(group)
        wanted = np.flatnonzero(before[start:stop] == MISSING) + start
    diverged = finished = 0
    units = np.unique(wanted // unit)
    jobs = [(max(start, int(u) * unit), min(stop, (int(u) + 1) * unit)) for u in units]
    for trained, failed in _run(backend, config, store, jobs):
        finished += trained
        diverged += failed
        report(finished, len(wanted))
    return Collected(finished, diverged, int((before[:models] != MISSING).sum()) + finished)


def train_models(config: OutcomeConfig, store: str, start: int, stop: int) -> tuple[int, int]:
    """Train those of the models from start to stop, all of one unit, that are missing; the work that is handed out.

    Returns
    -------
    trained, diverged : int
    """
    dataset = config.load()
    with _explain_storage(store):
        group = _open(store, config, dataset)
        unit = _number(group, "unit")
        first = start // unit * unit
        last = min(first + unit, _array(group, "state").shape[0])
        rows = _read_unit(group, first, last)
    numbers = np.arange(first, last)
    damaged = _damaged(rows)
    wanted = numbers[((rows["state"] == MISSING) & (numbers >= start) & (numbers < stop)) | damaged]
    if not len(wanted):
        return 0, 0
    subsets = draw(config.subsets, wanted, len(dataset.train))
    logits = config.learner.fit(dataset.train, subsets).logits(dataset.test.inputs)
    places = wanted - first
    with np.errstate(over="ignore"):  # beyond float16 is infinite, which the state then tells
        rows["margins"][places] = stored(margins(logits, dataset.test.labels))
    rows["named"][places] = logits.argmax(axis=2)
    rows["masks"][places] = np.packbits(subsets.masks, axis=1)
    rows["accuracy"][places] = (rows["named"][places] == dataset.test.labels).mean(axis=1)
    rows["state"][places] = _states_of(rows["margins"][places])
    rows["checksum"] = _checksums(rows)
    with _explain_storage(store):
        for name in _PER_MODEL:  # state comes last
            _array(group, name)[first:last] = rows[name]
    return len(wanted), int((rows["state"][places] == DIVERGED).sum())


def stored(values: np.ndarray) -> np.ndarray:
    """Margins as a store keeps them."""
    rounded: np.ndarray = (np.round(values * _STEPS) / _STEPS).astype(np.float16)
    return rounded


def retrain(config: OutcomeConfig, models: np.ndarray) -> tuple[Models, np.ndarray]:
    """The given models themselves, trained again (a store keeps what they say, not their weights).

    Returns
    -------
    trained : Models
    masks : (k, n_train) bool
    """
    dataset = config.load()
    subsets = draw(config.subsets, models, len(dataset.train))
    return config.learner.fit(dataset.train, subsets), subsets.masks


def size(store: str) -> int:
    """How many models a store has room for: done, diverged or missing."""
    with _explain_storage(store):
        return int(_array(_existing(store), "state").shape[0])


def missing(config: OutcomeConfig, store: str, models: int) -> int:
    """How many of the first ``models`` a store lacks: all of them where there is no store yet.

    Raises
    ------
    InfluenceError
        If the store is of another config or of other data, or can't be reached.
    """
    with _explain_storage(store):
        try:
            zarr.open_group(store, mode="r")
        except FileNotFoundError:
            return models
        states = _states(_open(store, config, config.load()))[:models]
    return models - int((states != MISSING).sum())


def read_config(store: str) -> OutcomeConfig:
    """The config that a store's models were trained with."""
    with _explain_storage(store):
        return OutcomeConfig.parse(_existing(store).attrs["config"])


def read(store: str, models: Iterable[int] | None = None) -> Outcomes:
    """Read a store's outcomes, by default of all its models. Missing and diverged ones are counted and left out.

    Raises
    ------
    InfluenceError
        If there is no store, it can't be reached, or an outcome is damaged.
    """
    with _explain_storage(store):
        group = _existing(store)
        state = _states(group)
        numbers = np.arange(len(state)) if models is None else np.unique(np.fromiter(models, dtype=np.int64))
        if len(numbers) and not (numbers[0] >= 0 and numbers[-1] < len(state)):
            raise InfluenceError(
                f"{store} has the models 0 to {len(state) - 1}, and {numbers[-1]} was asked for: collect more first."
            )
        done = numbers[state[numbers] == DONE]
        n_train, unit = _number(group, "n_train"), _number(group, "unit")
        kept = {name: [np.empty((0, *_array(group, name).shape[1:]), _array(group, name).dtype)] for name in _PER_MODEL}
        for u in np.unique(done // unit):
            first, last = int(u) * unit, min((int(u) + 1) * unit, len(state))
            rows = _read_unit(group, first, last)
            places = done[done // unit == u] - first
            bad = _damaged(rows)[numbers[numbers // unit == u] - first]
            if bad.any():
                raise InfluenceError(
                    f"{store}: {int(bad.sum())} outcome(s) of the models {first} to {last - 1} are damaged: "
                    "verify the store with repair, then collect again; the others are kept."
                )
            for name in _PER_MODEL:
                kept[name].append(rows[name][places])
    columns = {name: np.concatenate(parts) for name, parts in kept.items()}
    return Outcomes(
        done.astype(np.int64),
        np.unpackbits(columns["masks"], axis=1, count=n_train).astype(bool),
        columns["margins"].astype(np.float32),
        columns["named"],
        columns["accuracy"],
        diverged=int((state[numbers] == DIVERGED).sum()),
        missing=int((state[numbers] == MISSING).sum()),
    )


def verify(store: str, repair: bool = False) -> Check:
    """Read everything and compare it with its checksums, and every mask with what the config says.

    With ``repair``, damaged models are marked as missing, so that the next `collect` trains them again.
    """
    with _explain_storage(store):
        group = _existing(store)
        config = OutcomeConfig.parse(group.attrs["config"])
        n_train, unit = _number(group, "n_train"), _number(group, "unit")
        total = _array(group, "state").shape[0]
        missing: list[int] = []
        damaged: list[int] = []
        counts = {DONE: 0, DIVERGED: 0}
        for first in range(0, total, unit):
            numbers = np.arange(first, min(first + unit, total))
            claimed = _try_read(group, "state", first, int(numbers[-1]) + 1)
            if claimed is None:
                bad, claimed = np.ones(len(numbers), bool), np.full(len(numbers), DONE, np.uint8)
            else:
                rows = _read_unit(group, first, int(numbers[-1]) + 1)
                expected = np.packbits(draw(config.subsets, numbers, n_train).masks, axis=1)
                bad = _damaged(rows | {"state": claimed})
                bad |= (claimed != MISSING) & (rows["masks"] != expected).any(axis=1)
            missing += numbers[~bad & (claimed == MISSING)].tolist()
            damaged += numbers[bad].tolist()
            for kind in counts:
                counts[kind] += int((~bad & (claimed == kind)).sum())
            if repair and bad.any():
                _array(group, "state")[first : first + len(numbers)] = np.where(bad, MISSING, claimed)
    return Check(total, counts[DONE], counts[DIVERGED], missing, damaged)


def _run(backend: Backend, config: OutcomeConfig, store: str, jobs: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Hand out the jobs; what each returned, in the order of their end."""
    if not jobs:
        return
    if backend.kind == "here":
        for start, stop in jobs:
            yield train_models(config, store, start, stop)
        return
    tasks = (delayed(_train_in_worker)(config, store, start, stop) for start, stop in jobs)
    if backend.kind == "loky":
        from joblib.externals.loky import get_reusable_executor
        from joblib.externals.loky.backend import resource_tracker
        from joblib.externals.loky.process_executor import TerminatedWorkerError

        with hangups_ignored():  # it tidies up after workers, also when a terminal's end has ended those
            resource_tracker.ensure_running()
        workers = min(backend.workers or os.cpu_count() or 1, len(jobs))
        try:
            with parallel_config("loky", n_jobs=workers, inner_max_num_threads=1):
                yield from Parallel(return_as="generator_unordered", batch_size=1)(tasks)
        except TerminatedWorkerError as error:
            raise InfluenceError(
                "A worker process was killed, as happens when memory runs out: what was finished is kept; "
                "use fewer workers and collect again."
            ) from error
        except BaseException:  # Ctrl-C, say: what is not put away here is complained of at the process's end
            get_reusable_executor().shutdown(kill_workers=True)
            raise
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise InfluenceError("The dask backend needs Dask: pip install 'dask[distributed]'.") from error
    try:
        client = Client(backend.scheduler, timeout="5s")
    except (OSError, TimeoutError, ValueError) as error:
        raise InfluenceError(
            f"There is no Dask scheduler at {backend.scheduler} ({error}): start one, or give its address."
        ) from error
    # A task that outlives its worker is given to another, which finds in the store what is done.
    with client, parallel_config("dask", client=client):
        yield from Parallel(return_as="generator_unordered", batch_size=1)(tasks)


def _train_in_worker(config: OutcomeConfig, store: str, start: int, stop: int) -> tuple[int, int]:
    torch.set_num_threads(1)  # there is a worker a processor
    return train_models(config, store, start, stop)


@lru_cache(maxsize=1)
def _load(name: str, classes: tuple[str, ...], train_size: int | None, learner: Learner) -> Dataset:
    return prepared(datasets.load(name, classes, train_size), learner)


def _check_labels(dataset: Dataset) -> None:
    if not np.issubdtype(dataset.train.labels.dtype, np.integer):
        raise InfluenceError(
            f"{dataset.name} has no classes, and a datamodel explains the margin between classes: "
            "choose digits or cifar10."
        )
    untaught = np.setdiff1d(dataset.test.labels, dataset.train.labels)
    if len(untaught):
        raise InfluenceError(
            f"{len(untaught)} of the classes of {dataset.name} have no training example left, the first is number "
            f"{untaught[0]}: raise train_size, or choose classes."
        )


def _check_span(start: int, stop: int, models: int, unit: int) -> None:
    if not 0 <= start < stop <= models:
        raise InfluenceError(f"The range {start}:{stop} must lie within 0:{models} and hold at least one model.")
    if start % unit or (stop % unit and stop != models):
        raise InfluenceError(
            f"The range {start}:{stop} cuts through models that are trained and stored together: use multiples of "
            f"{unit}."
        )


def _open_or_create(config: OutcomeConfig, dataset: Dataset, store: str) -> zarr.Group:
    n_train, n_targets, unit = len(dataset.train), len(dataset.test), config.learner.batch
    try:
        group = zarr.create_group(
            store,
            attributes={
                "schema_version": SCHEMA_VERSION,
                "config": config.as_dict(),
                "config_hash": config.digest,
                "dataset_hash": dataset.content_hash,
                "n_train": n_train,
                "unit": unit,
                "margin": "correct-class logit minus the log-sum-exp of the others",
            },
        )
    except ContainsGroupError:
        group = _open(store, config, dataset)
        unit = _number(group, "unit")
    # A creation that was killed may have left some arrays out, and another process may be making them right now.
    shapes: dict[str, tuple[tuple[str, ...], tuple[int, ...], tuple[int, ...], str]] = {
        "margins": (("model", "target"), (0, n_targets), (unit, n_targets), "float16"),
        "named": (("model", "target"), (0, n_targets), (unit, n_targets), "uint8"),
        "masks": (("model", "train_byte"), (0, -(-n_train // 8)), (unit, -(-n_train // 8)), "uint8"),
        "accuracy": (("model",), (0,), (unit,), "float32"),
        "checksum": (("model",), (0,), (unit,), "uint64"),
        "state": (("model",), (0,), (unit,), "uint8"),
        "target": (("target",), (n_targets,), (n_targets,), "int32"),
    }
    for name, (dimensions, shape, chunks, dtype) in shapes.items():
        if name not in group:
            try:
                group.create_array(
                    name,
                    shape=shape,
                    chunks=chunks,
                    dtype=dtype,
                    dimension_names=dimensions,
                    fill_value=0,
                    # Of a chunk that was cut, Blosc makes whatever the memory holds: another codec notices it.
                    compressors=(BloscCodec(cname="zstd", clevel=9, shuffle="shuffle"), Crc32cCodec()),
                )
            except ContainsArrayError:
                continue
    _array(group, "target")[:] = dataset.test.index
    return group


def _existing(store: str) -> zarr.Group:
    try:
        group = zarr.open_group(store, mode="r+")
    except FileNotFoundError as error:
        raise InfluenceError(f"There is no outcome store at {store}: collect one first.") from error
    version = group.attrs.get("schema_version")
    if version != SCHEMA_VERSION:
        raise InfluenceError(
            f"{store} has schema version {version}, and this program reads version {SCHEMA_VERSION}: collect into "
            "another place."
        )
    return group


def _open(store: str, config: OutcomeConfig, dataset: Dataset) -> zarr.Group:
    """An existing store, refused unless it is of this config and of these data."""
    group = _existing(store)
    if OutcomeConfig.parse(group.attrs["config"]) != config:
        differences = _differences(group.attrs["config"], config.as_dict())
        raise InfluenceError(
            f"{store} holds models of another config ({differences}): use that config, or collect into another place."
        )
    if group.attrs["dataset_hash"] != dataset.content_hash:
        raise InfluenceError(
            f"{store} holds models of another version of {dataset.name} (the content's hash differs): "
            "collect into another place."
        )
    return group


def _differences(theirs: Any, ours: Any) -> str:
    """What differs between two configs, name by name."""

    def flat(values: Any, prefix: str = "") -> dict[str, Any]:
        if not isinstance(values, dict):
            return {prefix: values}
        return {
            key: value
            for name, part in values.items()
            for key, value in flat(part, f"{prefix}.{name}".strip(".")).items()
        }

    there, here = flat(theirs), flat(ours)
    return ", ".join(
        f"{name} is {there.get(name)!r} there and {here.get(name)!r} here"
        for name in sorted(there | here)
        if there.get(name) != here.get(name)
    )


def _array(group: zarr.Group, name: str) -> zarr.Array[Any]:
    array = group.get(name)
    if not isinstance(array, zarr.Array):
        raise InfluenceError(f"{group.store_path} lacks its array {name}: collect again, which mends that.")
    return array


def _number(group: zarr.Group, name: str) -> int:
    return int(str(group.attrs[name]))


def _grow(group: zarr.Group, models: int) -> None:
    for name in _PER_MODEL:
        array = _array(group, name)
        if array.shape[0] < models:
            array.resize((models, *array.shape[1:]))


def _states(group: zarr.Group) -> np.ndarray:
    """(models,) uint8; what can't be read counts as missing, like what is not there."""
    total, unit = _array(group, "state").shape[0], _number(group, "unit")
    state = _try_read(group, "state", 0, total)
    if state is not None:
        return state
    parts = [_try_read(group, "state", first, min(first + unit, total)) for first in range(0, total, unit)]
    return np.concatenate(
        [np.zeros(min(unit, total - i * unit), np.uint8) if part is None else part for i, part in enumerate(parts)]
    )


def _read_unit(group: zarr.Group, first: int, last: int) -> dict[str, np.ndarray]:
    """The rows of a unit; an array that can't be read is all zeros, which no checksum fits."""
    rows = {}
    for name in _PER_MODEL:
        values = _try_read(group, name, first, last)
        array = _array(group, name)
        rows[name] = np.zeros((last - first, *array.shape[1:]), array.dtype) if values is None else values
    return rows


def _try_read(group: zarr.Group, name: str, first: int, last: int) -> np.ndarray | None:
    """None if the chunk is damaged. Storage that can't be reached is another matter."""
    try:
        values: np.ndarray = np.array(_array(group, name)[first:last])
    except InfluenceError:
        raise
    except Exception as error:  # every codec has its own
        if _is_of_storage(error):
            raise
        return None
    return values


def _is_of_storage(error: Exception) -> bool:
    """Whether storage refused or can't be reached; the errors of S3's client are no OSErrors."""
    return isinstance(error, OSError) or type(error).__module__.split(".")[0] in ("botocore", "aiohttp")


def _states_of(margins: np.ndarray) -> np.ndarray:
    """(k,): what became of models with these margins."""
    return np.where(np.isfinite(margins).all(axis=1), DONE, DIVERGED).astype(np.uint8)


def _damaged(rows: dict[str, np.ndarray]) -> np.ndarray:
    """(k,) bool: what is not missing, and not what was written. A chunk that was cut may decode to anything."""
    differs = (rows["checksum"] != _checksums(rows)) | (rows["state"] != _states_of(rows["margins"]))
    damaged: np.ndarray = (rows["state"] != MISSING) & differs
    return damaged


def _checksums(rows: dict[str, np.ndarray]) -> np.ndarray:
    """(k,) uint64, of margins, classes named, mask and accuracy of each model."""
    parts = [np.ascontiguousarray(rows[name]) for name in ("margins", "named", "masks", "accuracy")]
    return np.array(
        [
            int.from_bytes(hashlib.blake2b(b"".join(part[row].tobytes() for part in parts), digest_size=8).digest())
            for row in range(len(parts[0]))
        ],
        dtype=np.uint64,
    )


def _ranges(numbers: list[int]) -> str:
    """0, 1, 2, 5 -> "0-2, 5"; at most five parts."""
    array = np.asarray(numbers)
    runs = np.split(array, np.flatnonzero(np.diff(array) > 1) + 1)
    named = [str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]
    return ", ".join(named[:5]) + (f" and {len(named) - 5} more ranges" if len(named) > 5 else "")


@contextmanager
def _explain_storage(store: str) -> Iterator[None]:
    """Turn what storage says into an `InfluenceError`."""
    try:
        yield
    except InfluenceError:
        raise
    except ImportError as error:
        raise InfluenceError(
            f"{store} needs a package that is not installed ({error}): for s3:// that is s3fs, for gs:// gcsfs."
        ) from error
    except Exception as error:
        if isinstance(error, ValueError) and "rotocol not known" in str(error):
            raise InfluenceError(f"{store} is not a URL that fsspec knows ({error}): use a path or s3://.") from error
        if not _is_of_storage(error):
            raise
        raise InfluenceError(
            f"The outcome store {store} can't be read or written ({error}): what was finished is kept; mend that and "
            "collect again."
        ) from error
