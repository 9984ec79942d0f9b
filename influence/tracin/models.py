"""A copy of a model to work on, and the loading of checkpoints into it."""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from numbers import Integral
from typing import Any

import torch
from torch import Tensor, nn

from influence.errors import InfluenceError
from influence.gradients.factors import Projection
from influence.gradients.layers import check_hooks
from influence.gradients.passes import contents, one_line, own_modes
from influence.learners.toolkit.checkpoints import Checkpoint, is_extra_state

_PARALLEL = (nn.DataParallel, nn.parallel.DistributedDataParallel)


Attribute = tuple[str, str]
"""The names of a module within a model and of one of its attributes."""


@own_modes()
def copied(model: nn.Module) -> tuple[nn.Module, list[Attribute]]:
    """A copy without the wrappers of `torch.compile` and of data parallelism, and what no checkpoint reaches in it.

    The latter are tensors that were made of a parameter or share its memory, and are neither parameter nor buffer. A
    forward pass may make them anew; see `rewritten`.

    Raises
    ------
    InfluenceError
        If it is no module, holds layers that are not supported, or can't be copied.
    """
    if not isinstance(model, nn.Module):
        raise InfluenceError(
            f"The model is of type {type(model).__name__}: give the nn.Module that the checkpoints are of."
        )
    check_hooks(model)
    _check_buffers(model)
    # Hooks of old such as weight_norm keep weights that they computed, which copy.deepcopy refuses.
    kept = [each for module in model.modules() for value in vars(module).values() for each in contents(value)]
    memo: dict[int, Any] = {
        id(each): each.detach().clone() for each in kept if isinstance(each, Tensor) and not each.is_leaf
    }
    made = _made_of_parameters(model)
    try:
        duplicate = copy.deepcopy(model, memo)
        owners = [(duplicate.get_submodule(label), name) for label, name in made]
        plain = _unwrapped(duplicate)
    except Exception as error:
        raise InfluenceError(
            f"The model can't be copied ({one_line(error)}): TracIn works on a copy, so that yours stays as it is; "
            "give a model that copy.deepcopy takes."
        ) from error
    labels = {id(module): label for label, module in plain.named_modules()}
    return plain, [(labels[id(owner)], name) for owner, name in owners if id(owner) in labels]


def _check_buffers(model: nn.Module) -> None:
    """Refuse a buffer in the memory of a parameter that no state dict holds: a copy would separate the two."""
    memory = {_memory(each): name for name, each in model.named_parameters()}
    stored = model.state_dict().keys()
    for name, buffer in model.named_buffers():
        if name not in stored and _memory(buffer) in memory and _memory(buffer) is not None:
            raise InfluenceError(
                f"The buffer {name} shares the memory of the parameter {memory[_memory(buffer)]}, so the weights of a "
                "checkpoint would not reach it: compute it in forward()."
            )


def _made_of_parameters(model: nn.Module) -> list[Attribute]:
    """Hooks that run before a layer, such as those of weight_norm, compute theirs anew in every pass."""
    memory = {_memory(each) for each in (*model.parameters(), *model.buffers())} - {None}
    return [
        (label, name)
        for label, module in model.named_modules()
        if not module._forward_pre_hooks
        for name, value in vars(module).items()
        if name not in _OWN and not isinstance(value, nn.Module)
        for each in contents(value)
        if isinstance(each, Tensor) and not isinstance(each, nn.Parameter)
        if not each.is_leaf or _memory(each) in memory
    ]


@contextmanager
def rewritten(model: nn.Module, attributes: Sequence[Attribute]) -> Iterator[None]:
    """Refuse a model in which a pass, which is made within, leaves one of these attributes as it is."""
    before = [_tensors_of(model, each) for each in attributes]
    yield
    for (label, name), old in zip(attributes, before, strict=True):
        if any(each is other for each in old for other in _tensors_of(model, (label, name))):
            raise InfluenceError(
                f"{f'{label}.' if label else ''}{name} is a tensor made of the model's parameters when the model was "
                "built, or in an earlier pass, so the weights of a checkpoint would not reach it: compute it in "
                "forward(), or set it to None."
            )


def _tensors_of(model: nn.Module, attribute: Attribute) -> list[Tensor]:
    label, name = attribute
    return [each for each in contents(getattr(model.get_submodule(label), name, None)) if isinstance(each, Tensor)]


_OWN = frozenset(("_parameters", "_buffers", "_modules"))


def _memory(tensor: Tensor) -> int | None:
    """Give the address of a tensor's numbers; None if it has none of its own."""
    try:
        return tensor.untyped_storage().data_ptr() or None
    except (RuntimeError, NotImplementedError):  # a sparse or lazy tensor has no storage, so it shares none
        return None


