"""The format of an outcome store, and how it is opened, read and refused.

A store is a Zarr v3 group at a path or any fsspec URL, with named dimensions::

    margins    (model, target)      float16  correct-class margin, see `influence.learners.base.margins`, in 32nds
    named      (model, target)      uint8    the model's prediction: the class of its largest logit
    masks      (model, train_byte)  uint8    which examples each model saw, eight a byte (numpy.packbits)
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

A store may be continued on another machine. Only the config, the data's hash, masks (drawn with whole numbers alone)
and the checksums of what is stored are compared bit for bit; margins of a new training never are, since another
processor or another BLAS rounds otherwise. How much they differ depends on the learner: on digits, the plainest
instructions and the fastest gave margins that differ by at most one step of 1/32 (see the tests).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import zarr
from zarr.codecs import BloscCodec, Crc32cCodec
from zarr.errors import ContainsArrayError, ContainsGroupError

from influence.datamodels.outcomes.config import OutcomeConfig
from influence.datasets import Dataset
from influence.errors import InfluenceError

SCHEMA_VERSION = 2
MISSING, DONE, DIVERGED = 0, 1, 2

ARRAYS = ("margins", "named", "masks", "accuracy", "checksum", "state")
"""The arrays with a row for each model, in the order in which they are written."""


@dataclass(frozen=True)
class Store:
    """An open store. Errors of storage are raised as they are: `explain_storage` puts them into words."""

    group: zarr.Group

    @classmethod
    def existing(cls, url: str) -> Self:
        """Open a store, whichever config it is of."""
        try:
            group = zarr.open_group(url, mode="r+")
        except FileNotFoundError as error:
            raise InfluenceError(f"There is no outcome store at {url}: collect one first.") from error
        version = group.attrs.get("schema_version")
        if version != SCHEMA_VERSION:
            raise InfluenceError(
                f"{url} has schema version {version}, and this program reads version {SCHEMA_VERSION}: collect into "
                "another store."
            )
        return cls(group)

    @classmethod
    def of(cls, url: str, config: OutcomeConfig, dataset: Dataset) -> Self:
        """Open an existing store, and refuse it unless it is of this config and of these data."""
        store = cls.existing(url)
        if store.config != config:
            differences = _differences(store.group.attrs["config"], config.as_dict())
            raise InfluenceError(
                f"{url} holds models of another config ({differences}): use that config, or collect into another store."
            )
        if store.group.attrs["dataset_hash"] != dataset.content_hash:
            raise InfluenceError(
                f"{url} holds models of another version of {dataset.name} (the content's hash differs): "
                "collect into another store."
            )
        return store

    @classmethod
    def open_or_create(cls, url: str, config: OutcomeConfig, dataset: Dataset) -> Self:
        """Open the store of this config, and create the parts that do not exist yet."""
        n_train, n_targets = len(dataset.train), len(dataset.test)
        attributes = {
            "schema_version": SCHEMA_VERSION,
            "config": config.as_dict(),
            "config_hash": config.digest,
            "dataset_hash": dataset.content_hash,
            "n_train": n_train,
            "unit": config.learner.batch,
            "margin": "correct-class logit minus the log-sum-exp of the others",
        }
        try:
            store = cls(zarr.create_group(url, attributes=attributes))
        except ContainsGroupError:
            store = cls.of(url, config, dataset)
        # A creation that was killed may have left some arrays out, and another process may be making them right now.
        store._make_array("margins", ("model", "target"), n_targets, "float16")
        store._make_array("named", ("model", "target"), n_targets, "uint8")
        store._make_array("masks", ("model", "train_byte"), -(-n_train // 8), "uint8")
        for name, dtype in (("accuracy", "float32"), ("checksum", "uint64"), ("state", "uint8")):
            store._make_array(name, ("model",), None, dtype)
        store._make_array("target", ("target",), n_targets, "int32")
        store.array("target")[:] = dataset.test.index
        return store

    def _make_array(self, name: str, dimensions: tuple[str, ...], width: int | None, dtype: str) -> None:
        """Make an array unless it is there; along models, it is empty and has chunks of a unit."""
        if name in self.group:
            return
        widths = () if width is None else (width,)
        rows, chunk = ((0,), (self.unit,)) if "model" in dimensions else ((), ())
        try:
            self.group.create_array(
                name,
                shape=(*rows, *widths),
                chunks=(*chunk, *widths),
                dtype=dtype,
                dimension_names=dimensions,
                fill_value=0,
                # Blosc decodes a chunk that was cut to whatever the memory holds: the second codec notices that.
                compressors=(BloscCodec(cname="zstd", clevel=9, shuffle="shuffle"), Crc32cCodec()),
            )
        except ContainsArrayError:
            return

    @property
    def config(self) -> OutcomeConfig:
        return OutcomeConfig.parse(self.group.attrs["config"])

    @property
    def n_train(self) -> int:
        return int(str(self.group.attrs["n_train"]))

    @property
    def unit(self) -> int:
        """The number of consecutive models that are trained and stored together."""
        return int(str(self.group.attrs["unit"]))

    def __len__(self) -> int:
        """Count the models that the store has room for: done, diverged or missing."""
        return int(self.array("state").shape[0])

    def array(self, name: str) -> zarr.Array[Any]:
        array = self.group.get(name)
        if not isinstance(array, zarr.Array):
            raise InfluenceError(f"{self.group.store_path} lacks its array {name}: collect again, which mends that.")
        return array

    def grow(self, models: int) -> None:
        """Make room for so many models in all."""
        for name in ARRAYS:
            array = self.array(name)
            if array.shape[0] < models:
                array.resize((models, *array.shape[1:]))

    def states(self) -> np.ndarray:
        """Read all states, (models,) uint8; what can't be read counts as missing, like what is not there."""
        total, unit = len(self), self.unit
        state = self.try_read("state", 0, total)
        if state is not None:
            return state
        parts = [self.try_read("state", first, min(first + unit, total)) for first in range(0, total, unit)]
        return np.concatenate(
            [np.zeros(min(unit, total - i * unit), np.uint8) if part is None else part for i, part in enumerate(parts)]
        )

    def rows(self, first: int, last: int) -> dict[str, np.ndarray]:
        """Read the rows of a unit; an array that can't be read is all zeros, which no checksum fits."""
        rows = {}
        for name in ARRAYS:
            values = self.try_read(name, first, last)
            array = self.array(name)
            rows[name] = np.zeros((last - first, *array.shape[1:]), array.dtype) if values is None else values
        return rows

    def try_read(self, name: str, first: int, last: int) -> np.ndarray | None:
        """Read rows; None if their chunk is damaged. Storage that can't be reached is an error."""
        try:
            values: np.ndarray = np.array(self.array(name)[first:last])
        except InfluenceError:
            raise
        except Exception as error:  # every codec has its own
            if _is_of_storage(error):
                raise
            return None
        return values


@contextmanager
def explain_storage(url: str) -> Iterator[None]:
    """Turn the errors of storage into an `InfluenceError`."""
    try:
        yield
    except InfluenceError:
        raise
    except ImportError as error:
        raise InfluenceError(
            f"{url} needs a package that is not installed ({error}): for s3:// that is s3fs, for gs:// gcsfs."
        ) from error
    except Exception as error:
        if isinstance(error, ValueError) and "rotocol not known" in str(error):
            raise InfluenceError(f"{url} is not a URL that fsspec knows ({error}): use a path or s3://.") from error
        if not _is_of_storage(error):
            raise
        raise InfluenceError(
            f"The outcome store {url} can't be read or written ({error}): what was finished is kept; mend that and "
            "collect again."
        ) from error


def _is_of_storage(error: Exception) -> bool:
    """Whether storage refused or can't be reached; the errors of S3's client are no OSErrors."""
    return isinstance(error, OSError) or type(error).__module__.split(".")[0] in ("botocore", "aiohttp")


def _differences(theirs: Any, ours: Any) -> str:
    """List the settings that differ between two configs."""

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
