"""What a layer's gradients are made of: sums of outer products, over the positions where its weights are applied.

=============  =====================================  ===========  ==================
layer          activation at a position               positions    groups
=============  =====================================  ===========  ==================
Linear         its input                              one, or many one
Conv2d         the patch that the kernel covers       every pixel  the convolution's
BatchNorm      the input, normalised, of one channel  every pixel  every channel
=============  =====================================  ===========  ==================

Within each group, the gradient of one example's loss is the sum over positions of delta [a, 1]^T, with delta the loss's
gradient at the layer's output there, a the activation, and the 1 for the bias. Hence two ways to the inner product of
two gradients, and the cheaper one is taken:

- form both, and multiply: n_in * n_out multiplications a pair;
- sum (a . a') (delta . delta') over all pairs of positions: positions^2 * (n_in + n_out).

Forming a gradient costs as much as the layer's own forward pass, once an example, so only the pairs count.
"""

import functools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.grad import conv2d_weight
from torch.nn.modules import module as torch_modules
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.utils import parametrize

from influence.errors import InfluenceError

# What one layer, or several, add to the inner products between two sets of examples: of one factor (n, width), its Gram
# matrix; of two, (n, n_in) and (n, n_out), the elementwise product of their Gram matrices; of two with positions,
# (n, positions, n_in) and (n, positions, n_out), the same summed over all pairs of positions.
LayerFactors = tuple[Tensor, ...]


class Gradients(ABC):
    """The gradients of n examples by the trainable parameters of one layer, formed or not.

    Attributes
    ----------
    groups, n_in, n_out, positions : int
        There are ``groups`` blocks of n_in * n_out numbers an example, a bias counted as one more input.
    """

    groups: int
    n_in: int
    n_out: int
    positions: int

    @abstractmethod
    def formed(self) -> list[Tensor]:
        """The gradients themselves, (n, ...) by the weights and (n, ...) by the biases, of those that are trained."""

    @abstractmethod
    def outer(self) -> "Outer":
        """The gradients as outer products."""

    def is_best_formed(self, shared: bool) -> bool:
        """Whether forming takes fewer multiplications; ``shared``: each gradient is formed once for many pairs."""
        formed = self.n_in * self.n_out * (1 if shared else self.positions)
        return formed <= self.positions**2 * (self.n_in + self.n_out)

    def pairs(self) -> list[LayerFactors]:
        """Give the activations and deltas of every group, without the axis of positions if there is only one."""
        both = self.outer()
        return [
            tuple(part[:, group].transpose(1, 2).squeeze(1) for part in (both.activation, both.delta))
            for group in range(self.groups)
        ]


class Outer(Gradients):
    """Sums over positions of delta a^T.

    Parameters
    ----------
    activation : (n, groups, n_in, positions)
    delta : (n, groups, n_out, positions)
    """

    def __init__(self, activation: Tensor, delta: Tensor) -> None:
        self.activation, self.delta = activation, delta
        self.groups, self.n_in, self.positions = activation.shape[1:]
        self.n_out = delta.shape[2]

    def formed(self) -> list[Tensor]:
        return [(self.delta @ self.activation.transpose(2, 3)).flatten(1)]

    def outer(self) -> "Outer":
        return self


class _Linear(Gradients):
    groups = 1

    def __init__(self, layer: nn.Linear, inputs: Tensor, delta: Tensor) -> None:
        self.positions = math.prod(inputs.shape[1:-1])
        self.inputs = inputs.reshape(len(inputs), self.positions, layer.in_features)
        self.delta = delta.reshape(len(inputs), self.positions, layer.out_features)
        self.has_bias = trains(layer, "bias")
        self.n_in, self.n_out = layer.in_features + self.has_bias, layer.out_features

    def formed(self) -> list[Tensor]:
        weights = (self.delta.mT @ self.inputs).flatten(1)
        return [weights, self.delta.sum(1)] if self.has_bias else [weights]

    def outer(self) -> Outer:
        if self.has_bias:
            activation = torch.cat([self.inputs, torch.ones_like(self.inputs[:, :, :1])], dim=2)
        else:  # the model may use the memory of its inputs again, and these are kept
            activation = self.inputs.clone()
        return Outer(activation.mT[:, None], self.delta.mT[:, None])


