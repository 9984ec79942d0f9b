"""Examples as a model and a loss take them."""

import operator
from typing import NamedTuple

import torch
from torch import Tensor

from influence.errors import InfluenceError


class Examples(NamedTuple):
    """Inputs (n, ...) and labels (n, ...) as the model and the loss take them."""

    inputs: Tensor
    labels: Tensor

    def check(self) -> None:
        """Raise unless there is one label for each input."""
        for name, part in (("inputs", self.inputs), ("labels", self.labels)):
            if not isinstance(part, Tensor):
                raise InfluenceError(
                    f"The {name} are of type {type(part).__name__}: give one tensor with the examples along its first "
                    "dimension (torch.as_tensor makes one of an array)."
                )
            if part.is_nested:
                raise InfluenceError(
                    f"The {name} are a nested tensor: give all examples one shape (to_padded_tensor() fills them up)."
                )
            if part.layout != torch.strided:
                raise InfluenceError(f"The {name} are a tensor of layout {part.layout}: give {name}.to_dense().")
            if part.is_meta:
                raise InfluenceError(
                    f"The {name} are on the meta device, where tensors have no numbers: make them on the CPU."
                )
            if not part.ndim:
                raise InfluenceError(
                    f"The {name} are one number: give a tensor with the examples along its first dimension."
                )
        if len(self.inputs) != len(self.labels):
            raise InfluenceError(
                f"There are {len(self.inputs)} inputs and {len(self.labels)} labels: give one label for each input."
            )


def check(*parts: Examples) -> None:
    """Raise unless these are examples, with one label for each input."""
    for part in parts:
        if not isinstance(part, Examples):
            raise InfluenceError(f"The examples are of type {type(part).__name__}: give Examples(inputs, labels).")
        part.check()


class Known(NamedTuple):
    """Examples, and how often their tensors had been changed; where torch does not count that, nothing is known."""

    examples: Examples
    versions: tuple[int, ...]

    @classmethod
    def of(cls, examples: Examples) -> "Known | None":
        if any(part.is_inference() for part in examples):
            return None
        return cls(examples, tuple(part._version for part in examples))

    def is_same(self, examples: Examples) -> bool:
        is_same = all(map(operator.is_, self.examples, examples))
        return is_same and self.versions == tuple(part._version for part in examples)
