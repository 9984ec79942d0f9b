"""The store of trainings: each is done once, in batches that are safe when they are done."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from influence import datasets
from influence.errors import InfluenceError
from influence.learners.base import Subsets, margins
from influence.learners.mlp import Mlp
from influence.progress import Stages, counting
from influence.retraining.trainer import ClassifierTrainer, Retrained
from influence.retraining.trainings import Training, Trainings


@dataclass
class Counting:
    """Gives its subset and its seed, and remembers the sizes of the batches that it was given."""

    batch: int = 3
    n_train: int = 8
    fail_after: int = 10**9
    batches: list[int] = field(default_factory=list)
    identity: dict[str, object] = field(default_factory=lambda: {"learner": {"name": "counting"}})

    def train(self, masks: np.ndarray, seeds: np.ndarray) -> list[Retrained]:
        if len(self.batches) == self.fail_after:
            raise KeyboardInterrupt
        self.batches.append(len(seeds))
        return [
            Retrained(np.append(mask, seed % 97).astype(np.float32), np.array([7], np.uint8))
            for mask, seed in zip(masks, seeds, strict=True)
        ]


def wanted(*removed: tuple[int, ...], seed: int = 2**64 - 1) -> list[Training]:
    return [Training(np.array(each, np.int32), seed) for each in removed]


def silent(done: int, total: int) -> None:
    pass


def test_each_is_done_once_and_read_in_the_order_asked_for(tmp_path: Path) -> None:
    trainer = Counting()
    store = Trainings(trainer, tmp_path)
    plan = wanted((1,), (), (2, 3), (1,))
    seen: list[tuple[int, int]] = []
    store.complete(plan, lambda done, total: seen.append((done, total)))
    assert trainer.batches == [3]
    assert seen == [(0, 3), (3, 3)]  # how many there are is told first
    store.complete([*plan, *wanted((1,), seed=5)], silent)
    assert trainer.batches == [3, 1]
    said = store.read(plan)
    assert [list(np.flatnonzero(each.outputs[:8] == 0)) for each in said] == [[1], [], [2, 3], [1]]
    assert said[0].outputs[8] == (2**64 - 1) % 97
    assert list(said[0].predictions) == [7]
    with pytest.raises(KeyError):
        store.read(wanted((4,)))


def test_what_was_done_before_an_interrupt_stays(tmp_path: Path) -> None:
    plan = wanted(*[(place,) for place in range(8)])
    broken = Counting(fail_after=2)
    with pytest.raises(KeyboardInterrupt):
        Trainings(broken, tmp_path).complete(plan, silent)
    trainer = Counting()
    store = Trainings(trainer, tmp_path)
    assert len(store.missing(plan)) == 2
    store.complete(plan, silent)
    assert trainer.batches == [2]
    whole = Trainings(Counting(), tmp_path / "whole")
    whole.complete(plan, silent)
    for one, other in zip(store.read(plan), whole.read(plan), strict=True):
        np.testing.assert_array_equal(one.outputs, other.outputs)


def test_trainings_of_another_identity_are_others(tmp_path: Path) -> None:
    Trainings(Counting(), tmp_path).complete(wanted((1,)), silent)
    other = Trainings(Counting(identity={"learner": {"name": "other"}}), tmp_path)
    assert len(other.missing(wanted((1,)))) == 1
    assert len(list(tmp_path.glob("*.sqlite"))) == 2


def test_sizes_are_trained_together(tmp_path: Path) -> None:
    trainer = Counting(batch=2)
    Trainings(trainer, tmp_path).complete(wanted((1,), (1, 2), (2,), (2, 3)), silent)
    assert trainer.batches == [2, 2]


def test_a_damaged_file_is_one_sentence(tmp_path: Path) -> None:
    store = Trainings(Counting(), tmp_path)
    store.complete(wanted((1,)), silent)
    store.path.write_bytes(b"junk" * 100)
    with pytest.raises(InfluenceError, match="or delete the file if it is damaged"):
        store.missing(wanted((1,)))


def test_a_folder_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InfluenceError, match="can't be read or written"):
        Trainings(Counting(), tmp_path / "file")


@pytest.mark.parametrize("common", [False, True])
def test_classifiers_say_the_learners_margins(common: bool) -> None:
    digits, learner = datasets.load("digits"), Mlp(width=8, epochs=1)
    trainer = ClassifierTrainer(digits, learner, common)
    masks = np.ones((3, len(digits.train)), bool)
    masks[1, :50] = False
    seeds = np.array([4, 4, 9], np.uint64)
    for row, said in enumerate(trainer.train(masks, seeds)):
        logits = learner.fit(digits.train, Subsets(masks[row : row + 1], seeds[row : row + 1], common)).logits(
            digits.test.inputs
        )
        np.testing.assert_allclose(said.outputs, margins(logits, digits.test.labels)[0], atol=1e-4)
        assert (said.predictions == logits[0].argmax(axis=1)).mean() > 0.99
    assert replace(trainer, common=not common).identity != trainer.identity


def test_slow_trainings_say_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    moments = iter([0.0, 80.0, 81.0])
    monkeypatch.setattr("influence.progress.time.monotonic", lambda: next(moments))
    progress = counting(Stages({"training": 1.0}, lambda share, what: said.append(what)), "training", "removing")
    progress(0, 136)
    progress(8, 136)
    progress(136, 136)
    assert said == [
        "removing: 0 of 136 models",
        "removing: 8 of 136 models, 10.0 s each, 21 min left",
        "removing: 136 of 136 models, 0.6 s each, 0 s left",
    ]
