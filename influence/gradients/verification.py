"""Whether what a batch gives for an example is what that example gives alone.

Gradients made of a layer's inputs and outputs are exact only where an example's loss depends on that example alone. So
some examples of a batch are passed by themselves, and their losses and gradients by plain autograd are compared with
what the batch gave for them.
"""

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from influence.errors import InfluenceError
from influence.gradients.graph import Call, not_its_own, number_types
from influence.gradients.layers import Gradients, Outer, gradients, trained_parameters
from influence.gradients.passes import NOT_THE_SAME_TWICE, Loss, Pass, Passes, explain_backward_errors, run

COMPANIONS = (
    "What the model or the loss gives for one example depends on the other examples of its batch, or examples change "
    "places in it, so that no score would be right. Leave out of the forward pass what mixes a batch (its statistics, "
    "sorting, attention across it), and let the loss give one number an example that is not divided by anything of the "
    "batch (reduction='none'), from outputs and labels of one shape."
)
COMPANIONS_OR_CHANGES = (
    "Some examples have another loss if the same model sees them again in another batch. Either what the model or the "
    "loss gives for an example depends on the others of its batch, or something in them is random or changes from call "
    "to call, so that no score would be right. Leave out what mixes a batch (statistics, padding to the longest, a "
    "loss divided by a number of the batch), noise and counters."
)


UNDERFLOW = (
    "Gradients are too small for float16, in which they become 0, so that scores would miss them: give the model and "
    "the inputs in float32 (model.float(), inputs.float()) or bfloat16."
)


class _Tolerance(NamedTuple):
    """How far two results may lie apart: a share of their size, and another of what errors of the outputs amount to.

    The latter is what counts where a loss is nearly zero, a small difference of large numbers. It may be no more than
    ``most`` of a result's size: what is further off is looked at in float64.
    """

    share: float
    of_outputs: float
    most: float | None = None


def verify(passes: Passes, inputs: Tensor, labels: Tensor, done: Pass, rows: Sequence[int]) -> None:
    """Compare some examples of a batch with themselves alone.

    Rounding is no fault: what looks like one in the model's own number type is judged in float64, where the model can
    be turned into that, and with some indulgence where it can't.

    Raises
    ------
    InfluenceError
        If they differ; the message says why, as far as it can be found out.
    """
    epsilon = max(torch.finfo(t.dtype).eps for t in (done.losses, *(call.output for call in done.calls)))
    first_look = _Tolerance(256 * epsilon, 16 * epsilon, 0.02)
    is_precise = epsilon < 1e-6  # a coarser type hides a light dependence
    if is_precise and _agree(passes, inputs, labels, done, rows, first_look):
        return
    share = torch.finfo(torch.float64).eps ** 0.5 if _is_double(passes.model, done) else 1e-5
    agree = _agree_in_double(passes, inputs, labels, rows, share)
    if agree is None:
        agree = _agree(passes, inputs, labels, done, rows, _Tolerance(4 * epsilon**0.5, 16 * epsilon))
    if agree and done.losses.dtype == torch.float16 and _underflows(passes, inputs, labels, done, rows):
        raise InfluenceError(UNDERFLOW)
    if not agree:
        raise InfluenceError(_reason(passes, inputs, labels, done, max(1e-3, 4 * epsilon**0.5)))


def differing(passes: Passes, inputs: Tensor, labels: Tensor, losses: Tensor, again: Tensor) -> set[int]:
    """Positions of a few examples whose two losses, found in different batches, lie a little apart.

    Raises
    ------
    InfluenceError
        If some lie so far apart that no rounding explains it.
    """
    epsilon = torch.finfo(losses.dtype).eps
    apart = (losses - again).abs()
    share = min(256 * epsilon, 4 * epsilon**0.5)
    beyond = ~(apart <= share * torch.maximum(losses.abs(), again.abs())) & torch.isfinite(losses)
    rows = beyond.nonzero()[:, 0]
    if not len(rows):
        return set()
    rows = rows[apart[rows].nan_to_num(torch.inf).argsort(descending=True)][:_SUSPECTS]
    rows = rows if len(rows) > 1 else rows.repeat(2)  # a model may want two
    size = losses.abs().median() + losses[rows].abs()  # a loss of nearly 0 is a difference of larger numbers
    rounding = 16 * epsilon * _sensitivity(passes, inputs[rows], labels[rows])
    if not (apart[rows] <= max(1e-3, 4 * epsilon**0.5) * size + rounding).all():
        raise InfluenceError(COMPANIONS_OR_CHANGES)
    return set(rows[apart[rows] > rounding].tolist())  # what rounding of the outputs does to a loss is no suspicion


def _sensitivity(passes: Passes, inputs: Tensor, labels: Tensor) -> Tensor:
    """(n,): how much a relative change of its outputs changes an example's loss; 0 where outputs are no tensor."""
    outputs, losses = run(passes.model, passes.loss, inputs, labels)
    if not isinstance(outputs, Tensor) or not outputs.requires_grad or len(outputs) != len(losses):
        return torch.zeros_like(losses)
    with explain_backward_errors():
        (gradient,) = torch.autograd.grad(losses.sum(), outputs)
    return (outputs.detach() * gradient).abs().reshape(len(losses), -1).sum(1).nan_to_num()


