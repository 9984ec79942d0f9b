"""A walk along autograd's graph: by which ways do weights reach the losses?"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node

from influence.errors import InfluenceError
from influence.gradients.layers import trained_parameters


class Call(NamedTuple):
    """One use of a layer; ``*_version`` count the changes in place until then, ``*_node`` are nodes of the graph."""

    layer: str
    activation: Tensor
    activation_version: int
    activation_node: Node | None
    output: Tensor
    output_version: int
    output_node: Node | None


def check_graph(
    losses: Tensor, calls: Sequence[Call], layers: Mapping[str, nn.Module], known: Sequence[Tensor]
) -> None:
    """Walk from the losses back to the leaves, jumping over these calls of layers.

    ``known`` are the leaves that there may be beside the layers' own weights.

    Raises
    ------
    InfluenceError
        If a weight of these layers is reached all the same, or a trainable tensor that is not known.
    """
    if losses.grad_fn is None:
        raise InfluenceError(
            "The losses do not depend on the model's trainable parameters by any way that autograd follows: leave out "
            "detach(), no_grad() and conversions to NumPy between the parameters and the loss."
        )
    owners = {id(p): call.layer for call in calls for p in trained_parameters(layers[call.layer])}
    others = {id(each) for each in known}
    before = {call.output_node: call.activation_node for call in calls}
    seen: set[Node] = set()
    left: list[Node | None] = [losses.grad_fn]
    while left:
        node = left.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        leaf = getattr(node, "variable", None)
        if node in before:
            left.append(before[node])
        elif leaf is None:
            left += [following for following, _ in node.next_functions]
        elif id(leaf) in owners:
            raise InfluenceError(not_its_own(owners[id(leaf)]))
        elif id(leaf) not in others:
            raise InfluenceError(
                f"The losses depend on a trainable tensor of shape {tuple(leaf.shape)} that is no parameter of the "
                "model (TracInCP works on a copy of it): detach that tensor, or make it a layer of the model."
            )


def number_types(losses: Tensor) -> set[torch.dtype]:
    """The types of all numbers between the losses and the leaves that autograd knows of."""
    found, seen = {losses.dtype}, set[Node]()
    left: list[Node | None] = [losses.grad_fn]
    while left:
        node = left.pop()
        if node is not None and node not in seen:
            seen.add(node)
            found |= {each.dtype for each in node._input_metadata}
            left += [following for following, _ in node.next_functions]
    return found


def not_its_own(layer: str) -> str:
    """The sentence for a layer whose gradient is another than its inputs and outputs make."""
    return (
        f"The gradient of layer {layer} is not made by its inputs and outputs alone: its weights are used elsewhere "
        "too, or something changes what it gives. TracIn would be wrong here: use a layer of its own there, or freeze "
        "this one (requires_grad=False)."
    )
