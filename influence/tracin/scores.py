"""TracInCP (Pruthi et al. 2020, section 3.2): influence as inner products of gradients, summed over checkpoints::

    TracInCP(z, z') = sum_i eta_i <grad l(w_i, z), grad l(w_i, z')>

with eta_i the learning rate at checkpoint i. Positive: training on z lowered the loss on z' (z is a proponent);
negative: it raised it (an opponent). The formula follows plain SGD; for a model trained with Adam or momentum it is the
usual approximation, since the optimizer's step is not eta times the gradient.
"""

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from influence.errors import InfluenceError
from influence.gradients.factors import FactorExtractor, Factors, Projection, spread
from influence.gradients.passes import Loss, own_modes
from influence.gradients.products import add_inner_products, summed, tiles, times
from influence.learners.toolkit.checkpoints import Checkpoint
from influence.ranking import TopK, check_k, strongest
from influence.tracin.examples import Examples as Examples
from influence.tracin.examples import Known, check
from influence.tracin.models import (
    check_checkpoints,
    check_options,
    check_reaches_copy,
    copied,
    load,
    rewritten,
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
        self.model, self._made_of_parameters = copied(
            model
        )  # nothing is passed through it: what a pass leaves in a model stays in a copy of it
        self._original: nn.Module | None = model  # until the copy is known not to use it
        self.memory = memory
        self._extractor = FactorExtractor(self.model, loss, layers, projection)
        self._verified: Known | None = None  # the training examples that were verified last, at every checkpoint
        self._largest_rate = max(checkpoint.learning_rate for checkpoint in self.checkpoints)
        trial = copy.deepcopy(self.model)
        for checkpoint in self.checkpoints:
            load(trial, checkpoint)

    @own_modes()
    def _at(self, number: int) -> FactorExtractor:
        """Factors of a fresh copy of the model, with the weights of a checkpoint."""
        model = copy.deepcopy(self.model)
        load(model, self.checkpoints[number])
        return self._extractor.on(model)

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
            extract = self._at(number)
            if not rows.start:
                self._verify(extract, targets, number)
                self._verify(extract, train, number)
            target_losses: list[Tensor] = []
            train_losses: list[Tensor] = []
            left = _factors(extract, targets, rows, probe.rows, 1, target_losses)
            for part in tiles(n_train, train_rows):
                verified = 0 if rows.start else _verified(part, n_train)
                right = _factors(extract, train, part, probe.rows, verified, train_losses)
                add_inner_products(block[:, part], left, right, checkpoint.learning_rate)
                done += 1
                on_progress(done / total)
            fresh = self._at(number)
            fresh.check_again(targets.inputs[rows], targets.labels[rows], target_losses)
            extract.check_same_weights(fresh)
            if not rows.start:
                fresh.check_again(*train, train_losses)
        if not rows.start:
            self._verified = Known.of(train)
        _check_range(block, extract, train, targets, self._largest_rate)
        return block

    @own_modes()
    def self_influence(self, examples: Examples, on_progress: Callable[[float], None] = lambda share: None) -> Tensor:
        """TracInCP(z, z): (n,) sums of eta_i |grad l(w_i, z)|^2, all >= 0."""
        check(examples)
        probe = self._probe(examples)
        is_verified = self._verified is not None and self._verified.is_same(examples)
        result = probe.like.new_zeros(len(examples.inputs))
        done, total = 0, len(self.checkpoints) * max(-(-len(result) // probe.rows), 1)
        for number, checkpoint in enumerate(self.checkpoints):
            extract = self._at(number)
            if is_verified:
                extract.is_verified = True
            else:
                self._verify(extract, examples, number)
            losses: list[Tensor] = []
            for part in tiles(len(result), probe.rows):
                inputs, labels = (each[part] for each in examples)
                norms = extract.squared_norms(inputs, labels, _verified(part, len(result)))
                losses.append(extract.losses)
                result[part].add_(norms, alpha=checkpoint.learning_rate)
                done += 1
                on_progress(done / total)
            if not is_verified:
                fresh = self._at(number)
                fresh.check_again(*examples, losses, number == len(self.checkpoints) - 1)
                extract.check_same_weights(fresh)
        _check_range(result, extract, examples, examples, self._largest_rate)
        return result

    @own_modes()
    def group(self, train: Examples, targets: Examples) -> Tensor:
        """(n_train,) influence on a group: the sum of its targets' scores, at the price of one query.

        The group's gradients are summed layer by layer first: <g, sum_j g_j> = delta^T (sum_j g_j) [a, 1].
        """
        if self._extractor.projection is not None:
            raise InfluenceError("A group's influence is one query: compute it without a projection.")
        check(train, targets)
        probe = self._probe(train)
        result = probe.like.new_zeros(len(train.inputs))
        for number, checkpoint in enumerate(self.checkpoints):
            extract = self._at(number)
            self._verify(extract, targets, number)
            self._verify(extract, train, number)
            sums: list[Tensor] = []
            target_losses: list[Tensor] = []
            train_losses: list[Tensor] = []
            for part in tiles(len(targets.inputs), probe.rows):
                factors = _factors(extract, targets, part, probe.rows, 1, target_losses)
                new = [summed(layer) for layer in factors]
                sums = [old + more for old, more in zip(sums, new, strict=True)] if sums else new
            for part in tiles(len(result), probe.rows):
                verified = _verified(part, len(result))
                factors = _factors(extract, train, part, probe.rows, verified, train_losses)
                for layer, gradient in zip(factors, sums, strict=bool(sums)):
                    result[part].add_(times(layer, gradient), alpha=checkpoint.learning_rate)
            fresh = self._at(number)
            is_last = number == len(self.checkpoints) - 1
            fresh.check_again(*targets, target_losses, is_last)
            fresh.check_again(*train, train_losses, is_last)
            extract.check_same_weights(fresh)
        _check_range(result, extract, train, targets, self._largest_rate)
        return result

    def _verify(self, extract: FactorExtractor, examples: Examples, number: int) -> None:
        """Compare some examples with themselves alone, in a batch of their own, which is not in their order.

        At every checkpoint, which has this number, they are others.
        """
        n = len(examples.inputs)
        shift = number * max(n // (_VERIFIED_ROWS * len(self.checkpoints)), 1)
        some = [(row + shift) % n for row in spread(n, min(_VERIFIED_ROWS, n))]
        if some:
            extract(examples.inputs[some], examples.labels[some], len(some))

    def _probe(self, examples: Examples) -> "_Probe":
        """Take a few examples' factors, which also verifies the model on more than one."""
        inputs, labels = (part[:_PROBE_ROWS] for part in examples)
        extract = self._at(0)
        if self._original is not None and len(inputs):
            several = [torch.cat([part, part]) if len(part) == 1 else part for part in (inputs, labels)]
            with rewritten(extract.model, self._made_of_parameters):
                check_reaches_copy(self._original, lambda: extract.passes.losses(*several))
            self._original = None
        factors = extract(inputs, labels)
        like = factors[0][0]
        factor_bytes = sum(math.prod(factor.shape[1:]) for layer in factors for factor in layer) * like.element_size()
        return _Probe(
            like,
            factor_bytes,
            _rows(_PASS_ROWS, _PASS_BYTES, factor_bytes + extract.pass_bytes // max(len(inputs), 1)),
        )


def _factors(
    extract: FactorExtractor, examples: Examples, rows: slice, pass_rows: int, verified: int, losses: list[Tensor]
) -> Factors:
    """Factors of some of the examples, in passes of so many; ``verified`` is for the first pass and the last.

    The losses of every pass are appended to ``losses``.
    """
    inputs, labels = (part[rows] for part in examples)
    if len(inputs) <= pass_rows:
        factors = extract(inputs, labels, verified)
        losses.append(extract.losses)
        return factors
    whole: Factors = []
    for part in tiles(len(inputs), pass_rows):
        is_checked = part.start == 0 or part.stop == len(inputs)
        factors = extract(inputs[part], labels[part], verified if is_checked else 0)
        losses.append(extract.losses)
        whole = whole or [tuple(f.new_empty(len(inputs), *f.shape[1:]) for f in layer) for layer in factors]
        for target, source in zip(whole, factors, strict=True):
            for all_rows, factor in zip(target, source, strict=True):
                all_rows[part] = factor
    return whole


_TRAIN_ROWS = 512  # training examples whose factors are held at a time
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


def _rows(most: int, memory: int, each: int) -> int:
    """How many examples of so many bytes each go together; two at least, since a pass of one is made of two."""
    return max(min(most, memory // max(each, 1)), 2)


def _verified(part: slice, n: int) -> int:
    """How many examples of this pass are verified: one in the last pass, and in some of the others."""
    size = part.stop - part.start
    step = max(n // size // _VERIFIED_PASSES, 1)
    return int(part.stop == n or part.start // size % step == 0)


def _check_range(scores: Tensor, extract: FactorExtractor, train: Examples, targets: Examples, rate: float) -> None:
    """Raise unless all scores are finite, and some are large enough for their type, or zero in float64 too."""
    if not torch.isfinite(scores).all():
        raise InfluenceError(
            "Some TracIn scores are not finite numbers: a checkpoint or an input holds NaN, or the gradients overflow."
        )
    if not scores.numel() or scores.abs().amax() >= torch.finfo(scores.dtype).tiny:
        return
    left, right = (
        _in_double(extract(some.inputs[:_PROBE_ROWS], some.labels[:_PROBE_ROWS])) for some in (targets, train)
    )
    exact = torch.zeros(len(left[0][0]), len(right[0][0]), dtype=torch.float64)
    add_inner_products(exact, left, right, rate)
    if exact.numel() and 0 < exact.abs().amax() < torch.finfo(scores.dtype).tiny:
        raise InfluenceError(
            "All TracIn scores are too small for their number type, in which they become 0: multiply the loss by a "
            "large number (1e6, say), or give the model and the inputs in float64 (model.double(), inputs.double())."
        )


def _in_double(factors: Factors) -> Factors:
    return [tuple(factor.double() for factor in layer) for layer in factors]
