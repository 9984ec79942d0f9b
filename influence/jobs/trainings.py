"""Trainings that an evaluation needs, each done once: a store keyed by what was trained on, and with which seed.

Unlike an outcome store, whose subsets are drawn, this one holds whatever subsets are asked for. It is one SQLite file
a (data set, learner), and every batch of trainings is one transaction: an evaluation that is killed and started again
goes on, one with more targets or seeds trains only what is new, and evaluations of several results share what they
have in common.
"""

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from influence import homes
from influence.datasets import Dataset, Split
from influence.errors import InfluenceError
from influence.learners import regression
from influence.learners.base import Learner, Models, Subsets, margins
from influence.learners.regression import RegressionConfig

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Training:
    """One training: what is left out, and the seed.

    Parameters
    ----------
    removed : (r,) int32
        Places of training examples, rising.
    seed : int
        64 bits.
    """

    removed: np.ndarray
    seed: int

    @property
    def key(self) -> bytes:
        digest = hashlib.sha256(self.seed.to_bytes(8, "little"))
        digest.update(np.ascontiguousarray(self.removed, dtype="<i4").tobytes())
        return digest.digest()


@dataclass(frozen=True)
class Said:
    """What a trained model says.

    Parameters
    ----------
    outputs : (n,) float32
        Margins, say; the trainer tells.
    named : (n,) uint8
        Classes; of length 0 where there are none.
    """

    outputs: np.ndarray
    named: np.ndarray


class Trainer(Protocol):
    """Turns subsets into what the trained models say.

    Attributes
    ----------
    identity : dict
        Everything that it follows from but subset and seed, as JSON can hold it.
    batch : int
        Trainings that are best done together.
    """

    @property
    def identity(self) -> dict[str, object]: ...

    @property
    def batch(self) -> int: ...

    @property
    def n_train(self) -> int: ...

    def train(self, masks: np.ndarray, seeds: np.ndarray) -> list[Said]:
        """(k, n_train) bool and (k,) uint64; a model that diverged says numbers that are not finite."""
        ...


@dataclass(frozen=True)
class Classifiers:
    """A learner's models, and what they say of some examples.

    Parameters
    ----------
    dataset : Dataset
    learner : Learner
    common : bool
        Whether order and initial weights follow from the seed alone, as for `influence.learners.base.Subsets`.
    say : callable
        (models, dataset) -> one `Said` a model.
    says : str
        What that is, in a word; part of the identity.
    """

    dataset: Dataset
    learner: Learner
    common: bool
    say: Callable[[Models, Dataset], list[Said]]
    says: str

    @property
    def identity(self) -> dict[str, object]:
        return {
            "dataset": self.dataset.content_hash,
            "learner": self.learner.as_dict(),
            "common": self.common,
            "says": self.says,
        }

    @property
    def batch(self) -> int:
        return self.learner.batch

    @property
    def n_train(self) -> int:
        return len(self.dataset.train)

    def train(self, masks: np.ndarray, seeds: np.ndarray) -> list[Said]:
        """See `Trainer`."""
        if not self.common:
            return self._train(masks, seeds)
        said: dict[int, Said] = {}
        for seed in np.unique(seeds):  # those of one call share their initial weights
            rows = np.flatnonzero(seeds == seed)
            said |= dict(zip(rows.tolist(), self._train(masks[rows], seeds[rows]), strict=True))
        return [said[row] for row in range(len(seeds))]

    def _train(self, masks: np.ndarray, seeds: np.ndarray) -> list[Said]:
        return self.say(self.learner.fit(self.dataset.train, Subsets(masks, seeds, self.common)), self.dataset)


def margins_on(split: Callable[[Dataset], Split]) -> Callable[[Models, Dataset], list[Said]]:
    """Correct-class margins of all examples of a part, and the classes named."""

    def say(models: Models, dataset: Dataset) -> list[Said]:
        part = split(dataset)
        logits = models.logits(part.inputs)
        named = logits.argmax(axis=2).astype(np.uint8)
        return [Said(*each) for each in zip(margins(logits, part.labels), named, strict=True)]

    return say