_SUSPECTS = 8


def _agree(
    passes: Passes, inputs: Tensor, labels: Tensor, done: Pass, rows: Sequence[int], tolerance: _Tolerance
) -> bool:
    """Whether these rows of the batch have the losses and the gradients that they have alone."""
    layers = [passes.layers[call.layer] for call in done.calls]
    parameters = [trained_parameters(layer) for layer in layers]
    some = list(rows)
    alone, expected = [], []
    for row in some:  # one after the other: a pass may use the memory of the one before it again
        _, loss = _alone(passes, inputs, labels, row)
        expected.append(_gradients(loss, parameters))
        alone.append(loss.detach())
    losses = torch.stack([done.losses[some], torch.stack(alone)]).detach()
    found = [torch.stack([(losses[0] - losses[1]).abs(), losses.abs().amax(0), losses[0]])]
    for number, (layer, call, delta) in enumerate(zip(layers, done.calls, done.deltas, strict=True)):
        its = torch.stack([_flat(each[number]) for each in expected])
        own = torch.cat(_part(layer, call, delta, some, its).formed(), dim=1)
        found.append(torch.linalg.vector_norm(torch.stack([own - its, its, own]), dim=2))
    differences, scales, of_batch = torch.stack(found, dim=1)  # each (1 + n_layers, n_rows)
    excess = differences - tolerance.share * scales
    # Where positions cancel, rounding is measured by their sizes, and by what rounding of the outputs does.
    for i in _beyond(excess, of_batch).any(0).nonzero()[:, 0].tolist():
        row, scale = some[i], scales[:, i]
        outputs, _ = _alone(passes, inputs, labels, row)
        units = torch.stack(_rounding(outputs, passes.loss, labels[row, None], parameters))
        allowed = tolerance.of_outputs * units
        allowed[1:] += tolerance.of_outputs * _noise(units[0], losses[0, i], done.calls, row)
        # What is truly 0 is left of sums of numbers about as large as the largest gradients.
        allowed[1:] += tolerance.of_outputs * scale[1:].nan_to_num(0, 0, 0).amax()
        parts = [
            _part(layer, call, delta, [row], scale)
            for layer, call, delta in zip(layers, done.calls, done.deltas, strict=True)
        ]
        allowed[1:] += tolerance.share * torch.stack([_size(part.outer()) for part in parts])
        if tolerance.most is not None:
            allowed = torch.minimum(allowed, tolerance.most * scale.nan_to_num(0, 0, 0))
        if _beyond(excess[:, i] - allowed, of_batch[:, i]).any():
            return False
    return True


def _part(layer: nn.Module, call: Call, delta: Tensor, rows: list[int], like: Tensor) -> Gradients:
    """The gradients of some rows of a batch."""
    return gradients(layer, call.activation[rows].to(like), delta[rows].to(like))


def _beyond(excess: Tensor, of_batch: Tensor) -> Tensor:
    """Tell where a value is too large, or is not finite although the batch's is; scores show the latter."""
    return ~(excess <= 0) & torch.isfinite(of_batch)


def _noise(unit: Tensor, loss: Tensor, calls: Sequence[Call], row: int) -> Tensor:
    """(n_layers,): times an epsilon, roughly what rounding leaves of a gradient that is truly 0.

    It is the size of the loss and of what rounding the outputs does to it, by weights whose size is that of the layer's
    output over its input.
    """
    size = loss.abs().nan_to_num(0, 0, 0) + unit
    shares = [call.activation[row].norm() / call.output[row].detach().norm() for call in calls]
    return size * torch.stack(shares).to(size).nan_to_num(0, 0, 0)


def _size(outer: Outer) -> Tensor:
    """The sum over positions of the sizes of their gradients."""
    size: Tensor = (outer.delta.norm(dim=2) * outer.activation.norm(dim=2)).sum()
    return size


def _alone(passes: Passes, inputs: Tensor, labels: Tensor, row: int) -> tuple[Any, Tensor]:
    """The outputs and the loss of one example by itself.

    A model that can't take a batch of one gets the example several times, in a batch of another size.
    """
    try:
        outputs, losses = run(passes.model, passes.loss, inputs[row, None], labels[row, None])
    except InfluenceError:
        several = [row] * (3 if len(inputs) == 2 else 2)
        outputs, losses = run(passes.model, passes.loss, inputs[several], labels[several])
    return outputs, losses[0]


