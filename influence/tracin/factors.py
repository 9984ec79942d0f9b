"""Gradients as factors: what each layer saw (activations) and how the loss felt it (deltas).

The gradient of one example's loss with respect to a linear layer's weights and bias is the outer product
delta [a, 1]^T of its delta (the loss's gradient at the layer's output) and its activation (the layer's input, with a 1
appended for the bias). The inner product of two such gradients needs neither of them::

    <delta a^T, delta' a'^T> = (a . a') (delta . delta')

so a layer with n_in inputs and n_out outputs costs n_in + n_out multiplications a pair instead of n_in * n_out. Where a
layer's weights are applied at many positions, as a convolution's are, forming the gradient is often the cheaper way:
`influence.tracin.layers` has the kinds of layers, and counts.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from influence.errors import InfluenceError
from influence.tracin.layers import (
    Gradients,
    LayerFactors,
    Outer,
    check_inputs,
    gradients,
    supported_layers,
    trained_parameters,
)

Loss = Callable[[Tensor, Tensor], Tensor]

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
        self.model = model.eval()
        self.projection = projection
        self.loss = loss
        self.layers = supported_layers(model)
        self._last_only = layers == "last"
        # An in-place operation on a layer's output would overwrite it and take its place in the graph. Until one has
        # been seen, outputs are not copied.
        self._copies_outputs = False
        self._is_verified = False
        self._projections: dict[str, _Matrices] = {}
        self.pass_bytes = 0  # what the last pass held for its layers

    def __call__(self, inputs: Tensor, labels: Tensor) -> Factors:
        """(n, ...) inputs and (n, ...) labels -> what inner products are made of, in the fewest multiplications.

        All gradients that are better formed are side by side in one factor, the last.
        """
        factors: Factors = []
        formed: list[Tensor] = []
        for part in self._gradients(inputs, labels):
            if part.is_best_formed(shared=True):
                formed += part.formed()
            else:
                factors += part.pairs()
        return [*factors, (torch.cat(formed, dim=1),)] if formed else factors

    def squared_norms(self, inputs: Tensor, labels: Tensor) -> Tensor:
        """(n, ...) inputs and (n, ...) labels -> (n,): each example's gradient by itself."""
        norms: list[Tensor] = []
        for part in self._gradients(inputs, labels):
            if part.is_best_formed(shared=False):
                norms += [torch.einsum("nw,nw->n", piece, piece) for piece in part.formed()]
            elif part.positions == 1:
                norms += [torch.einsum("nw,nw->n", a, a) * torch.einsum("nw,nw->n", d, d) for a, d in part.pairs()]
            else:
                norms += [((a @ a.mT) * (d @ d.mT)).sum((1, 2)).clamp_(min=0) for a, d in part.pairs()]
        return torch.stack(norms).sum(0)

    def _gradients(self, inputs: Tensor, labels: Tensor) -> Iterator[Gradients]:
        """One layer at a time: what they take together may be large."""
        losses, calls = self._forward(inputs, labels)
        if not self._copies_outputs and any(call.output._version != call.version for call in calls):
            self._copies_outputs = True
            losses, calls = self._forward(inputs, labels)
        if losses.shape != (len(inputs),):
            raise InfluenceError(
                f"The loss gave a tensor of shape {tuple(losses.shape)} for {len(inputs)} examples: it must give one "
                "number an example, without averaging (reduction='none')."
            )
        calls = self._checked(calls, len(inputs))
        self.pass_bytes = sum((2 * c.output.numel() + c.activation.numel()) * c.output.element_size() for c in calls)

        # Asking for the outputs' gradients alone spares the weights' (a third of a backward pass).
        outputs = [call.output for call in calls]
        deltas = torch.autograd.grad(
            losses.sum(), outputs, allow_unused=True, materialize_grads=True, retain_graph=not self._is_verified
        )
        for call, delta in zip(calls, deltas, strict=True):
            part = gradients(self.layers[call.layer], call.activation, delta)
            if not self._is_verified:
                self._verify(call.layer, losses, part)
            yield part if self.projection is None else self._project(call.layer, part, self.projection)
        self._is_verified = len(losses) > 0

    def _verify(self, name: str, losses: Tensor, part: Gradients) -> None:
        """Compare a first batch's gradients with autograd's: a weight that is also used elsewhere has another."""
        expected = torch.autograd.grad(
            losses.sum(),
            trained_parameters(self.layers[name]),
            allow_unused=True,
            materialize_grads=True,
            retain_graph=True,
        )
        difference = [found.sum(0) - one.flatten() for found, one in zip(part.formed(), expected, strict=True)]
        outer = part.outer()
        scale = (outer.delta.norm(dim=2) * outer.activation.norm(dim=2)).sum()
        if torch.cat(difference).norm() > 1e-3 * scale:
            raise InfluenceError(
                f"The gradient of layer {name} is not made by its inputs and outputs alone: its weights are used "
                "elsewhere too, or something changes what it gives. TracIn would be wrong here."
            )

    def _project(self, name: str, part: Gradients, projection: Projection) -> Gradients:
        if name not in self._projections:
            self._projections[name] = _draw(part, list(self.layers).index(name), projection)
        of_activations, of_deltas = self._projections[name]
        if of_activations is None and of_deltas is None:
            return part
        outer = part.outer()
        self.pass_bytes += outer.activation.nbytes
        return Outer(_multiply(of_activations, outer.activation), _multiply(of_deltas, outer.delta))

    def _forward(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, list["_Call"]]:
        """Losses, and what went through the layers, in the order in which they ran."""
        calls: list[_Call] = []

        def hook(name: str) -> Callable[..., Tensor]:
            def capture(
                module: nn.Module, arguments: tuple[Tensor, ...], named: dict[str, Tensor], output: Tensor
            ) -> Tensor:
                (activation,) = (*arguments, *named.values())
                calls.append(_Call(name, activation.detach(), output, output._version))
                return output.clone() if self._copies_outputs else output

            return capture

        handles = [layer.register_forward_hook(hook(name), with_kwargs=True) for name, layer in self.layers.items()]
        try:
            with torch.enable_grad():
                # A model may change its inputs in place, and these are a view of the caller's.
                return self.loss(self.model(inputs.clone()), labels), calls
        finally:
            for handle in handles:
                handle.remove()

    def _checked(self, calls: list["_Call"], n: int) -> list["_Call"]:
        """One call for each layer that is asked for, in the model's order; an error for any other number."""
        used = [call.layer for call in calls]
        wanted = (used[-1:] if self._last_only else []) or list(self.layers)
        for name in wanted:
            if name not in used:
                raise InfluenceError(
                    f"Layer {name} takes no part in the forward pass: freeze it (requires_grad=False)."
                )
            if used.count(name) > 1:
                raise InfluenceError(f"Layer {name} is used more than once in a forward pass: TracIn needs one use.")
        chosen = [calls[used.index(name)] for name in wanted]
        for call in chosen:
            check_inputs(call.layer, self.layers[call.layer], call.activation, n)
        return chosen


class _Call(NamedTuple):
    """One use of a layer in a forward pass; ``version`` counts the in-place changes of ``output`` until then."""

    layer: str
    activation: Tensor
    output: Tensor
    version: int


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
