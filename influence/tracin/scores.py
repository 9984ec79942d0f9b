"""TracInCP (Pruthi et al. 2020, section 3.2): influence as inner products of gradients, summed over checkpoints::

    TracInCP(z, z') = sum_i eta_i <grad l(w_i, z), grad l(w_i, z')>

with eta_i the learning rate at checkpoint i. Positive: training on z lowered the loss on z' (z is a proponent);
negative: it raised it (an opponent). The formula follows plain SGD; for a model trained with Adam or momentum it is the
usual approximation, since the optimizer's step is not eta times the gradient.
"""

import math
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from influence.errors import InfluenceError
from influence.gradients.factors import FactorExtractor, Factors, Projection, spread
from influence.gradients.layers import LayerFactors
from influence.gradients.passes import Loss, own_modes
from influence.learners.toolkit.checkpoints import Checkpoint
from influence.ranking import TopK, check_k, strongest
from influence.tracin.models import check_checkpoints, check_options, check_reaches_copy, copied, load


class Examples(NamedTuple):
    """Inputs (n, ...) and labels (n, ...) as the model and the loss take them."""

    inputs: Tensor
    labels: Tensor

    def check(self) -> None:
        """Raise unless there is one label for each input."""
        for name, part in (("inputs", self.inputs), ("labels", self.labels)):
            if not isinstance(part, Tensor):
                raise InfluenceError(
                    f"The {name} are of type {type(part).__name__}: give one tensor with the examples along its first "
                    "dimension (torch.as_tensor makes one of an array)."
                )
            if part.is_nested:
                raise InfluenceError(
                    f"The {name} are a nested tensor: give all examples one shape (to_padded_tensor() fills them up)."
                )
            if part.layout != torch.strided:
                raise InfluenceError(f"The {name} are a tensor of layout {part.layout}: give {name}.to_dense().")
            if part.is_meta:
                raise InfluenceError(
                    f"The {name} are on the meta device, where tensors have no numbers: make them on the CPU."
                )
            if not part.ndim:
                raise InfluenceError(
                    f"The {name} are one number: give a tensor with the examples along its first dimension."
                )
        if len(self.inputs) != len(self.labels):
            raise InfluenceError(
                f"There are {len(self.inputs)} inputs and {len(self.labels)} labels: give one label for each input."
            )


