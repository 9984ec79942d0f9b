"""Gradients as factors: what each layer saw (activations) and how the loss felt it (deltas).

The gradient of one example's loss with respect to a linear layer's weights and bias is the outer product
delta [a, 1]^T of its delta (the loss's gradient at the layer's output) and its activation (the layer's input, with a 1
appended for the bias). The inner product of two such gradients needs neither of them::

    <delta a^T, delta' a'^T> = (a . a') (delta . delta')

so a layer with n_in inputs and n_out outputs costs n_in + n_out multiplications a pair instead of n_in * n_out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from influence.errors import InfluenceError

Loss = Callable[[Tensor, Tensor], Tensor]

# One layer's share of the inner products between two sets of examples is the elementwise product of the Gram matrices
# of its factors: two, (n, n_in + 1) and (n, n_out), or one where the gradient itself, flattened, is cheaper.
LayerFactors = tuple[Tensor, ...]
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
    """Takes a model's factors for a batch, without forming any example's gradient.

    Parameters
    ----------
    model : nn.Module
        Its trainable parameters must sit in `nn.Linear` layers, each used once in a forward pass on (n, n_in) inputs.
        It is put in evaluation mode; hooks are added while a batch passes, and removed.
    loss : callable
        (outputs, labels) -> (n,): one number an example, which depends on that example alone.
    layers : "all" or "last"
        "last" takes the linear layer that runs last only: an approximation (TracIn-Last in the paper).
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
        self.layers = _supported_layers(model)
        self._last_only = layers == "last"
        self._projections = {
            name: _draw(layer, number, projection) for number, (name, layer) in enumerate(self.layers.items())
        }
        # An in-place operation on a layer's output would overwrite it and take its place in the graph. Until one has
        # been seen, outputs are not copied.
        self._copies_outputs = False
        self._is_verified = False

    def __call__(self, inputs: Tensor, labels: Tensor) -> Factors:
        """(n, ...) inputs and (n, ...) labels -> one tuple of (n, width) factors a layer."""
        factors: Factors = []
        for name, (activation, delta) in self._named_pairs(inputs, labels).items():
            if projection := self._projections[name]:
                activation, delta = (_project(f, g) for f, g in zip((activation, delta), projection, strict=True))
            n_in, n_out = activation.shape[1], delta.shape[1]
            if n_in * n_out <= n_in + n_out:  # the gradient itself is the smaller thing: a layer of one output, say
                factors.append(((delta[:, :, None] * activation[:, None, :]).flatten(1),))
            else:
                factors.append((activation, delta))
        return factors

    def pairs(self, inputs: Tensor, labels: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Each layer's activations, (n, n_in) or (n, n_in + 1) with a bias, and deltas, (n, n_out)."""
        return list(self._named_pairs(inputs, labels).values())

    def _named_pairs(self, inputs: Tensor, labels: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        losses, calls = self._forward(inputs, labels)
        if not self._copies_outputs and any(call.output._version != call.version for call in calls):
            self._copies_outputs = True
            losses, calls = self._forward(inputs, labels)
        if losses.shape != (len(inputs),):
            raise InfluenceError(
                f"The loss gave a tensor of shape {tuple(losses.shape)} for {len(inputs)} examples: it must give one "
                "number an example, without averaging (reduction='none')."
            )
        calls = self._checked(calls)

        # Asking for the outputs' gradients alone spares the weights' (a third of a backward pass).
        outputs = [call.output for call in calls]
        deltas = torch.autograd.grad(
            losses.sum(), outputs, allow_unused=True, materialize_grads=True, retain_graph=not self._is_verified
        )
        pairs = {}
        for call, delta in zip(calls, deltas, strict=True):
            activation = call.activation
            if _trains_bias(self.layers[call.layer]):
                activation = torch.cat([activation, activation.new_ones(len(activation), 1)], dim=1)
            pairs[call.layer] = (activation, delta)
        if not self._is_verified:
            self._verify(losses, pairs)
        return pairs

    def _verify(self, losses: Tensor, pairs: dict[str, tuple[Tensor, Tensor]]) -> None:
        """Compare a first batch's gradients with autograd's: a weight that is also used elsewhere has another."""
        for name, (activation, delta) in pairs.items():
            layer = self.layers[name]
            parameters = [layer.weight, layer.bias] if _trains_bias(layer) else [layer.weight]
            gradients = torch.autograd.grad(
                losses.sum(), parameters, allow_unused=True, materialize_grads=True, retain_graph=True
            )
            expected = torch.cat([gradient.reshape(layer.out_features, -1) for gradient in gradients], dim=1)
            found = delta.T @ activation
            if (found - expected).norm() > 1e-3 * (delta.norm(dim=1) * activation.norm(dim=1)).sum():
                raise InfluenceError(
                    f"The gradient of layer {name} is not made by its inputs and outputs alone: its weights are used "
                    "elsewhere too, or something changes what it gives. TracIn would be wrong here."
                )
        self._is_verified = len(losses) > 0

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

    def _checked(self, calls: list["_Call"]) -> list["_Call"]:
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
            if call.activation.ndim != 2:
                shape = tuple(call.activation.shape)
                raise InfluenceError(
                    f"Layer {call.layer} gets inputs of shape {shape}: only (examples, features) works."
                )
        return chosen


class _Call(NamedTuple):
    """One use of a layer in a forward pass; ``version`` counts the in-place changes of ``output`` until then."""

    layer: str
    activation: Tensor
    output: Tensor
    version: int


def _trains_bias(layer: nn.Linear) -> bool:
    return layer.bias is not None and layer.bias.requires_grad


def _project(factor: Tensor, matrix: Tensor | None) -> Tensor:
    return factor if matrix is None else factor @ matrix.to(factor).T


def _supported_layers(model: nn.Module) -> dict[str, nn.Linear]:
    """The linear layers with trainable weights, by name; anything else that is trainable is an error."""
    layers = {}
    owners: dict[int, str] = {}
    for name, module in model.named_modules():
        trainable = [p for p, parameter in module.named_parameters(recurse=False) if parameter.requires_grad]
        if not trainable:
            continue
        label = f"{name or 'the model itself'} ({type(module).__name__})"
        if type(module) is not nn.Linear:
            raise InfluenceError(
                f"Layer {label} has trainable parameters ({', '.join(trainable)}), but TracIn is exact for nn.Linear "
                "only: freeze them (requires_grad=False) to leave them out."
            )
        if "weight" not in trainable:
            raise InfluenceError(f"Layer {label} trains its bias alone: freeze it, or train its weight too.")
        for parameter_name in trainable:
            first = owners.setdefault(id(module.get_parameter(parameter_name)), name)
            if first != name:
                raise InfluenceError(
                    f"Layer {name} shares its {parameter_name} with layer {first}: TracIn needs parameters of its own "
                    "in every layer."
                )
        layers[name] = module
    if not layers:
        raise InfluenceError("The model has no nn.Linear layer with trainable weights, so there is nothing to trace.")
    return layers


def _draw(layer: nn.Linear, number: int, projection: Projection | None) -> tuple[Tensor | None, Tensor | None] | None:
    """The random matrices for a layer's activations and deltas; None for a factor that is narrow enough."""
    if projection is None:
        return None
    generator = torch.Generator().manual_seed(projection.seed * 10_007 + number)
    return tuple(  # type: ignore[return-value]
        torch.randn(projection.dimension, width, generator=generator, dtype=torch.float64) / projection.dimension**0.5
        if width > projection.dimension
        else None
        for width in (layer.in_features + _trains_bias(layer), layer.out_features)
    )
