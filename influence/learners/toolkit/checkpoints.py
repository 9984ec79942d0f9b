"""Checkpoints: a model's weights at one moment of training, and what TracIn must know about that moment."""

import json
import math
import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from influence.errors import InfluenceError, explain_write_errors


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Weights after ``epoch`` epochs, and the step size in force there.

    Numbers may be Python's, NumPy's or tensors of one element, and are kept as Python's.

    Parameters
    ----------
    state : mapping of str to Tensor
        The module's state dict. The checkpoint has copies, since training goes on in the tensors of a state dict.
    learning_rate : float
        The eta of TracInCP, >= 0. There is no default: a missing one must never count as 1.
    epoch : int
    train_loss, test_loss : float or None
        Mean loss over either part, where known.

    Raises
    ------
    InfluenceError
        If the state is no state dict, or a number won't do.
    """

    state: dict[str, torch.Tensor]
    learning_rate: float
    epoch: int
    train_loss: float | None = None
    test_loss: float | None = None

    def __post_init__(self) -> None:
        epoch, rate = _number(self.epoch), _number(self.learning_rate)
        if epoch is None or epoch < 0 or epoch != int(epoch):
            raise InfluenceError(
                f"The checkpoint's epoch is {_shown(self.epoch)}: give the number of finished epochs, a whole number "
                "of at least 0."
            )
        if rate is None or rate < 0:
            raise InfluenceError(
                f"The checkpoint of epoch {int(epoch)} has the learning rate {_shown(self.learning_rate)}: TracIn "
                "weighs each checkpoint by its learning rate, so give the number that was in force, 0 or more."
            )
        kept: dict[str, object] = {"epoch": int(epoch), "learning_rate": float(rate), "state": _owned(self.state)}
        for name in ("train_loss", "test_loss"):
            given = getattr(self, name)
            loss = _number(given)
            if loss is None and given is not None:
                raise InfluenceError(
                    f"The checkpoint of epoch {int(epoch)} has the {name} {_shown(given)}: give a finite number, or "
                    "None where it is not known."
                )
            kept[name] = None if loss is None else float(loss)
        for name, value in kept.items():
            object.__setattr__(self, name, value)  # the class is frozen

    def save(self, path: Path) -> None:
        """Write as safetensors; the numbers go into its metadata."""
        numbers = {"learning_rate": self.learning_rate, "epoch": self.epoch}
        for name in ("train_loss", "test_loss"):
            if getattr(self, name) is not None:
                numbers[name] = getattr(self, name)
        with explain_write_errors(path):
            try:
                save_file(self.state, path, metadata={name: repr(value) for name, value in numbers.items()})
            except SafetensorError as error:
                raise OSError(str(error)) from error

    @classmethod
    def load(cls, path: Path) -> "Checkpoint":
        """Read a checkpoint; nothing in the file is executed.

        Raises
        ------
        InfluenceError
            If the file is missing, cut short, no safetensors file, or says no learning rate or epoch.
        """
        if not isinstance(path, (str, Path)):
            raise InfluenceError(f"The checkpoint's path is a {type(path).__name__}: give the path of its file.")
        try:
            with safe_open(path, framework="pt") as file:
                numbers = file.metadata() or {}
                state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 not a dict
        except FileNotFoundError as error:
            raise InfluenceError(f"There is no checkpoint {path}.") from error
        except (SafetensorError, OSError, struct.error, json.JSONDecodeError) as error:
            raise InfluenceError(
                f"{path} is cut short or is not a safetensors file ({error}): train again, or save its state dict "
                "with Checkpoint.save."
            ) from error
        for name in ("learning_rate", "epoch"):
            if name not in numbers:
                raise InfluenceError(
                    f"{path} does not say its {name}: save it with Checkpoint.save, which stores what TracIn needs."
                )
        try:
            losses = {name: float(numbers[name]) for name in ("train_loss", "test_loss") if name in numbers}
            return cls(state, float(numbers["learning_rate"]), int(numbers["epoch"]), **losses)
        except (ValueError, OverflowError) as error:
            raise InfluenceError(f"{path} has a damaged header ({error}): train again.") from error


def is_extra_state(name: str) -> bool:
    """Whether a name of a state dict stands for what a module's `get_extra_state` gave."""
    return name.rpartition(".")[2] == "_extra_state"