class _BiasAlone(Gradients):
    """Factors of any layer whose weight is frozen; ``delta`` is (n, n_out, ...)."""

    n_in = groups = 1

    def __init__(self, delta: Tensor) -> None:
        self.delta = delta
        self.n_out, self.positions = delta.shape[1], math.prod(delta.shape[2:])

    def formed(self) -> list[Tensor]:
        return [_over_positions(self.delta)]

    def outer(self) -> Outer:
        delta = self.delta.reshape(len(self.delta), 1, self.n_out, self.positions)
        return Outer(torch.ones_like(delta[:, :, :1]), delta)


class _Convolution(Gradients):
    def __init__(self, layer: nn.Conv2d, inputs: Tensor, delta: Tensor) -> None:
        self.layer, self.inputs, self.delta = layer, inputs, delta
        self.has_bias = trains(layer, "bias")
        self.groups, self.n_out = layer.groups, layer.out_channels // layer.groups
        self.n_in = layer.weight[0].numel() + self.has_bias
        self.positions = math.prod(delta.shape[2:])

    def formed(self) -> list[Tensor]:
        weights = self._formed_weights()
        return [weights, _over_positions(self.delta)] if self.has_bias else [weights]

    def _formed_weights(self) -> Tensor:
        """Compute all gradients by one convolution, with a group for every example, so that no patch is copied."""
        n, (out_channels, *rest) = len(self.inputs), self.layer.weight.shape
        if not n:
            return self.inputs.new_zeros(0, self.layer.weight.numel())
        inputs = self._padded()
        weights: Tensor = conv2d_weight(
            inputs.reshape(1, n * inputs.shape[1], *inputs.shape[2:]),
            (n * out_channels, *rest),
            self.delta.reshape(1, n * out_channels, *self.delta.shape[2:]),
            self.layer.stride,
            0,
            self.layer.dilation,
            n * self.groups,
        )
        return weights.view(n, -1)

    def outer(self) -> Outer:
        """The patch that the kernel covers, for every pixel of the output."""
        n, layer = len(self.inputs), self.layer
        patches = F.unfold(self._padded(), layer.kernel_size, layer.dilation, stride=layer.stride)
        activation = patches.view(n, self.groups, self.n_in - self.has_bias, self.positions)
        if self.has_bias:
            activation = torch.cat([activation, torch.ones_like(activation[:, :, :1])], dim=2)
        return Outer(activation, self.delta.reshape(n, self.groups, self.n_out, self.positions))

    def _padded(self) -> Tensor:
        layer, sides = self.layer, []
        for axis in (1, 0):  # left, right, then top, bottom
            if layer.padding == "same":
                total = layer.dilation[axis] * (layer.kernel_size[axis] - 1)
                sides += [total // 2, total - total // 2]
            else:
                sides += [0, 0] if layer.padding == "valid" else [int(layer.padding[axis])] * 2
        mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
        return F.pad(self.inputs, sides, mode=mode) if any(sides) else self.inputs


class _BatchNorm(Gradients):
    n_out = 1

    def __init__(self, layer: nn.BatchNorm1d | nn.BatchNorm2d, inputs: Tensor, delta: Tensor) -> None:
        mean, variance = layer.get_buffer("running_mean"), layer.get_buffer("running_var")
        own_type = functools.reduce(torch.promote_types, (inputs.dtype, mean.dtype, variance.dtype))
        normalised = F.batch_norm(inputs.to(own_type), mean.to(own_type), variance.to(own_type), eps=layer.eps)
        self.normalised, self.delta = normalised.to(delta.dtype), delta
        self.has_bias = trains(layer, "bias")
        self.n_in = 1 + self.has_bias
        self.groups, self.positions = delta.shape[1], math.prod(delta.shape[2:])

    def formed(self) -> list[Tensor]:
        parts = [self.delta * self.normalised, self.delta] if self.has_bias else [self.delta * self.normalised]
        return [_over_positions(part) for part in parts]

    def outer(self) -> Outer:
        shape = (len(self.delta), self.groups, 1, self.positions)
        activation, delta = self.normalised.reshape(shape), self.delta.reshape(shape)
        if self.has_bias:
            activation = torch.cat([activation, torch.ones_like(activation)], dim=2)
        return Outer(activation, delta)


def _over_positions(values: Tensor) -> Tensor:
    """(n, channels, ...) -> (n, channels) sums."""
    return values.reshape(*values.shape[:2], math.prod(values.shape[2:])).sum(2)


def gradients(layer: nn.Module, inputs: Tensor, delta: Tensor) -> Gradients:
    """The gradients of a layer that got these inputs, and whose outputs have these deltas."""
    if not trains(layer, "weight"):
        return _BiasAlone(delta.movedim(-1, 1) if isinstance(layer, nn.Linear) else delta)
    made: Gradients = _KINDS[type(layer)].gradients(layer, inputs, delta)
    return made


def check_inputs(name: str, layer: nn.Module, inputs: Tensor, n: int) -> None:
    """Raise unless a layer got one input for each of n examples, in a shape that is known."""
    kind = _KINDS[type(layer)]
    if inputs.ndim not in kind.dimensions or len(inputs) != n:
        raise InfluenceError(
            f"Layer {name} gets inputs of shape {tuple(inputs.shape)} for {n} examples: only {kind.shape} works."
        )


def supported_layers(model: nn.Module) -> dict[str, nn.Module]:
    """The layers with trainable parameters, by name; one of another kind is an error."""
    layers = {}
    owners: dict[int, str] = {}
    for name, module in model.named_modules():
        label = _label(name, module)
        _check_whole(label, module)
        # Parameters that a module has by two names too: the second name is as good as a second layer.
        own = dict(module.named_parameters(recurse=False, remove_duplicate=False))
        trainable = [p for p, parameter in own.items() if parameter.requires_grad]
        if not trainable:
            continue
        _check_parameters(label, module, trainable)
        for parameter_name in trainable:
            first = owners.setdefault(id(module.get_parameter(parameter_name)), name)
            if first != name:
                raise InfluenceError(
                    f"Layer {name} shares its {parameter_name} with layer {first}: TracIn needs parameters of its own "
                    "in every layer."
                )
        layers[name] = module
    if not layers:
        raise InfluenceError(
            f"The model has no layer with trainable parameters ({_NAMES}), so there is nothing to trace."
        )
    return layers


def check_hooks(model: nn.Module) -> None:
    """Raise for what a copy of the model would not have, or what would hide what its layers do.

    That is its numbers, a hook that changes a parameter's gradient, or one that torch calls for all modules.
    """
    if torch_modules._global_forward_hooks or torch_modules._global_forward_pre_hooks:
        raise InfluenceError(
            "A forward hook is registered for all modules, which may change what layers give: remove it "
            "(handle.remove()), and register it with the modules that need it."
        )
    for name, module in model.named_modules():
        _check_numbers(_label(name, module), module)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and parameter._backward_hooks:
            raise InfluenceError(
                f"The parameter {name} has a hook that may change its gradient, which TracIn would leave out: remove "
                "the hook (handle.remove()), or freeze the parameter."
            )


def _label(name: str, module: nn.Module) -> str:
    return f"{name or 'the model itself'} ({type(module).__name__})"


def _check_numbers(label: str, module: nn.Module) -> None:
    """Raise for a module whose weights or buffers have no numbers yet."""
    own = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
    # A lazy layer that got its weights from a state dict becomes a plain one when it first runs.
    if isinstance(module, LazyModuleMixin) and (
        module.has_uninitialized_params() or any(each.requires_grad for each in own)
    ):
        raise InfluenceError(
            f"Layer {label} has not run yet, and only then becomes a plain layer with weights: pass some inputs "
            "through the model once, and give it then."
        )
    if any(each.is_meta for each in own):
        raise InfluenceError(
            f"Layer {label} is on the meta device, where tensors have no numbers: build the model on the CPU, or give "
            'it memory there (model.to_empty(device="cpu")) and load a state dict that holds all of its tensors.'
        )


def _check_whole(label: str, module: nn.Module) -> None:
    """Raise for a module that hides its layers, or in which examples meet."""
    if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is None:
        raise InfluenceError(
            f"Layer {label} keeps no running statistics, so that examples change each other's losses: train it with "
            "track_running_stats=True."
        )
    if isinstance(module, (nn.Embedding, nn.EmbeddingBag)) and module.max_norm is not None:
        raise InfluenceError(
            f"Layer {label} changes its weights in the forward pass (max_norm={module.max_norm}): apply the bound to "
            f"the weights of the checkpoints once (torch.renorm(weight, {module.norm_type}, 0, {module.max_norm})), "
            "and set the layer's max_norm to None."
        )
    if hasattr(module, "_orig_mod") or module._compiled_call_impl is not None:
        raise InfluenceError(
            f"Layer {label} is compiled, which hides what goes through its layers: give the model as it was before "
            "torch.compile (a compiled one keeps it as _orig_mod)."
        )
    if isinstance(module, torch.jit.ScriptModule):
        raise InfluenceError(
            f"Layer {label} is a TorchScript module, which hides what goes through its layers: give the nn.Module that "
            "it was made from."
        )


def _check_parameters(label: str, module: nn.Module, trainable: list[str]) -> None:
    """Raise unless these trainable parameters are what a layer's gradients are known for."""
    names = ", ".join(trainable)
    made = any(each in _MADE_FROM and each.split("_")[0] not in module._parameters for each in trainable)
    if isinstance(module, parametrize.ParametrizationList) or parametrize.is_parametrized(module) or made:
        raise InfluenceError(
            f"Layer {label} makes its weight or bias from other trainable parameters ({names}), as weight_norm, "
            "spectral_norm, pruning and parametrizations do: undo that (remove_weight_norm, remove_spectral_norm, "
            "prune.remove, remove_parametrizations), and load checkpoints of plain weights."
        )
    if type(module) not in _KINDS:
        raise InfluenceError(
            f"Layer {label} has trainable parameters ({names}), but TracIn is exact for {_NAMES} only: freeze them "
            "(requires_grad=False) to leave them out."
        )
    if "forward" in vars(module):
        raise InfluenceError(
            f"Layer {label} has a forward() of its own, which may use its weights in any way: delete it (del "
            "layer.forward), or put that computation into a module around the layer."
        )
    if extra := [each for each in trainable if each not in ("weight", "bias")]:
        raise InfluenceError(
            f"Layer {label} has trainable parameters beside its weight and bias ({', '.join(extra)}), which TracIn "
            "would leave out: freeze them (requires_grad=False), or train without them."
        )


# What weight_norm, spectral_norm and pruning make a weight or a bias from.
_MADE_FROM = [f"{name}_{part}" for name in ("weight", "bias") for part in ("g", "v", "orig")]


def trained_parameters(layer: nn.Module) -> list[Tensor]:
    """A layer's trainable weight and bias, in this order."""
    return [layer.get_parameter(name) for name in ("weight", "bias") if trains(layer, name)]


def trains(layer: nn.Module, name: str) -> bool:
    """Whether a layer's weight or bias is a trainable parameter; a tensor that a hook computes is none."""
    parameter = layer._parameters.get(name)
    return parameter is not None and parameter.requires_grad


class _Kind(NamedTuple):
    """``dimensions``: how many an input may have; ``shape`` says it in words."""

    gradients: Callable[..., Gradients]
    dimensions: tuple[int, ...]
    shape: str


# A subclass may compute something else, so types are compared as they are.
_KINDS: dict[type[nn.Module], _Kind] = {
    nn.Linear: _Kind(_Linear, (2, 3, 4, 5), "(examples, features) or (examples, positions, features)"),
    nn.Conv2d: _Kind(_Convolution, (4,), "(examples, channels, height, width)"),
    nn.BatchNorm1d: _Kind(_BatchNorm, (2, 3), "(examples, channels) or (examples, channels, length)"),
    nn.BatchNorm2d: _Kind(_BatchNorm, (4,), "(examples, channels, height, width)"),
}
_NAMES = "nn.Linear, nn.Conv2d, nn.BatchNorm1d and nn.BatchNorm2d"