def _rounding(outputs: Any, loss: Loss, labels: Tensor, parameters: list[list[Tensor]]) -> list[Tensor]:
    """Times an epsilon, what rounding every output does to the loss, and to its gradients by each layer.

    Errors have random signs, so a few draws of them are followed: by the loss's gradient and by its curvature.
    """
    nothing = [torch.zeros(())] * (1 + len(parameters))
    if not isinstance(outputs, Tensor) or not outputs.requires_grad or len(outputs) != len(labels):
        return nothing
    with explain_backward_errors():
        point = outputs.detach().requires_grad_()
        (slope,) = torch.autograd.grad(loss(point, labels).sum(), point, create_graph=True)
        found = [(slope * point).detach().abs().nan_to_num(0, 0, 0).sum()]
        squares = [torch.zeros_like(found[0])] * len(parameters)
        for draw in range(_DRAWS if slope.requires_grad else 0):
            signs = torch.randint(0, 2, point.shape, generator=torch.Generator().manual_seed(draw)).to(point) * 2 - 1
            error = (signs * point.detach()).nan_to_num(0, 0, 0)
            (moved,) = torch.autograd.grad(slope, point, error, retain_graph=True)
            by_layer = _gradients((outputs * moved.nan_to_num(0, 0, 0)).nan_to_num(0, 0, 0).sum(), parameters)
            squares = [old + _norm(each).square() / _DRAWS for old, each in zip(squares, by_layer, strict=True)]
    return [*found, *(square.sqrt().nan_to_num(0, 0, 0) for square in squares)]


_DRAWS = 4


def _norm(parts: list[Tensor]) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(part) for part in parts]))
    return norm


def _flat(parts: list[Tensor]) -> Tensor:
    return torch.cat([part.flatten() for part in parts])


def _gradients(value: Tensor, parameters: list[list[Tensor]]) -> list[list[Tensor]]:
    """Group by the parameters of every layer."""
    flat = [p for some in parameters for p in some]
    with explain_backward_errors():
        found = iter(torch.autograd.grad(value, flat, allow_unused=True, materialize_grads=True, retain_graph=True))
    return [[next(found) for _ in some] for some in parameters]


def _is_double(model: nn.Module, done: Pass) -> bool:
    """Whether the model and all that it does is in float64, as far as that shows, so that rounding is smaller."""
    kept = {each.dtype for each in (*model.parameters(), *model.buffers()) if each.is_floating_point()}
    return kept | number_types(done.losses) == {torch.float64}


def _agree_in_double(passes: Passes, inputs: Tensor, labels: Tensor, rows: Sequence[int], share: float) -> bool | None:
    """The same with all numbers in float64; None if the model or the loss does not work in that type."""
    try:
        model = copy.deepcopy(passes.model).double()
        layers = {name: model.get_submodule(name) for name in passes.layers}
        exact = Passes(model, passes.loss, layers, passes.last_only)
        inputs, labels = (part.double() if part.is_floating_point() else part for part in (inputs, labels))
        done = exact(inputs, labels)
        if any(each.dtype != torch.float64 for each in (done.losses, *(call.output for call in done.calls))):
            return None
        return _agree(exact, inputs, labels, done, rows, _Tolerance(share, 1024 * torch.finfo(torch.float64).eps))
    except Exception:  # whatever the model or the loss has against that type
        return None


def _underflows(passes: Passes, inputs: Tensor, labels: Tensor, done: Pass, rows: Sequence[int]) -> bool:
    """Whether a quarter of the gradients of some layer is lost, against those in float32."""
    model = copy.deepcopy(passes.model).float()
    wide = Passes(model, passes.loss, {name: model.get_submodule(name) for name in passes.layers}, passes.last_only)
    inputs, labels = (part.float() if part.dtype == torch.float16 else part for part in (inputs, labels))
    try:
        expected = wide(inputs, labels)
    except InfluenceError:  # the model or the loss wants float16
        return False
    some = list(rows)
    for call, delta, other, exact in zip(done.calls, done.deltas, expected.calls, expected.deltas, strict=True):
        layer = wide.layers[call.layer]
        own, whole = (
            _flat(gradients(layer, activation[some].float(), part[some].float()).formed())
            for activation, part in ((call.activation, delta), (other.activation, exact))
        )
        if (own - whole).norm() > whole.norm() / 4:
            return True
    return False


def _reason(passes: Passes, inputs: Tensor, labels: Tensor, done: Pass, tolerance: float) -> str:
    """Why a batch gives something else than its examples alone."""
    _, losses = run(passes.model, passes.loss, inputs, labels)
    if not torch.equal(losses, done.losses):
        return NOT_THE_SAME_TWICE
    for call, delta in zip(done.calls, done.deltas, strict=True):
        layer = passes.layers[call.layer]
        with explain_backward_errors():
            sums = torch.autograd.grad(
                losses.sum(), trained_parameters(layer), allow_unused=True, materialize_grads=True, retain_graph=True
            )
        part = gradients(layer, call.activation.to(sums[0]), delta.to(sums[0]))
        off = _norm([one.flatten() - own.sum(0) for one, own in zip(sums, part.formed(), strict=True)])
        if off > tolerance * _size(part.outer()):
            return not_its_own(call.layer)
    return COMPANIONS