class TracInCP:
    """Exact TracInCP scores over all trainable parameters, biases included.

    Parameters
    ----------
    model : nn.Module
        The architecture; see `FactorExtractor` for what it may hold. It is copied, and its weights are not used.
    checkpoints : sequence of Checkpoint
    loss : callable
        (outputs, labels) -> (n,) losses.
    layers : "all" or "last"
        "last" is an approximation: the gradients of the layer that runs last alone.
    projection : Projection, optional
        An approximation: random projection of every layer's factors.
    memory : int
        Bytes that a block of targets may take, for its scores and its factors at one checkpoint; passes over a few
        hundred examples, of some 400 MB, come on top. It sets how many blocks there are, never the result.

    Raises
    ------
    InfluenceError
        If there is no checkpoint, one does not fit the model, or the model has a layer that is not supported.
    """

    def __init__(
        self,
        model: nn.Module,
        checkpoints: Sequence[Checkpoint],
        loss: Loss,
        *,
        layers: Literal["all", "last"] = "all",
        projection: Projection | None = None,
        memory: int = 2**30,
    ) -> None:
        check_options(memory, projection)
        self.checkpoints = check_checkpoints(checkpoints)
        self.model = copied(model)
        self._original: nn.Module | None = model  # until the copy is known not to use it
        self.memory = memory
        self._extract = FactorExtractor(self.model, loss, layers, projection)
        self._verified: Examples | None = None  # the training examples that were verified last, at every checkpoint
        for checkpoint in self.checkpoints:
            load(self.model, checkpoint)

    def scores(self, train: Examples, targets: Examples) -> Tensor:
        """The full (n_targets, n_train) matrix. For many targets, prefer `blocks` or `top_k`."""
        return torch.cat([block for _, block in self.blocks(train, targets)])

    def top_k(self, train: Examples, targets: Examples, k: int) -> TopK:
        """The k strongest proponents and opponents of each target, a block of targets at a time.

        Raises
        ------
        InfluenceError
            If k is not between 1 and the number of training examples.
        """
        check(train, targets)
        check_k(k, len(train.inputs))
        return TopK(
            *(torch.cat(part) for part in zip(*(strongest(b, k) for _, b in self.blocks(train, targets)), strict=True))
        )

    def blocks(
        self, train: Examples, targets: Examples, on_progress: Callable[[float], None] = lambda share: None
    ) -> Iterator[tuple[slice, Tensor]]:
        """Scores of a block of targets on all training examples, block by block.

        Yields
        ------
        rows : slice
            Which targets.
        scores : (len(rows), n_train) Tensor
        """
        check(train, targets)
        n_targets, n_train = len(targets.inputs), len(train.inputs)
        probe = self._probe(targets)
        size = max(self.memory // (n_train * probe.like.element_size() + probe.factor_bytes), 1)
        n_blocks = max(-(-n_targets // size), 1)
        size = max(-(-n_targets // n_blocks), 1)  # blocks of about one size
        for start in range(0, max(n_targets, 1), size):
            rows = slice(start, min(start + size, n_targets))
            first = start // size

            def report(share: float, first: int = first) -> None:
                on_progress((first + share) / n_blocks)

            yield rows, self._block(train, targets, rows, probe, report)

    @own_modes()
    def _block(
        self, train: Examples, targets: Examples, rows: slice, probe: "_Probe", on_progress: Callable[[float], None]
    ) -> Tensor:
        """(len(rows), n_train) scores; with the first block, the training examples are verified too."""
        n_train = len(train.inputs)
        train_rows = _rows(_TRAIN_ROWS, _TRAIN_BYTES, probe.factor_bytes)
        block = probe.like.new_zeros(rows.stop - rows.start, n_train)
        done, total = 0, len(self.checkpoints) * max(-(-n_train // train_rows), 1)
        for number, checkpoint in enumerate(self.checkpoints):
            load(self.model, checkpoint)
            if not rows.start:
                self._verify(targets, number)
                self._verify(train, number)
            target_losses: list[Tensor] = []
            train_losses: list[Tensor] = []
            left = self._factors(targets, rows, probe.rows, 1, target_losses)
            for part in _slices(n_train, train_rows):
                right = self._factors(
                    train, part, probe.rows, 0 if rows.start else _verified(part, n_train), train_losses
                )
                add_inner_products(block[:, part], left, right, checkpoint.learning_rate)
                done += 1
                on_progress(done / total)
        self._check_again(targets, rows, target_losses, probe.rows)
        if not rows.start:
            self._check_again(train, slice(0, n_train), train_losses, probe.rows)
            self._verified = train
        _check_finite(block)
        return block

    @own_modes()
    def self_influence(self, examples: Examples, on_progress: Callable[[float], None] = lambda share: None) -> Tensor:
        """TracInCP(z, z): (n,) sums of eta_i |grad l(w_i, z)|^2, all >= 0."""
        check(examples)
        probe = self._probe(examples)
        is_verified = self._verified is not None and all(map(operator.is_, self._verified, examples))
        result = probe.like.new_zeros(len(examples.inputs))
        done, total = 0, len(self.checkpoints) * max(-(-len(result) // probe.rows), 1)
        for number, checkpoint in enumerate(self.checkpoints):
            load(self.model, checkpoint)
            if not is_verified:
                self._verify(examples, number)
            losses: list[Tensor] = []
            for part in _slices(len(result), probe.rows):
                inputs, labels = (each[part] for each in examples)
                norms = self._extract.squared_norms(inputs, labels, _verified(part, len(result)))
                losses.append(self._extract.losses)
                result[part].add_(norms, alpha=checkpoint.learning_rate)
                done += 1
                on_progress(done / total)
        self._check_again(examples, slice(0, len(result)), losses, probe.rows)
        _check_finite(result)
        return result

    @own_modes()
    def group(self, train: Examples, targets: Examples) -> Tensor:
        """(n_train,) influence on a group: the sum of its targets' scores, at the price of one query.

        The group's gradients are summed layer by layer first: <g, sum_j g_j> = delta^T (sum_j g_j) [a, 1].
        """
        if self._extract.projection is not None:
            raise InfluenceError("A group's influence is one query: compute it without a projection.")
        check(train, targets)
        probe = self._probe(train)
        result = probe.like.new_zeros(len(train.inputs))
        for number, checkpoint in enumerate(self.checkpoints):
            load(self.model, checkpoint)
            self._verify(targets, number)
            self._verify(train, number)
            sums: list[Tensor] = []
            target_losses: list[Tensor] = []
            train_losses: list[Tensor] = []
            for part in _slices(len(targets.inputs), probe.rows):
                factors = self._factors(targets, part, probe.rows, 1, target_losses)
                new = [_summed(layer) for layer in factors]
                sums = [old + more for old, more in zip(sums, new, strict=True)] if sums else new
            for part in _slices(len(result), probe.rows):
                factors = self._factors(train, part, probe.rows, _verified(part, len(result)), train_losses)
                for layer, gradient in zip(factors, sums, strict=bool(sums)):
                    result[part].add_(_times(layer, gradient), alpha=checkpoint.learning_rate)
        self._check_again(targets, slice(0, len(targets.inputs)), target_losses, probe.rows)
        self._check_again(train, slice(0, len(result)), train_losses, probe.rows)
        _check_finite(result)
        return result

    def _verify(self, examples: Examples, number: int) -> None:
        """Compare some examples with themselves alone, in a batch of their own, which is not in their order.

        At every checkpoint, which has this number, they are others.
        """
        n = len(examples.inputs)
        shift = number * max(n // (_VERIFIED_ROWS * len(self.checkpoints)), 1)
        some = [(row + shift) % n for row in spread(n, min(_VERIFIED_ROWS, n))]
        if some:
            self._extract(examples.inputs[some], examples.labels[some], len(some))

    def _check_again(self, examples: Examples, rows: slice, losses: list[Tensor], pass_rows: int) -> None:
        """Compare the losses that examples had at the last checkpoint with those that they have in other batches."""
        if losses:
            self._extract.check_again(examples.inputs[rows], examples.labels[rows], torch.cat(losses), pass_rows)

    def _probe(self, examples: Examples) -> "_Probe":
        """Take a few examples' factors, which also verifies the model on more than one."""
        inputs, labels = (part[:_PROBE_ROWS] for part in examples)
        if self._original is not None and len(inputs):
            several = [torch.cat([part, part]) if len(part) == 1 else part for part in (inputs, labels)]
            check_reaches_copy(self._original, lambda: self._extract.passes.losses(*several))
            self._original = None
        factors = self._extract(inputs, labels)
        like = factors[0][0]
        factor_bytes = sum(math.prod(factor.shape[1:]) for layer in factors for factor in layer) * like.element_size()
        return _Probe(
            like,
            factor_bytes,
            _rows(_PASS_ROWS, _PASS_BYTES, factor_bytes + self._extract.pass_bytes // max(len(inputs), 1)),
        )

    def _factors(self, examples: Examples, rows: slice, pass_rows: int, verified: int, losses: list[Tensor]) -> Factors:
        """Factors of some of the examples, in passes of so many; ``verified`` is for the last pass.

        The losses of every pass are appended to ``losses``.
        """
        inputs, labels = (part[rows] for part in examples)
        if len(inputs) <= pass_rows:
            factors = self._extract(inputs, labels, verified)
            losses.append(self._extract.losses)
            return factors
        whole: Factors = []
        for part in _slices(len(inputs), pass_rows):
            factors = self._extract(inputs[part], labels[part], verified if part.stop == len(inputs) else 0)
            losses.append(self._extract.losses)
            whole = whole or [tuple(f.new_empty(len(inputs), *f.shape[1:]) for f in layer) for layer in factors]
            for target, source in zip(whole, factors, strict=True):
                for all_rows, factor in zip(target, source, strict=True):
                    all_rows[part] = factor
        return whole


_TRAIN_ROWS = 512  # training examples whose factors are held at a time
_TARGET_ROWS = 512  # rows of one tile of the score matrix: 512 x 512 floats stay in the processor's cache
_PASS_ROWS = 2048  # examples a pass elsewhere
_TRAIN_BYTES = 2**28  # and no more of the former than this holds,
_PASS_BYTES = 2**26  # nor of the latter: a convolution works best within the processor's cache
_PROBE_ROWS = 32
_VERIFIED_ROWS = 3  # examples of every part that are verified at every checkpoint,
_VERIFIED_PASSES = 2  # and about so many passes of which one is


class _Probe(NamedTuple):
    like: Tensor  # of the scores' type
    factor_bytes: int  # of one example's factors
    rows: int  # examples a pass


def add_inner_products(out: Tensor, left: Factors, right: Factors, weight: float = 1.0) -> None:
    """Add to ``out``, (n_left, n_right), the weighted inner products of all pairs of gradients, in place."""
    n_right = out.shape[1]
    buffers = out.new_empty(3, min(_TARGET_ROWS, len(out)), n_right)
    for rows in _slices(len(out), _TARGET_ROWS):
        total, first, second = buffers[:, : rows.stop - rows.start]
        total.zero_()
        for layer_left, layer_right in zip(left, right, strict=True):
            if len(layer_left) == 1:
                total.addmm_(layer_left[0][rows], layer_right[0].T)
            elif layer_left[0].ndim == 3:
                _add_over_positions(total, [factor[rows] for factor in layer_left], layer_right)
            else:
                torch.mm(layer_left[0][rows], layer_right[0].T, out=first)
                torch.mm(layer_left[1][rows], layer_right[1].T, out=second)
                total.addcmul_(first, second)
        out[rows].add_(total, alpha=weight)


def _add_over_positions(out: Tensor, left: Sequence[Tensor], right: Sequence[Tensor]) -> None:
    """The same for one layer with (n, positions, width) factors, in tiles of one size however many positions."""
    positions, n_right = left[0].shape[1], out.shape[1]
    columns = [factor.flatten(0, 1).T for factor in right]
    for rows in _slices(len(out), max(_TARGET_ROWS // positions**2, 1)):
        first, second = (factor[rows].flatten(0, 1) @ column for factor, column in zip(left, columns, strict=True))
        out[rows] += first.mul_(second).view(-1, positions, n_right, positions).sum((1, 3))


def _summed(layer: LayerFactors) -> Tensor:
    """The sum of all gradients: (width,) where they are formed, else (n_out, n_in)."""
    if len(layer) == 1:
        return layer[0].sum(0)
    activation, delta = (factor.flatten(0, -2) for factor in layer)
    return delta.T @ activation


def _times(layer: LayerFactors, gradient: Tensor) -> Tensor:
    """(n,): the inner product of each gradient with what `_summed` gave."""
    if len(layer) == 1:
        return layer[0] @ gradient
    activation, delta = layer
    return ((activation @ gradient.T) * delta).flatten(1).sum(1)


def _rows(most: int, memory: int, each: int) -> int:
    """How many examples of so many bytes each go together; two at least, since a pass of one is made of two."""
    return max(min(most, memory // max(each, 1)), 2)


def _verified(part: slice, n: int) -> int:
    """How many examples of this pass are verified: one in the last pass, and in some of the others."""
    size = part.stop - part.start
    step = max(n // size // _VERIFIED_PASSES, 1)
    return int(part.stop == n or part.start // size % step == 0)


def check(*parts: Examples) -> None:
    """Raise unless these are examples, with one label for each input."""
    for part in parts:
        if not isinstance(part, Examples):
            raise InfluenceError(f"The examples are of type {type(part).__name__}: give Examples(inputs, labels).")
        part.check()


def _slices(n: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def _check_finite(scores: Tensor) -> None:
    if not torch.isfinite(scores).all():
        raise InfluenceError(
            "Some TracIn scores are not finite numbers: a checkpoint or an input holds NaN, or the gradients overflow."
        )