@own_modes()
def check_reaches_copy(original: nn.Module, losses: Callable[[], Tensor]) -> None:
    """Refuse a copy or a loss that still uses the module that was passed, whose weights are no checkpoint's.

    ``losses`` passes some examples through the copy.

    A hook, a loss or a replaced ``forward`` may hold that module itself. So the losses must be the same while all
    numbers in it are NaN, or other ones; they are put back, whatever happens.

    Raises
    ------
    InfluenceError
        If they are not.
    """
    before = losses()
    held = [each for each in (*original.parameters(), *original.buffers()) if not each.is_inference()]
    numbers = [each.data for each in held]
    after: Tensor | None = None
    try:
        for each in held:
            each.data = _other_numbers(each.data)
        with suppress(InfluenceError):  # a wrong index, say
            after = losses()
    finally:
        for each, own in zip(held, numbers, strict=True):
            each.data = own
    if after is not None and _same(before, after):
        return
    is_steady = all(_same(before, losses()) for _ in range(8))  # what is random is refused elsewhere
    if after is None or torch.isnan(after[torch.isfinite(before)]).any() or is_steady:
        raise InfluenceError(
            "A hook, the loss or a replaced forward() uses the module that you gave, and not the copy into which the "
            "checkpoints are loaded: let hooks use their argument `module`, write forward() as a method, and give the "
            "loss numbers of its own (scale = model.scale.item())."
        )


def _other_numbers(numbers: Tensor) -> Tensor:
    """NaN in the place of every number, or another one where a type has none."""
    if numbers.is_floating_point() or numbers.is_complex():
        return torch.full((), torch.nan, dtype=numbers.dtype, device=numbers.device).expand(numbers.shape)
    return ~numbers if numbers.dtype == torch.bool else numbers + 1


def _same(one: Tensor, other: Tensor) -> bool:
    return torch.equal(one.nan_to_num(), other.nan_to_num())


def _unwrapped(model: nn.Module) -> nn.Module:
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if name != "_orig_mod":
                setattr(module, name, _plain(child))
    return _plain(model)


def _plain(model: nn.Module) -> nn.Module:
    while True:
        if isinstance(original := getattr(model, "_orig_mod", None), nn.Module):
            model = original
        elif isinstance(model, _PARALLEL):
            model = model.module
        else:
            return model


def check_checkpoints(checkpoints: Sequence[Checkpoint]) -> list[Checkpoint]:
    """Convert to a list; anything else is an `InfluenceError`."""
    if isinstance(checkpoints, (Checkpoint, Mapping, str)) or not hasattr(checkpoints, "__iter__"):
        raise InfluenceError(
            f"The checkpoints are of type {type(checkpoints).__name__}: give a list of Checkpoint, even of one."
        )
    found = list(checkpoints)
    for each in found:
        if not isinstance(each, Checkpoint):
            raise InfluenceError(
                f"Among the checkpoints is one of type {type(each).__name__}: make it a Checkpoint(state_dict, "
                "learning_rate, epoch), or read its file with Checkpoint.load."
            )
    if not found:
        raise InfluenceError("TracIn sums over checkpoints, and there is none: give at least one.")
    return found


def check_options(memory: object, projection: object) -> None:
    """Raise unless these are a number of bytes, and a projection or None."""
    if isinstance(memory, bool) or not isinstance(memory, Integral) or memory < 1:
        raise InfluenceError(
            f"memory is {memory!r}, but must be a whole number of bytes, at least 1: 2**30, say, is a gibibyte."
        )
    if projection is not None and not isinstance(projection, Projection):
        raise InfluenceError(
            f"projection is {projection!r}, but must be a Projection, as Projection(128), or None for exact scores."
        )


def load(model: nn.Module, checkpoint: Checkpoint) -> None:
    """Put a checkpoint's weights into a model that `copied` gave; an error if they do not fit."""
    state = {name.replace("_orig_mod.", ""): value for name, value in checkpoint.state.items()}
    whole = model.state_dict()
    own = whole.keys()
    while not own & state.keys() and state and all(name.startswith("module.") for name in state):
        state = {name.removeprefix("module."): value for name, value in state.items()}
    # A checkpoint keeps tensors alone, so any other extra state stays as the model has it.
    extra = {k: value for k, value in whole.items() if is_extra_state(k) and not isinstance(value, Tensor)}
    try:
        model.load_state_dict(extra | state)
    except RuntimeError as error:
        raise InfluenceError(
            f"The checkpoint of epoch {checkpoint.epoch} does not fit the model ({one_line(error)}): use the "
            "checkpoints of this architecture."
        ) from error
