"""One pass of a batch through a model: what its layers saw, what the losses ask of them, and whether that is all.

A layer's gradient follows from its inputs and the losses' gradients at its outputs if its weights reach the losses
through one call of the layer and by no other way, and if nothing in the pass is random. Every pass is checked for that.
"""

import pickle
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.graph import get_gradient_edge
from torch.utils.hooks import RemovableHandle

from influence.errors import InfluenceError
from influence.gradients.graph import Call, check_graph
from influence.gradients.layers import check_inputs, trains

Loss = Callable[[Tensor, Tensor], Tensor]


class Pass(NamedTuple):
    """What a batch of n examples gave: (n,) losses, and a call of each layer that is asked for, in the model's order.

    ``deltas`` are the gradients of each example's loss at the outputs of these calls.
    """

    losses: Tensor
    calls: list[Call]
    deltas: list[Tensor]


class _Forward(NamedTuple):
    """The inputs as the model got them, (n,) losses, and all calls of the layers, in the order in which they ran."""

    given: Tensor
    losses: Tensor
    calls: list[Call]


class Passes:
    """Passes batches through a model.

    Parameters
    ----------
    model : nn.Module
        In evaluation mode. Hooks are added while a batch passes, and removed.
    loss : callable
    layers : mapping of str to nn.Module
        Those with trainable parameters.
    last_only : bool
        Take the layer that runs last only.
    """

    def __init__(self, model: nn.Module, loss: Loss, layers: Mapping[str, nn.Module], last_only: bool = False) -> None:
        self.model, self.loss, self.layers, self.last_only = model, loss, layers, last_only
        self._modules = list(model.modules())
        self._generators = [
            each
            for module in self._modules
            for value in vars(module).values()
            for each in contents(value)
            if isinstance(each, _GENERATORS)
        ]
        # An operation in place on a layer's output would overwrite it and take its place in the graph. Until one has
        # been seen, outputs are not copied.
        self._copies_outputs = False
        self._last_layer: str | None = None
        self._known_streams: tuple[object, ...] | None = None  # as they were after the last pass

    def on(self, model: nn.Module, layers: Mapping[str, nn.Module]) -> "Passes":
        """The same through a copy of the model, whose layers these are."""
        other = Passes(model, self.loss, layers, self.last_only)
        other._copies_outputs, other._last_layer = self._copies_outputs, self._last_layer
        return other

    def __call__(self, inputs: Tensor, labels: Tensor) -> Pass:
        """(n, ...) inputs and (n, ...) labels -> what they gave.

        Raises
        ------
        InfluenceError
            If the model or the loss fails or is random, if the loss does not give one number an example, or if the
            weights of a layer act in any other way than by one call of it.
        """
        given, losses, calls = self._undisturbed(inputs, labels)
        if not self._copies_outputs and any(call.output._version != call.output_version for call in calls):
            self._copies_outputs = True
            given, losses, calls = self._undisturbed(inputs, labels)
        chosen = self._chosen(calls, len(inputs))
        if len(inputs):
            check_graph(losses, chosen, self.layers, (*self.model.parameters(), given))
        return Pass(losses, chosen, _deltas(losses, chosen, self.last_only))

    def losses(self, inputs: Tensor, labels: Tensor) -> Tensor:
        """(n, ...) inputs and (n, ...) labels -> (n,) losses alone."""
        return self._undisturbed(inputs, labels).losses.detach()

    def _undisturbed(self, inputs: Tensor, labels: Tensor) -> "_Forward":
        """A forward pass that draws no random number and changes nothing of the model.

        Another thread may have drawn the number, or the caller since the last pass, and a model may make a buffer when
        it first runs; so only a pass that does so twice is an error.
        """
        for _ in range(2):
            streams, tensors = self._known_streams or self._streams(), self._tensors()
            done = self._forward(inputs, labels)
            self._known_streams = self._streams()
            if (self._known_streams, self._tensors()) == (streams, tensors):
                return done
        raise InfluenceError(NOT_THE_SAME_TWICE)

    def _tensors(self) -> list[tuple[int, int]]:
        """Which buffers and parameters there are, and how often they were changed."""
        held = (part for module in self._modules for part in (module._parameters, module._buffers))
        return [(id(each), each._version) for part in held for each in part.values() if each is not None]

    def _streams(self) -> tuple[object, ...]:
        """The states of the random streams that a forward pass may draw from."""
        words = np.random.get_state(legacy=False)["state"]  # noqa: NPY002 the stream that others draw from
        streams = [torch.get_rng_state().numpy().tobytes(), random.getstate(), words["key"].tobytes(), words["pos"]]
        if torch.cuda.is_available():
            streams.append(torch.cuda.get_rng_state().numpy().tobytes())
        return *streams, *map(_generator_state, self._generators)

    def _forward(self, inputs: Tensor, labels: Tensor) -> "_Forward":
        calls: list[Call] = []
        handles: dict[str, RemovableHandle] = {}

        def hook(name: str) -> Callable[..., Tensor]:
            def record(
                module: nn.Module, arguments: tuple[Tensor, ...], named: dict[str, Tensor], output: Tensor
            ) -> Tensor:
                if next(iter(module._forward_hooks)) != handles[name].id:
                    raise InfluenceError(
                        "The forward pass registers a hook before those of its layers, which may change what they "
                        "give: register hooks when the model is built, and without prepend."
                    )
                (activation,) = (*arguments, *named.values())
                before, after = (get_gradient_edge(t).node if t.requires_grad else None for t in (activation, output))
                kept = activation.detach()
                calls.append(Call(name, kept, kept._version, before, output, output._version, after))
                return output.clone() if self._copies_outputs else output

            return record

        # Hooks of the user's may change what a layer gives, so they run after these.
        for name, layer in self.layers.items():
            handles[name] = layer.register_forward_hook(hook(name), prepend=True, with_kwargs=True)
        try:
            given = inputs.detach().clone()
            return _Forward(given, run(self.model, self.loss, given, labels, copy=False)[1], calls)
        finally:
            for handle in handles.values():
                handle.remove()

    def _last(self, used: list[str]) -> list[str]:
        """The layer that runs last, which must be the same in all passes."""
        if self._last_layer not in (None, used[-1]):
            raise InfluenceError(
                f"The layer that runs last is {self._last_layer} for some examples and {used[-1]} for others, whose "
                "gradients can't be compared: use layers='all', or a model with one last layer."
            )
        self._last_layer = used[-1]
        return used[-1:]

    def _chosen(self, calls: list[Call], n: int) -> list[Call]:
        """The one call of each layer that is asked for; any other number of calls is an error."""
        used = [call.layer for call in calls]
        wanted = self._last(used) if self.last_only and used else list(self.layers)
        for name in wanted:
            if name not in used:
                raise InfluenceError(
                    f"Layer {name} takes no part in the forward pass of some examples, or of all: freeze it "
                    "(requires_grad=False) if none needs it, else let all examples pass it, and multiply what it gives "
                    "by 0 for those that do not need it."
                )
            if used.count(name) > 1:
                raise InfluenceError(f"Layer {name} is used more than once in a forward pass: TracIn needs one use.")
        chosen = [calls[used.index(name)] for name in wanted]
        for call in chosen:
            layer = self.layers[call.layer]
            check_inputs(call.layer, layer, call.activation, n)
            # Autograd notices such a change where it needs the input, which it does not for the outputs' gradients.
            if call.activation._version != call.activation_version and trains(layer, "weight"):
                raise InfluenceError(
                    f"The input of layer {call.layer} is changed in place after the layer has used it, so that its "
                    "gradient is lost: write the change as a new tensor (x = x + y in place of x += y)."
                )
        return chosen


