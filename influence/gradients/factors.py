"""Gradients as factors: what each layer saw (activations) and how the loss felt it (deltas).

The gradient of one example's loss with respect to a linear layer's weights and bias is the outer product
delta [a, 1]^T of its delta (the loss's gradient at the layer's output) and its activation (the layer's input, with a 1
appended for the bias). The inner product of two such gradients needs neither of them::

    <delta a^T, delta' a'^T> = (a . a') (delta . delta')

so a layer with n_in inputs and n_out outputs costs n_in + n_out multiplications a pair instead of n_in * n_out. Where a
layer's weights are applied at many positions, as a convolution's are, forming the gradient is often the cheaper way:
`influence.gradients.layers` has the kinds of layers, and counts.
"""

import copy
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Literal

import torch
from torch import Tensor, nn

from influence.errors import InfluenceError
from influence.gradients.layers import (
    Gradients,
    LayerFactors,
    Outer,
    check_hooks,
    gradients,
    supported_layers,
    trained_parameters,
)
from influence.gradients.passes import NOT_THE_SAME_TWICE, Loss, Passes, own_modes
from influence.gradients.verification import differing, verify

Factors = list[LayerFactors]


@dataclass(frozen=True)
class Projection:
    """TracInRP (Pruthi et al. 2020, section 3.4), an approximation: every factor is multiplied by a random matrix G.

    G has ``dimension`` rows of independent N(0, 1 / dimension) entries, so E[G^T G] = I. Both factors of a layer have
    matrices of their own, hence scores between different draws of G average to the exact score. A factor that is
    no wider than ``dimension`` is left as it is.
    """

    dimension: int
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("dimension", "seed"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Integral):
                raise InfluenceError(f"The projection's {name} is {value!r}, but must be a whole number.")
            object.__setattr__(self, name, int(value))  # NumPy's would overflow
        if not -(2**32) <= self.seed < 2**32:
            raise InfluenceError(f"The projection's seed is {self.seed}, but must lie between -2**32 and 2**32 - 1.")
        if self.dimension < 1:
            raise InfluenceError(f"The projection's dimension is {self.dimension}, but must be at least 1.")


