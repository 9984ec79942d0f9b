"""Checkpoints: a model's weights at one moment of training, and what TracIn must know about that moment."""

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from influence.errors import InfluenceError, explain_write_errors


@dataclass(frozen=True)
class Checkpoint:
    """Weights after ``epoch`` epochs, and the step size in force there.

    Parameters
    ----------
    state : dict of str to Tensor
        The module's state dict.
    learning_rate : float
        The eta of TracInCP, > 0. There is no default: a missing one must never count as 1.
    epoch : int
    train_loss, test_loss : float or None
        Mean loss over either part, where known.
    """

    state: dict[str, torch.Tensor]
    learning_rate: float
    epoch: int
    train_loss: float | None = None
    test_loss: float | None = None

    def __post_init__(self) -> None:
        rate = self.learning_rate
        if not isinstance(rate, (int, float)) or not 0 < rate < float("inf"):
            raise InfluenceError(
                f"The checkpoint of epoch {self.epoch} has the learning rate {rate!r}: TracIn weighs each checkpoint "
                "by its learning rate, so give the positive number that was in force."
            )

    def save(self, path: Path) -> None:
        """Write as safetensors; the numbers go into its metadata."""
        numbers = {"learning_rate": self.learning_rate, "epoch": self.epoch}
        for name in ("train_loss", "test_loss"):
            if getattr(self, name) is not None:
                numbers[name] = getattr(self, name)
        with explain_write_errors(path):
            save_file(self.state, path, metadata={name: repr(value) for name, value in numbers.items()})

    @classmethod
    def load(cls, path: Path) -> "Checkpoint":
        """Read a checkpoint; nothing in the file is executed.

        Raises
        ------
        InfluenceError
            If the file is missing, cut short, no safetensors file, or says no learning rate or epoch.
        """
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
        except ValueError as error:
            raise InfluenceError(f"{path} has a damaged header ({error}): train again.") from error


def save_folder(checkpoints: Sequence[Checkpoint], folder: Path) -> None:
    """Write each to ``epoch-0020.safetensors`` and so on, in a folder that is made."""
    with explain_write_errors(folder):
        folder.mkdir()
    for checkpoint in checkpoints:
        checkpoint.save(folder / f"epoch-{checkpoint.epoch:04d}.safetensors")


def load_folder(folder: Path) -> list[Checkpoint]:
    """All ``*.safetensors`` of a folder, by epoch. An empty folder is an `InfluenceError`."""
    checkpoints = sorted((Checkpoint.load(path) for path in folder.glob("*.safetensors")), key=lambda c: c.epoch)
    if not checkpoints:
        raise InfluenceError(f"There is no checkpoint (*.safetensors) in {folder}: train with at least one.")
    return checkpoints