_GENERATORS = (
    torch.Generator,
    np.random.Generator,
    np.random.BitGenerator,
    np.random.RandomState,
    random.Random,
)


@contextmanager
def own_modes() -> Iterator[None]:
    """Within, gradients are recorded in the model's own number type, whatever mode the caller is in."""
    with ExitStack() as modes:
        modes.enter_context(torch.inference_mode(False))
        modes.enter_context(torch.enable_grad())
        for device in ("cpu", "cuda"):
            if torch.is_autocast_enabled(device):
                modes.enter_context(torch.autocast(device, enabled=False))
        yield


def run(model: nn.Module, loss: Loss, inputs: Tensor, labels: Tensor, copy: bool = True) -> tuple[Any, Tensor]:
    """(n, ...) inputs and (n, ...) labels -> outputs, (n,) losses; what fails on the way is an `InfluenceError`."""
    # A model may change its inputs in place, and these are a view of the caller's.
    given, labels = inputs.detach().clone() if copy else inputs, labels.detach().clone()
    try:
        outputs = model(given)
    except InfluenceError:
        raise
    except Exception as error:
        raise InfluenceError(
            f"The model fails on inputs {_described(inputs)} ({one_line(error)}): give inputs of the shape and type "
            f"that it takes{_other_type(model, inputs)}."
        ) from error
    try:
        losses = loss(outputs, labels)
    except InfluenceError:
        raise
    except Exception as error:
        raise InfluenceError(
            f"The loss fails on outputs {_described(outputs)} and labels {_described(labels)} ({one_line(error)}): "
            f"{_remedy(outputs)}{_lost(inputs, outputs)}"
        ) from error
    if not isinstance(losses, Tensor) or losses.shape != (len(inputs),):
        raise InfluenceError(
            f"The loss gave {_given(losses)} for {len(inputs)} examples: it must give one number an example, without "
            f"averaging (reduction='none').{_lost(inputs, outputs)}"
        )
    return outputs, losses


