"""Checkpoints come back as they were saved; any other file is one sentence, and nothing in it runs."""

import json
import os
import pickle
import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from influence import Checkpoint, InfluenceError
from influence.learners.toolkit.checkpoints import load_folder, save_folder


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


@pytest.mark.parametrize(
    "rate", [-0.1, float("nan"), float("inf"), None, "0.1", True, np.True_, 1j, [0.1], np.nan, np.float32(-1)]
)
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


# What is saved can be read


@pytest.mark.parametrize(
    "number",
    [np.float64, np.float32, np.float16, Fraction, torch.tensor, np.array, lambda x: torch.tensor([x]).bfloat16()],
)
def test_numbers_of_every_kind_come_back(tmp_path: Path, number):
    saved = Checkpoint(state(), number(0.25), number(3), number(0.5), number(-1.5))
    assert [type(n) for n in (saved.learning_rate, saved.epoch, saved.train_loss)] == [float, int, float]
    saved.save(tmp_path / "one.safetensors")
    loaded = Checkpoint.load(tmp_path / "one.safetensors")
    assert (loaded.learning_rate, loaded.epoch, loaded.train_loss, loaded.test_loss) == (0.25, 3, 0.5, -1.5)


@pytest.mark.parametrize("kind", [np.int64, np.uint8, np.int32, torch.tensor, float, int])
def test_whole_numbers_of_every_kind(tmp_path: Path, kind):
    Checkpoint(state(), kind(1), kind(0)).save(tmp_path / "one.safetensors")
    loaded = Checkpoint.load(tmp_path / "one.safetensors")
    assert (loaded.learning_rate, loaded.epoch) == (1.0, 0)


@pytest.mark.parametrize("rate", [0, 0.0, np.float32(0), torch.tensor(0.0)])
def test_the_end_of_a_schedule_is_a_rate(tmp_path: Path, rate):
    Checkpoint(state(), rate, 20).save(tmp_path / "one.safetensors")
    assert Checkpoint.load(tmp_path / "one.safetensors").learning_rate == 0.0


@pytest.mark.parametrize(
    "epoch", [2.5, True, -1, None, "3", float("nan"), float("inf"), np.float32(0.5), torch.tensor([1, 2]), np.bool_(1)]
)
def test_an_epoch_is_a_whole_number(epoch):
    with pytest.raises(InfluenceError) as caught:
        Checkpoint(state(), 0.1, epoch)
    assert "The checkpoint's epoch is" in one_sentence(caught)


@pytest.mark.parametrize("loss", [float("nan"), float("inf"), True, "low", torch.zeros(3), np.float32("nan")])
def test_a_mean_loss_is_a_finite_number(loss):
    for name in ("train_loss", "test_loss"):
        with pytest.raises(InfluenceError) as caught:
            Checkpoint(state(), 0.1, 4, **{name: loss})
        assert f"The checkpoint of epoch 4 has the {name}" in one_sentence(caught)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (torch.nn.Linear(2, 1), "give what the module's state_dict() gives"),
        (Path("one.safetensors"), "read the file with Checkpoint.load"),
        ("one.safetensors", "read the file with Checkpoint.load"),
        (None, "must be a state dict"),
        ([torch.zeros(1)], "must be a state dict"),
        ({"model": {"weight": torch.zeros(1)}, "epoch": 3}, "named 'model'"),
        ({"weight": np.zeros(1)}, "named 'weight'"),
        ({0: torch.zeros(1)}, "named 0"),
    ],
)
def test_a_state_is_a_state_dict(given, message):
    with pytest.raises(InfluenceError) as caught:
        Checkpoint(given, 0.1, 1)
    assert message in one_sentence(caught)


def test_a_checkpoint_owns_its_tensors():
    given = state()
    checkpoint = Checkpoint(given, 0.1, 1)
    before = {name: value.clone() for name, value in given.items()}
    for value in given.values():
        value.zero_()
    given["more"] = torch.zeros(1)
    assert checkpoint.state.keys() == before.keys()
    assert all(torch.equal(checkpoint.state[name], value) for name, value in before.items())
    assert not any(
        value.requires_grad for value in Checkpoint(dict(torch.nn.Linear(2, 1).named_parameters()), 1, 1).state.values()
    )


