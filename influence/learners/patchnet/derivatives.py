"""The training of one network of `influence.learners.patchnet.PatchNet`, differentiated by hand.

A batch of b images is a matrix X of (F b, C): the answers of the fixed layer at F fields, field by field. With
z = W1 X' the trained convolution, h = gelu(z), o = W2 h the logits, p = softmax(o), d = p - y and q the examples'
shares of the loss, and R(.) the derivative along a direction (V1, V2) of the weights::

    R(h) = g'(z) V1 X'                   R(o) = W2 R(h) + V2 h          R(loss) = d . R(o)
    R(qd) = q p (R(o) - p . R(o))        R(dh) = W2' R(qd) + V2' qd
    R(dz) = R(dh) g'(z) + (W2' qd) g''(z) V1 X'

so that the Hessian product is (R(dz) X, R(qd) h' + qd R(h)'). The examples are innermost, so every product is one
matrix product without a transposed copy, with an operand that all directions share: 2.22 MFLOP an example, step and
direction at the default settings.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from influence.products import product_type
from influence.unrolled.optimizers import SGD
from influence.unrolled.training import Step

_AT_ONCE = 4  # directions, whose element-wise parts then stay in a processor's cache


class Sizes(NamedTuple):
    """Channels of the fixed layer, trained channels, fields, classes."""

    channels: int
    width: int
    fields: int
    classes: int


class Layers(NamedTuple):
    """Views of (..., P) weights: (..., H, C), (..., H), (..., Y, H F) and (..., Y)."""

    first: Tensor
    first_bias: Tensor
    last: Tensor
    last_bias: Tensor


class _Seen(NamedTuple):
    """What all directions share of a step, in the type of the products."""

    x: Tensor  # (F b, C)
    hidden: Tensor  # (H F, b)
    slope: Tensor  # (H F, b), g'(z)
    bend: Tensor  # (H F, b), (W2' qd) g''(z)
    p: Tensor  # (Y, b) float32
    errors: Tensor  # (Y, b) float32, p - y
    share: Tensor  # (b,) float32


@dataclass(frozen=True)
class PatchTraining:
    """An `influence.unrolled.training.Training`.

    Parameters
    ----------
    answers : callable
        (n, ...) inputs as the data set has them -> (n, F, C) answers of the fixed layer.
    views : list of (n_train, F, C) Tensors
        The fixed layer's answers, and those to the mirror images where there are such.
    labels : (n_train,) int64
    sizes : Sizes
    initial : (P,)
        The initial weights.
    steps : sequence of Step
    mirrored : list of (b,) bool
        Which examples of each step are mirrored.
    optimizer : SGD
    weights : (n_train,)
    averaged : int
    operands : torch.dtype
        The type in which matrices are multiplied; sums are in float32 at least.
    """

    answers: Callable[[np.ndarray], Tensor]
    views: list[Tensor]
    labels: Tensor
    sizes: Sizes
    initial: Tensor
    steps: Sequence[Step]
    mirrored: Sequence[Tensor]
    optimizer: SGD
    weights: Tensor
    averaged: int
    operands: torch.dtype = field(default_factory=product_type)

    def start(self) -> Tensor:
        return self.initial

    def seen(self, inputs: np.ndarray) -> Tensor:
        return self.answers(inputs)

    def gradient(self, number: int, theta: Tensor) -> Tensor:
        own = self.layers(theta)
        x, z = self._convolved(number, own)
        hidden, slope = _gelu(z)[:2]
        _, errors, share = self._errors(number, own, hidden)
        delta = (errors * share).to(self.operands)
        last = delta @ hidden.T
        by_z = (own.last.to(self.operands).T @ delta).mul_(slope).view(self.sizes.width, -1)
        return _joined(Layers(by_z @ x, by_z.sum(1), last, delta.sum(1)), theta)

    def products(self, number: int, theta: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        own = self.layers(theta)
        seen = self._seen(number, own)
        last = own.last.to(self.operands)
        found = [self._along(seen, last, self.layers(part)) for part in directions.split(_AT_ONCE)]
        return torch.cat([_joined(each, theta) for each, _ in found]), torch.cat([slopes for _, slopes in found])

    def layers(self, theta: Tensor) -> Layers:
        """(..., P) -> views of its parts."""
        channels, width, fields, classes = self.sizes
        parts = theta.split([width * channels, width, classes * width * fields, classes], dim=-1)
        return Layers(
            parts[0].unflatten(-1, (width, channels)),
            parts[1],
            parts[2].unflatten(-1, (classes, width * fields)),
            parts[3],
        )

    def outputs(self, theta: Tensor, answers: Tensor) -> Tensor:
        """(n, F, C) answers of the fixed layer -> (n, Y) logits."""
        own = self.layers(theta)
        hidden = _gelu(own.first @ _by_field(answers).to(theta).T + own.first_bias[:, None])[0]
        return (own.last @ hidden.view(-1, len(answers)) + own.last_bias[:, None]).T

    def output_gradients(self, theta: Tensor, answers: Tensor, by_logits: Tensor) -> Tensor:
        """(k, F, C) answers and (k, Y) gradients of targets by the logits -> (k, P) by the weights."""
        own, k = self.layers(theta), len(answers)
        fields = _by_field(answers).to(theta)
        hidden, slope, _ = _gelu(own.first @ fields.T + own.first_bias[:, None])
        by_z = (own.last.T @ by_logits.T).view(self.sizes.width, -1, k) * slope.view(self.sizes.width, -1, k)
        first = torch.einsum("hfk,fkc->khc", by_z, fields.view(-1, k, self.sizes.channels))
        last = by_logits[:, :, None] * hidden.view(-1, k).T[:, None]
        return torch.cat([first.flatten(1), by_z.sum(1).T, last.flatten(1), by_logits], dim=1)

    def _along(self, seen: _Seen, last: Tensor, direction: Layers) -> tuple[Layers, Tensor]:
        """Products and slopes of a few directions."""
        k, (_, width, fields, classes) = len(direction.first), self.sizes
        b = seen.hidden.shape[1]
        v1, v2 = (part.to(self.operands) for part in (direction.first, direction.last))
        r_z = (v1.flatten(0, 1) @ seen.x.T).view(k, width, -1)
        r_z += direction.first_bias.to(self.operands)[:, :, None]
        r_z = r_z.view(k, width * fields, b)
        r_hidden = seen.slope * r_z
        r_logits = (last @ r_hidden).float() if self.operands == torch.bfloat16 else last @ r_hidden
        r_logits += (v2.flatten(0, 1) @ seen.hidden).view(k, classes, b)
        r_logits += direction.last_bias[:, :, None]
        slopes = (seen.errors * r_logits).sum(1)
        r_logits -= (seen.p * r_logits).sum(1, keepdim=True)
        r_errors = r_logits.mul_(seen.p * seen.share).to(self.operands)
        errors = (seen.errors * seen.share).to(self.operands)
        both = torch.cat([r_errors, errors.expand(k, -1, -1)], dim=1)  # (k, 2 Y, b)
        r_z *= seen.bend
        r_z += torch.cat([last.expand(k, -1, -1), v2], dim=1).mT @ both * seen.slope
        by_last = (r_errors.flatten(0, 1) @ seen.hidden.T).view(k, classes, -1)
        by_last = by_last + (r_hidden @ errors.T).mT
        r_z = r_z.view(k * width, -1)
        first = (r_z @ seen.x).view(k, width, -1)
        return Layers(first, r_z.sum(1).view(k, width), by_last, r_errors.sum(2)), slopes

    def _seen(self, number: int, own: Layers) -> _Seen:
        x, z = self._convolved(number, own)
        hidden, slope, curve = _gelu(z)
        p, errors, share = self._errors(number, own, hidden)
        bend = (own.last.to(self.operands).T @ (errors * share).to(self.operands)).mul_(curve)
        return _Seen(x, hidden, slope, bend, p, errors, share)

    def _convolved(self, number: int, own: Layers) -> tuple[Tensor, Tensor]:
        """(F b, C) and (H F, b), before the activation."""
        rows = self.steps[number].rows
        batch = self.views[0][rows]
        if len(self.views) > 1:
            mirrored = self.mirrored[number]
            batch[mirrored] = self.views[1][rows[mirrored]]
        x = _by_field(batch).to(self.operands)
        z = own.first.to(self.operands) @ x.T
        z += own.first_bias.to(self.operands)[:, None]
        return x, z.view(-1, len(rows))

    def _errors(self, number: int, own: Layers, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        step = self.steps[number]
        logits = (own.last.to(self.operands) @ hidden).to(own.last.dtype) + own.last_bias[:, None]
        p = torch.softmax(logits, dim=0)
        errors = p.clone()
        errors[self.labels[step.rows], torch.arange(len(step.rows))] -= 1
        return p, errors, self.weights[step.rows] / step.divisor


def as_vector(network: nn.Sequential, sizes: Sizes) -> Tensor:
    """The (P,) weights of a network of `influence.learners.patchnet.networks.build`."""
    first, first_bias, last, last_bias = (each.detach() for each in network.parameters())
    by_width = last.view(sizes.classes, sizes.fields, sizes.width).transpose(1, 2)
    return torch.cat([first.flatten(), first_bias, by_width.flatten(), last_bias])


def _by_field(answers: Tensor) -> Tensor:
    """(n, F, C) -> (F n, C)"""
    return answers.transpose(0, 1).reshape(-1, answers.shape[2])


def _gelu(z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The activation z Phi(z) and its first two derivatives."""
    wide = z.float() if z.dtype == torch.bfloat16 else z
    density = (-0.5 * wide.square()).exp_().div_(math.sqrt(2 * math.pi))
    below = torch.special.ndtr(wide)
    found = wide * below, below + wide * density, density * (2 - wide.square())
    return found[0].to(z.dtype), found[1].to(z.dtype), found[2].to(z.dtype)


def _joined(parts: Layers, like: Tensor) -> Tensor:
    """The (..., P) vector of these parts."""
    ndim = parts.last_bias.ndim
    return torch.cat([each.flatten(ndim - 1).to(like.dtype) for each in parts], dim=-1)