@contextmanager
def explain_backward_errors() -> Iterator[None]:
    """Turn what fails in a backward pass, a hook of the user's included, into an `InfluenceError`."""
    try:
        yield
    except InfluenceError:
        raise
    except Exception as error:
        raise InfluenceError(
            f"The backward pass fails ({one_line(error)}): TracIn needs a model that torch.autograd.grad can follow, "
            "so change no tensor in place that autograd needs, and checkpoint with use_reentrant=False."
        ) from error


def one_line(error: Exception) -> str:
    """What an error says, in one line."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


NOT_THE_SAME_TWICE = (
    "The forward pass is not the same twice for the same examples: something in it is random or changes from call to "
    "call, so that no score would be right. Leave out dropout and noise in evaluation (F.dropout needs "
    "training=self.training), and change no buffer in the forward pass."
)


def _deltas(losses: Tensor, calls: list[Call], last_only: bool) -> list[Tensor]:
    """Asking for the outputs' gradients alone spares the weights' (a third of a backward pass)."""
    outputs = [call.output for call in calls if call.output_node is not None]
    if not outputs or losses.grad_fn is None:
        return [torch.zeros_like(call.output) for call in calls]
    with explain_backward_errors():
        found = torch.autograd.grad(losses.sum(), outputs, allow_unused=True)
    if last_only and found[0] is None:
        raise InfluenceError(
            f"The losses do not depend on layer {calls[0].layer}, which runs last: use layers='all', or let the layer "
            "that gives the outputs run last."
        )
    known = iter(found)
    deltas = [None if call.output_node is None else next(known) for call in calls]
    return [torch.zeros_like(call.output) if d is None else d for call, d in zip(calls, deltas, strict=True)]


def contents(value: object) -> Iterator[object]:
    """The value, and what is in it where it is a list, a tuple, a set or a mapping."""
    yield value
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple, set, frozenset)):
        for each in value:
            yield from contents(each)


def _generator_state(generator: Any) -> bytes:
    is_torchs = isinstance(generator, torch.Generator)  # which takes long to pickle
    return generator.get_state().numpy().tobytes() if is_torchs else pickle.dumps(generator)


def _described(value: object) -> str:
    return f"of shape {tuple(value.shape)} and type {value.dtype}" if isinstance(value, Tensor) else _given(value)


def _given(value: object) -> str:
    return f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"


def _remedy(outputs: object) -> str:
    if isinstance(outputs, Tensor):
        return "give labels of the shape and type that the loss takes."
    return "give a loss that takes what the model gives, and picks the tensor that it needs."


def _other_type(model: nn.Module, inputs: Tensor) -> str:
    own = next((p.dtype for p in model.parameters()), inputs.dtype)
    return f" (its weights are {own}: inputs.to({own}))" if own != inputs.dtype else ""


def _lost(inputs: Tensor, outputs: object) -> str:
    """Refuse outputs that are not one for each example: the model must be changed."""
    if not isinstance(outputs, Tensor) or (outputs.ndim and len(outputs) == len(inputs)):
        return ""
    return (
        f" The model's outputs have shape {tuple(outputs.shape)}, so it has lost the example dimension: squeeze() "
        "drops every dimension of size one, so name the axis, as in squeeze(1)."
    )