def test_tensors_of_every_layout_come_back(tmp_path: Path):
    whole = torch.randn(6, 4, 5, 3)
    odd = {
        "channels last": whole.to(memory_format=torch.channels_last),
        "sliced": whole[::2, 1:],
        "transposed": whole[0, 0].T,
        "tied": whole,
        "tied too": whole,
        "a view": whole.view(-1)[3:],
        "expanded": torch.randn(1, 3).expand(4, 3),
        "one number": torch.tensor(3),
        "nothing": torch.zeros(0, 3),
        "half": whole.bfloat16(),
        "truth": whole > 0,
        "needs gradient": whole.clone().requires_grad_(),
    }
    Checkpoint(odd, 0.1, 1).save(tmp_path / "one.safetensors")
    loaded = Checkpoint.load(tmp_path / "one.safetensors").state
    assert loaded.keys() == odd.keys()
    assert all(torch.equal(loaded[name], value) and loaded[name].dtype == value.dtype for name, value in odd.items())


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (torch.zeros(2, 2).to_sparse(), "is a sparse_coo tensor, .*to_dense"),
        (torch.quantize_per_tensor(torch.ones(2), 1, 0, torch.qint8), "is a quantized tensor, .*dequantize"),
        (torch.ones(2, dtype=torch.complex64), "is a complex tensor, .*view_as_real.*persistent=False"),
        (torch.ones(2, dtype=torch.complex128), "is a complex tensor, .*view_as_real.*persistent=False"),
        (torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]), "is a nested tensor, .*to_padded_tensor"),
        (torch.zeros(2, device="meta"), "is on the meta device"),
        (torch.nn.LazyLinear(2).weight, "has no shape yet: pass some inputs through the model once"),
        (torch.nn.LazyBatchNorm1d().running_mean, "has no shape yet: pass some inputs through the model once"),
    ],
)
def test_what_the_format_does_not_keep_is_said(value, words):
    with pytest.raises(InfluenceError, match=f"The checkpoint's weight {words}") as caught:
        Checkpoint({"weight": value}, 0.1, 7)
    one_sentence(caught)


@pytest.mark.parametrize(
    "number",
    [
        10**400,
        Fraction(10**400),
        10**5_000,
        torch.tensor(1.0, device="meta"),
        torch.tensor(1j),
        torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]),
    ],
    ids=["huge", "huge fraction", "thousands of digits", "meta", "complex", "nested"],
)
def test_numbers_that_are_none(number):
    for given, words in (
        ({"learning_rate": number}, "has the learning rate"),
        ({"epoch": number}, "The checkpoint's epoch is"),
        ({"train_loss": number}, "has the train_loss"),
    ):
        with pytest.raises(InfluenceError, match=words) as caught:
            Checkpoint(**({"state": state(), "learning_rate": 0.1, "epoch": 1} | given))
        assert len(one_sentence(caught)) < 220


def test_a_folder_that_is_not_there(tmp_path: Path):
    with pytest.raises(InfluenceError) as caught:
        Checkpoint(state(), 0.1, 7).save(tmp_path / "absent" / "one.safetensors")
    assert "absent" in one_sentence(caught)


def test_checkpoints_of_one_epoch_stay_apart(tmp_path: Path):
    saved = [Checkpoint(state(), rate, epoch) for rate, epoch in ((0.1, 3), (0.2, 3), (0.3, 1), (0.4, 3))]
    save_folder(saved, tmp_path / "all")
    loaded = load_folder(tmp_path / "all")
    assert [(c.epoch, c.learning_rate) for c in loaded] == [(1, 0.3), (3, 0.1), (3, 0.2), (3, 0.4)]
    assert torch.equal(loaded[2].state["0.weight"], saved[1].state["0.weight"])