@dataclass(frozen=True)
class Regressions:
    """Networks for houses, and the prices that they predict for all test houses.

    Inputs are standardised once, by all training examples, as the learners of images do.
    """

    dataset: Dataset
    config: RegressionConfig

    @property
    def identity(self) -> dict[str, object]:
        config = self.config
        return {
            "dataset": self.dataset.content_hash,
            "learner": {
                "name": "regression",
                "epochs": config.epochs,
                "learning_rate": config.learning_rate,
                "batch_size": config.batch_size,
            },
            "says": "test prices",
        }

    @property
    def batch(self) -> int:
        return 1

    @property
    def n_train(self) -> int:
        return len(self.dataset.train)

    def train(self, masks: np.ndarray, seeds: np.ndarray) -> list[Said]:
        """See `Trainer`."""
        data = regression.Standardised.of(self.dataset)
        said = []
        for mask, seed in zip(masks, seeds, strict=True):
            part = replace(data, train_inputs=data.train_inputs[mask], train_labels=data.train_labels[mask])
            config = self.config.replace(seed=int(seed) % 2**63, checkpoint_every=self.config.epochs)
            said.append(Said(regression.train(part, config).test_predictions, np.empty(0, np.uint8)))
        return said


class Trainings:
    """The store of one trainer.

    Parameters
    ----------
    trainer : Trainer
    folder : Path or None
        Where the file is; None is a hidden folder among the results.
    """

    def __init__(self, trainer: Trainer, folder: Path | None = None) -> None:
        self.trainer = trainer
        identity = json.dumps({"schema_version": SCHEMA_VERSION, **trainer.identity}, sort_keys=True)
        name = hashlib.sha256(identity.encode()).hexdigest()[:16]
        self.path = (folder or homes.trainings_home()) / f"{name}.sqlite"
        with self._explained():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._open() as connection:
                connection.execute(
                    "create table if not exists said (key blob primary key, outputs blob, named blob) without rowid"
                )

    def missing(self, wanted: Sequence[Training]) -> list[Training]:
        """Those that are not there yet, each once."""
        with self._explained(), self._open() as connection:
            present = {key for (key,) in connection.execute("select key from said")}
        lacking = {each.key: each for each in wanted if each.key not in present}
        return list(lacking.values())

    def complete(self, wanted: Sequence[Training], report: Callable[[int, int], None]) -> None:
        """Train those that are missing, a transaction a batch; ``report`` is called with how many are done of how many,
        first before any is.

        Subsets of one size are trained together, as learners of many models at once want them.
        """
        lacking = sorted(self.missing(wanted), key=lambda each: len(each.removed))
        size = self.trainer.batch
        if lacking:
            report(0, len(lacking))
        for start in range(0, len(lacking), size):
            batch = lacking[start : start + size]
            masks = np.ones((len(batch), self.trainer.n_train), dtype=bool)
            for row, each in enumerate(batch):
                masks[row, each.removed] = False
            said = self.trainer.train(masks, np.array([each.seed for each in batch], dtype=np.uint64))
            rows = [
                (each.key, np.asarray(one.outputs, "<f4").tobytes(), np.asarray(one.named, np.uint8).tobytes())
                for each, one in zip(batch, said, strict=True)
            ]
            with self._explained(), self._open() as connection:
                connection.executemany("insert or replace into said values (?, ?, ?)", rows)
            report(start + len(batch), len(lacking))

    def read(self, wanted: Sequence[Training]) -> list[Said]:
        """What these models say, in the order asked for; all must be there."""
        with self._explained(), self._open() as connection:
            said = []
            for each in wanted:
                row = connection.execute("select outputs, named from said where key = ?", (each.key,)).fetchone()
                if row is None:
                    raise KeyError("this training is missing")
                said.append(Said(np.frombuffer(row[0], "<f4"), np.frombuffer(row[1], np.uint8)))
        return said

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path, timeout=60)) as connection, connection:
            yield connection

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what SQLite and the system say into an `InfluenceError`."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise InfluenceError(
                f"The trainings in {self.path} can't be read or written ({error}): free some space or make the folder "
                "writable and start again, which goes on; or delete the file if it is damaged."
            ) from error
