"""Checkpoints come back as they were saved; any other file is one sentence, and nothing in it runs."""

import json
import os
import pickle
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from influence import Checkpoint, InfluenceError
from influence.learners.checkpoints import load_folder


def state() -> dict[str, torch.Tensor]:
    return {"0.weight": torch.randn(300, 5), "0.bias": torch.randn(300)}


def one_sentence(error: pytest.ExceptionInfo[InfluenceError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    assert text.endswith(".")
    return text


@pytest.mark.parametrize("losses", [{}, {"train_loss": 0.1 + 0.2, "test_loss": 1e-300}])
def test_round_trip(tmp_path: Path, losses):
    saved = Checkpoint(state(), 0.1 + 0.2, 7, **losses)
    saved.save(tmp_path / "one.safetensors")
    loaded = Checkpoint.load(tmp_path / "one.safetensors")
    assert (loaded.learning_rate, loaded.epoch) == (0.1 + 0.2, 7)
    assert (loaded.train_loss, loaded.test_loss) == (saved.train_loss, saved.test_loss)
    assert loaded.state.keys() == saved.state.keys()
    assert all(torch.equal(loaded.state[name], value) for name, value in saved.state.items())


@pytest.mark.parametrize("rate", [-0.1, float("nan"), float("inf"), None, "0.1"])
def test_a_learning_rate_is_a_number_and_not_negative(rate):
    with pytest.raises(InfluenceError) as caught:
        Checkpoint(state(), rate, 20)
    assert f"The checkpoint of epoch 20 has the learning rate {rate!r}" in one_sentence(caught)


def test_there_is_no_default_learning_rate():
    with pytest.raises(TypeError, match="learning_rate"):
        Checkpoint(state(), epoch=20)  # type: ignore[call-arg]


@pytest.mark.parametrize("size", [0, 1, 7, 8, 60, 5_000, -1])
def test_a_file_that_is_cut_short(tmp_path: Path, size):
    path = tmp_path / "cut.safetensors"
    Checkpoint(state(), 0.1, 1).save(path)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(InfluenceError) as caught:
        Checkpoint.load(path)
    assert f"{path} is cut short or is not a safetensors file" in one_sentence(caught)


class Malicious:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_pickle_is_refused_and_not_executed(tmp_path: Path):
    sign, path = tmp_path / "executed", tmp_path / "model.safetensors"
    torch.save({"weight": Malicious(sign)}, path)
    with pytest.raises(InfluenceError, match="is not a safetensors file"):
        Checkpoint.load(path)
    path.write_bytes(pickle.dumps(Malicious(sign)))
    with pytest.raises(InfluenceError, match="is not a safetensors file"):
        Checkpoint.load(path)
    assert not sign.exists()
    pickle.loads(path.read_bytes())  # the trap does work
    assert sign.exists()


@pytest.mark.parametrize("content", [b"hello\n", b"\0" * 100, b"\xff" * 100])
def test_a_foreign_file(tmp_path: Path, content):
    path = tmp_path / "foreign.safetensors"
    path.write_bytes(content)
    with pytest.raises(InfluenceError) as caught:
        Checkpoint.load(path)
    one_sentence(caught)


def test_a_header_that_is_no_json(tmp_path: Path):
    path = tmp_path / "header.safetensors"
    path.write_bytes(struct.pack("<Q", 20) + b'{"weight": [oh dear!')
    with pytest.raises(InfluenceError):
        Checkpoint.load(path)


@pytest.mark.parametrize("absent", ["learning_rate", "epoch"])
def test_a_foreign_checkpoint_lacks_what_tracin_needs(tmp_path: Path, absent):
    path = tmp_path / "foreign.safetensors"
    numbers = {"learning_rate": "0.1", "epoch": "1"}
    del numbers[absent]
    save_file(state(), path, metadata=numbers)
    with pytest.raises(InfluenceError) as caught:
        Checkpoint.load(path)
    assert f"{path} does not say its {absent}" in one_sentence(caught)
    save_file(state(), path)
    with pytest.raises(InfluenceError, match="does not say its learning_rate"):
        Checkpoint.load(path)


@pytest.mark.parametrize(("name", "value"), [("learning_rate", "fast"), ("epoch", "1.5"), ("train_loss", "")])
def test_a_damaged_number(tmp_path: Path, name, value):
    path = tmp_path / "damaged.safetensors"
    save_file(state(), path, metadata={"learning_rate": "0.1", "epoch": "1", name: value})
    with pytest.raises(InfluenceError) as caught:
        Checkpoint.load(path)
    assert "damaged header" in one_sentence(caught)


def test_a_stored_learning_rate_of_nan(tmp_path: Path):
    path = tmp_path / "nan.safetensors"
    save_file(state(), path, metadata={"learning_rate": "nan", "epoch": "1"})
    with pytest.raises(InfluenceError, match="learning rate nan"):
        Checkpoint.load(path)


def test_a_missing_file_and_a_folder(tmp_path: Path):
    with pytest.raises(InfluenceError, match="There is no checkpoint"):
        Checkpoint.load(tmp_path / "absent.safetensors")
    with pytest.raises(InfluenceError):
        Checkpoint.load(tmp_path)


def test_a_folder_comes_by_epoch(tmp_path: Path):
    for epoch in (100, 20, 3):
        Checkpoint(state(), 0.1, epoch).save(tmp_path / f"epoch-{epoch}.safetensors")
    assert [c.epoch for c in load_folder(tmp_path)] == [3, 20, 100]


def test_an_empty_folder(tmp_path: Path):
    (tmp_path / "notes.json").write_text(json.dumps({}))
    with pytest.raises(InfluenceError) as caught:
        load_folder(tmp_path)
    assert f"There is no checkpoint (*.safetensors) in {tmp_path}" in one_sentence(caught)
