"""A copy of a model to work on, and the loading of checkpoints into it."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from influence.errors import InfluenceError
from influence.gradients.layers import check_hooks
from influence.gradients.passes import one_line, own_modes
from influence.learners.checkpoints import Checkpoint

_PARALLEL = (nn.DataParallel, nn.parallel.DistributedDataParallel)


@own_modes()
def copied(model: nn.Module) -> nn.Module:
    """A copy without the wrappers of `torch.compile` and of data parallelism.

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
    # Hooks of old such as weight_norm keep weights that they computed, which copy.deepcopy refuses.
    kept = [each for module in model.modules() for each in vars(module).values() if isinstance(each, Tensor)]
    memo: dict[int, Any] = {id(each): each.detach().clone() for each in kept if not each.is_leaf}
    try:
        plain = _unwrapped(copy.deepcopy(model, memo))
    except Exception as error:
        raise InfluenceError(
            f"The model can't be copied ({one_line(error)}): TracIn works on a copy, so that yours stays as it is; "
            "give a model that copy.deepcopy takes."
        ) from error
    return plain


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
    """As a list; anything else is an `InfluenceError`."""
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


def load(model: nn.Module, checkpoint: Checkpoint) -> None:
    """Put a checkpoint's weights into a model that `copied` gave; an error if they do not fit."""
    state = {name.replace("_orig_mod.", ""): value for name, value in checkpoint.state.items()}
    own = model.state_dict().keys()
    while not own & state.keys() and state and all(name.startswith("module.") for name in state):
        state = {name.removeprefix("module."): value for name, value in state.items()}
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise InfluenceError(
            f"The checkpoint of epoch {checkpoint.epoch} does not fit the model ({one_line(error)}): use the "
            "checkpoints of this architecture."
        ) from error
