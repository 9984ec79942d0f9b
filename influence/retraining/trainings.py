"""The store of trainings: each is done once, and found again by what was trained on and with which seed.

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
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from influence import homes
from influence.errors import InfluenceError
from influence.retraining.trainer import Retrained, Trainer

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Training:
    """One training: what is left out, and the seed.

    Parameters
    ----------
    removed : (r,) int32
        Positions of training examples, rising.
    seed : int
        64 bits.
    """

    removed: np.ndarray
    seed: int

    @property
    def key(self) -> bytes:
        """The training's name in a store."""
        digest = hashlib.sha256(self.seed.to_bytes(8, "little"))
        digest.update(np.ascontiguousarray(self.removed, dtype="<i4").tobytes())
        return digest.digest()


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
        """Find the trainings that are not there yet, each once."""
        with self._explained(), self._open() as connection:
            present = {key for (key,) in connection.execute("select key from said")}
        lacking = {each.key: each for each in wanted if each.key not in present}
        return list(lacking.values())

    def complete(self, wanted: Sequence[Training], report: Callable[[int, int], None]) -> None:
        """Train what is missing, a transaction a batch.

        ``report`` is called with how many are done of how many, first before any is.

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
            trained = self.trainer.train(masks, np.array([each.seed for each in batch], dtype=np.uint64))
            rows = [
                (each.key, np.asarray(one.outputs, "<f4").tobytes(), np.asarray(one.predictions, np.uint8).tobytes())
                for each, one in zip(batch, trained, strict=True)
            ]
            with self._explained(), self._open() as connection:
                connection.executemany("insert or replace into said values (?, ?, ?)", rows)
            report(start + len(batch), len(lacking))

    def read(self, wanted: Sequence[Training]) -> list[Retrained]:
        """Read what these models give, in the order asked for; all must be there."""
        with self._explained(), self._open() as connection:
            found = []
            for each in wanted:
                row = connection.execute("select outputs, named from said where key = ?", (each.key,)).fetchone()
                if row is None:
                    raise KeyError("this training is missing")
                found.append(Retrained(np.frombuffer(row[0], "<f4"), np.frombuffer(row[1], np.uint8)))
        return found

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