class FactorExtractor:
    """Takes a model's factors for a batch.

    Parameters
    ----------
    model : nn.Module
        Its trainable parameters must sit in `nn.Linear`, `nn.Conv2d`, `nn.BatchNorm1d` or `nn.BatchNorm2d` layers, each
        used once in a forward pass, on (n, n_in) or (n, positions, n_in) inputs if linear. It is put in evaluation
        mode, so batch normalisation works with its running statistics; hooks are added while a batch passes, and
        removed.
    loss : callable
        (outputs, labels) -> (n,): one number an example, which depends on that example alone.
    layers : "all" or "last"
        "last" takes the layer that runs last only: an approximation (TracIn-Last in the paper).
    projection : Projection, optional
        Another approximation.

    Raises
    ------
    InfluenceError
        If a trainable parameter sits elsewhere; the message names its layer.
    """

    def __init__(
        self, model: nn.Module, loss: Loss, layers: Literal["all", "last"] = "all", projection: Projection | None = None
    ) -> None:
        if layers not in ("all", "last"):
            raise InfluenceError(f"layers is {layers!r}, but must be 'all' or 'last'.")
        if not callable(loss):
            raise InfluenceError(
                f"The loss is of type {type(loss).__name__}, but must be a function of outputs and labels."
            )
        self.model = model.eval()
        self.projection = projection
        check_hooks(model)
        self.layers = supported_layers(model)
        types = [p.dtype for layer in self.layers.values() for p in trained_parameters(layer)]
        self._dtype = functools.reduce(torch.promote_types, types, torch.float32)  # a sum of many needs as much
        self.passes = Passes(model, loss, self.layers, last_only=layers == "last")
        self.is_verified = False  # whether some examples have been compared with themselves alone
        self._projections: dict[str, _Matrices] = {}
        self._forms: dict[str, bool] = {}  # by layer; inner products need the same on either side
        self.pass_bytes = 0  # what the last pass held for its layers,
        self.losses = torch.empty(0)  # and its (n,) losses

    def on(self, model: nn.Module) -> "FactorExtractor":
        """The same for a copy of the model; projections, and what is formed, are common to both."""
        other = copy.copy(self)
        other.model = model.eval()
        other.layers = {name: model.get_submodule(name) for name in self.layers}
        other.passes = self.passes.on(model, other.layers)
        other.is_verified = False
        return other

    @own_modes()
    def __call__(self, inputs: Tensor, labels: Tensor, verified: int = 0) -> Factors:
        """(n, ...) inputs and (n, ...) labels -> what inner products are made of, in the fewest multiplications.

        All gradients that are better formed are side by side in one factor, the last. So many of the examples as
        ``verified`` says are compared with themselves alone; of a first batch, some always are.
        """
        factors: Factors = []
        formed: list[Tensor] = []
        for name, part in self._gradients(inputs, labels, verified):
            if self._forms.setdefault(name, part.is_best_formed(shared=True)):
                formed += part.formed()
            else:
                factors += part.pairs()
        return [*factors, (torch.cat(formed, dim=1),)] if formed else factors

    @own_modes()
    def squared_norms(self, inputs: Tensor, labels: Tensor, verified: int = 0) -> Tensor:
        """(n, ...) inputs and (n, ...) labels -> (n,): each example's gradient by itself."""
        norms: list[Tensor] = []
        for _, part in self._gradients(inputs, labels, verified):
            if part.is_best_formed(shared=False):
                norms += [torch.einsum("nw,nw->n", piece, piece) for piece in part.formed()]
            elif part.positions == 1:
                norms += [torch.einsum("nw,nw->n", a, a) * torch.einsum("nw,nw->n", d, d) for a, d in part.pairs()]
            else:
                norms += [((a @ a.mT) * (d @ d.mT)).sum((1, 2)).clamp_(min=0) for a, d in part.pairs()]
        return torch.stack(norms).sum(0)

    def _gradients(self, inputs: Tensor, labels: Tensor, verified: int) -> Iterator[tuple[str, Gradients]]:
        """One layer at a time, with its name: what they take together may be large."""
        n = len(inputs)
        if n == 1:  # with two, a squeeze() in the model takes away no dimension of the examples
            inputs, labels = (torch.cat([part, part]) for part in (inputs, labels))
        done = self.passes(inputs, labels)
        self.losses = done.losses[:n].detach()
        verified = min(verified if self.is_verified else max(verified, _FIRST), n)
        if verified:
            # What follows passes examples through the model, which may use the memory of a layer's inputs again.
            done = done._replace(calls=[call._replace(activation=call.activation.clone()) for call in done.calls])
            verify(self.passes, inputs, labels, done, spread(n, verified))
            self.is_verified = True
        held = sum((2 * c.output.numel() + c.activation.numel()) * c.output.element_size() for c in done.calls)
        self.pass_bytes = held * n // max(len(inputs), 1)
        for call, delta in zip(done.calls, done.deltas, strict=True):
            activation, delta = (part[:n].to(self._dtype) for part in (call.activation, delta))
            part = gradients(self.layers[call.layer], activation, delta)
            yield call.layer, part if self.projection is None else self._project(call.layer, part, self.projection)

    @own_modes()
    def check_again(self, inputs: Tensor, labels: Tensor, losses: Sequence[Tensor], whole: bool = True) -> None:
        """Pass examples again in other batches, and compare their losses with those of the first time.

        `verify` compares a few examples by their gradients. This finds companions that matter to some examples only,
        and what changes rarely or late from call to call. On a fresh copy of the model, it also finds what the first
        examples leave in it.

        Parameters
        ----------
        inputs, labels : (n, ...)
        losses : sequence of (b,) Tensors
            Those of the passes in which the examples went through the model, in their order.
        whole : bool
            Whether all examples are passed again, or a random eighth of them, if that is a few hundred at least.

        Raises
        ------
        InfluenceError
            If they differ by more than rounding.
        """
        if not losses:
            return
        before, sizes = torch.cat(list(losses)), [len(each) for each in losses]
        n = len(before)
        if n < _FEW:
            others = [torch.tensor([row]) for row in reversed(range(n))]
        else:
            count = n if whole else min(n, max(_SAMPLE, n // 8))
            order = torch.randperm(n, generator=torch.Generator().manual_seed(n))[:count]
            number = min(max(2, -(-5 * count // (3 * max(sizes)))), count // 2)  # of batches, of two examples at least
            others = list(order.tensor_split(number))
        again = before.clone()
        for rows in others:
            twice = rows.repeat(2) if len(rows) == 1 else rows  # a model may want two
            again[rows] = self.passes.losses(inputs[twice], labels[twice])[: len(rows)]
        suspects = differing(self.passes, inputs, labels, before, again)
        for rows in (*others, *torch.arange(n).split(sizes)):
            some = [i for i, row in enumerate(rows.tolist()) if row in suspects]
            if some:
                verify(self.passes, inputs[rows], labels[rows], self.passes(inputs[rows], labels[rows]), some)

    def check_same_weights(self, other: "FactorExtractor") -> None:
        """Raise unless passes have left the same numbers in both models, as they do where they change none."""
        for own, its in zip(self.model.parameters(), other.model.parameters(), strict=True):
            if not torch.equal(own.nan_to_num(), its.nan_to_num()):
                raise InfluenceError(NOT_THE_SAME_TWICE)

    def _project(self, name: str, part: Gradients, projection: Projection) -> Gradients:
        if name not in self._projections:
            self._projections[name] = _draw(part, list(self.layers).index(name), projection)
        of_activations, of_deltas = self._projections[name]
        if of_activations is None and of_deltas is None:
            return part
        outer = part.outer()
        self.pass_bytes += outer.activation.nbytes
        return Outer(_multiply(of_activations, outer.activation), _multiply(of_deltas, outer.delta))


_FIRST = 8  # examples of a first batch that are verified
_FEW = 5  # fewer examples are passed again one by one
_SAMPLE = 512


def spread(n: int, count: int) -> list[int]:
    """So many of n positions, evenly spread, from the last to the first."""
    return [n - 1 - i * (n - 1) // max(count - 1, 1) for i in range(count)]


_Matrices = tuple[Tensor | None, Tensor | None]


def _draw(part: Gradients, number: int, projection: Projection) -> _Matrices:
    """The random matrices for a layer's activations and deltas; None for a factor that is narrow enough."""
    generator = torch.Generator().manual_seed(projection.seed * 10_007 + number)
    return tuple(  # type: ignore[return-value]
        torch.randn(projection.dimension, width, generator=generator, dtype=torch.float64) / projection.dimension**0.5
        if width > projection.dimension
        else None
        for width in (part.n_in, part.n_out)
    )


def _multiply(matrix: Tensor | None, factor: Tensor) -> Tensor:
    return factor if matrix is None else matrix.to(factor) @ factor