def _number(value: object) -> float | int | None:
    """Python's number for any kind of one; None if it is not finite, a truth value or no number at all."""
    try:
        if isinstance(value, (torch.Tensor, np.ndarray, np.generic)):
            elements = value.numel() if isinstance(value, torch.Tensor) else value.size
            value = value.item() if elements == 1 else None
        if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
            return None
        return int(value) if isinstance(value, Integral) else float(value)
    except (OverflowError, RuntimeError):  # too large, or a tensor without numbers
        return None


def _shown(value: object) -> str:
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # Python writes no number of thousands of digits
        text = f"a huge {type(value).__name__}"
    return text if len(text) <= 60 else text[:56] + " ..."


def _owned(state: object) -> dict[str, torch.Tensor]:
    """Copies of a state dict's tensors, each contiguous and in memory of its own."""
    if not isinstance(state, Mapping):
        is_path = isinstance(state, (str, Path))
        raise InfluenceError(
            f"The checkpoint's state is a {type(state).__name__}, but must be a state dict: "
            + ("read the file with Checkpoint.load." if is_path else "give what the module's state_dict() gives.")
        )
    for name, value in state.items():
        if isinstance(name, str) and (name == "__metadata__" or not _is_text(name)):
            raise InfluenceError(
                f"The checkpoint's state has a tensor named {name!a}, which a file can't hold: give it another name."
            )
        if isinstance(name, str) and isinstance(value, torch.Tensor):
            _check_tensor(name, value)
        elif isinstance(name, str) and is_extra_state(name):
            raise InfluenceError(
                f"The checkpoint's state has a {type(value).__name__} named {name!r}, which get_extra_state gave, but "
                "a checkpoint keeps tensors alone: leave it out of the state, and TracIn takes that of the model which "
                "you give; if it changes in training, let get_extra_state give a tensor."
            )
        else:
            raise InfluenceError(
                f"The checkpoint's state has a {type(value).__name__} named {name!r}, but a state dict names tensors "
                "alone: give what the module's state_dict() gives."
            )
    with torch.inference_mode(False):
        return {name: value.detach().clone(memory_format=torch.contiguous_format) for name, value in state.items()}


def _is_text(name: str) -> bool:
    """Whether a name can be written as UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_tensor(name: str, value: torch.Tensor) -> None:
    """Raise unless a checkpoint can keep this tensor of a state dict."""
    if isinstance(value, (UninitializedBuffer, UninitializedParameter)):
        raise InfluenceError(
            f"The checkpoint's {name} has no shape yet: pass some inputs through the model once, so that its lazy "
            "layers have weights, and take its state_dict() then."
        )
    if value.is_meta:
        raise InfluenceError(
            f"The checkpoint's {name} is on the meta device, where tensors have no numbers: take the state_dict() of "
            "the trained model."
        )
    kinds = [
        (value.is_nested, "nested", "to_padded_tensor()"),
        (value.layout != torch.strided, str(value.layout).removeprefix("torch."), "to_dense()"),
        (value.is_quantized, "quantized", "dequantize()"),
        (value.is_complex(), "complex", "torch.view_as_real()"),
    ]
    for is_so, kind, conversion in kinds:
        if is_so:
            raise InfluenceError(
                f"The checkpoint's {name} is a {kind} tensor, but a checkpoint keeps dense tensors of real numbers: "
                f"keep it in the model as one ({conversion}); or, if training does not change it, register it there "
                "with persistent=False, and leave it out of the state."
            )


def save_folder(checkpoints: Sequence[Checkpoint], folder: Path) -> None:
    """Write each to ``epoch-0020.safetensors`` and so on, in a folder that is made.

    A second one of the same epoch goes to ``epoch-0020-2.safetensors``.
    """
    with explain_write_errors(folder):
        folder.mkdir()
    seen: Counter[int] = Counter()
    for checkpoint in checkpoints:
        seen[checkpoint.epoch] += 1
        suffix = f"-{seen[checkpoint.epoch]}" if seen[checkpoint.epoch] > 1 else ""
        checkpoint.save(folder / f"epoch-{checkpoint.epoch:04d}{suffix}.safetensors")


def load_folder(folder: Path) -> list[Checkpoint]:
    """All ``*.safetensors`` of a folder, by epoch, then by name. An empty folder is an `InfluenceError`."""
    paths = sorted(folder.glob("*.safetensors"), key=lambda path: (len(path.name), path.name))
    checkpoints = sorted((Checkpoint.load(path) for path in paths), key=lambda c: c.epoch)
    if not checkpoints:
        raise InfluenceError(f"There is no checkpoint (*.safetensors) in {folder}: train with at least one.")
    return checkpoints
