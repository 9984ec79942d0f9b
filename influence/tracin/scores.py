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
from influence.learners.checkpoints import Checkpoint
from influence.ranking import TopK, check_k, strongest
from influence.tracin.factors import FactorExtractor, Factors, Loss, Projection
from influence.tracin.layers import LayerFactors


class Examples(NamedTuple):
    """Inputs (n, ...) and labels (n, ...) as the model and the loss take them."""

    inputs: Tensor
    labels: Tensor

    def check(self) -> None:
        """Raise unless there is one label for each input."""
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
        if not checkpoints:
            raise InfluenceError("TracIn sums over checkpoints, and there is none: give at least one.")
        self.model = copy.deepcopy(model)
        self.checkpoints = list(checkpoints)
        self.memory = memory
        self._extract = FactorExtractor(self.model, loss, layers, projection)
        for checkpoint in self.checkpoints:
            self._load(checkpoint)

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
        train.check()
        targets.check()
        n_targets, n_train = len(targets.inputs), len(train.inputs)
        probe = self._probe(targets)
        size = max(self.memory // (n_train * probe.like.element_size() + probe.factor_bytes), 1)
        n_blocks = max(-(-n_targets // size), 1)
        size = max(-(-n_targets // n_blocks), 1)  # blocks of about one size

        train_rows = _rows(_TRAIN_ROWS, _TRAIN_BYTES, probe.factor_bytes)
        done, total = 0, n_blocks * len(self.checkpoints) * max(-(-n_train // train_rows), 1)
        for start in range(0, max(n_targets, 1), size):
            rows = slice(start, min(start + size, n_targets))
            block = probe.like.new_zeros(rows.stop - start, n_train)
            for checkpoint in self.checkpoints:
                self._load(checkpoint)
                left = self._factors(targets, rows, probe.rows)
                for part in _slices(n_train, train_rows):
                    right = self._factors(train, part, probe.rows)
                    add_inner_products(block[:, part], left, right, checkpoint.learning_rate)
                    done += 1
                    on_progress(done / total)
            _check_finite(block)
            yield rows, block

    def self_influence(self, examples: Examples, on_progress: Callable[[float], None] = lambda share: None) -> Tensor:
        """TracInCP(z, z): (n,) sums of eta_i |grad l(w_i, z)|^2, all >= 0."""
        examples.check()
        probe = self._probe(examples)
        result = probe.like.new_zeros(len(examples.inputs))
        done, total = 0, len(self.checkpoints) * max(-(-len(result) // probe.rows), 1)
        for checkpoint in self.checkpoints:
            self._load(checkpoint)
            for part in _slices(len(result), probe.rows):
                norms = self._extract.squared_norms(examples.inputs[part], examples.labels[part])
                result[part].add_(norms, alpha=checkpoint.learning_rate)
                done += 1
                on_progress(done / total)
        _check_finite(result)
        return result

    def group(self, train: Examples, targets: Examples) -> Tensor:
        """(n_train,) influence on a group: the sum of its targets' scores, at the price of one query.

        The group's gradients are summed layer by layer first: <g, sum_j g_j> = delta^T (sum_j g_j) [a, 1].
        """
        if self._extract.projection is not None:
            raise InfluenceError("A group's influence is one query: compute it without a projection.")
        train.check()
        targets.check()
        probe = self._probe(train)
        result = probe.like.new_zeros(len(train.inputs))
        for checkpoint in self.checkpoints:
            self._load(checkpoint)
            sums: list[Tensor] = []
            for part in _slices(len(targets.inputs), probe.rows):
                new = [_summed(layer) for layer in self._extract(targets.inputs[part], targets.labels[part])]
                sums = [old + more for old, more in zip(sums, new, strict=True)] if sums else new
            for part in _slices(len(result), probe.rows):
                factors = self._extract(train.inputs[part], train.labels[part])
                for layer, gradient in zip(factors, sums, strict=bool(sums)):
                    result[part].add_(_times(layer, gradient), alpha=checkpoint.learning_rate)
        _check_finite(result)
        return result

    def _probe(self, examples: Examples) -> "_Probe":
        """Take a few examples' factors, which also verifies the model on more than one."""
        inputs, labels = (part[:_PROBE_ROWS] for part in examples)
        factors = self._extract(inputs, labels)
        like = factors[0][0]
        factor_bytes = sum(math.prod(factor.shape[1:]) for layer in factors for factor in layer) * like.element_size()
        return _Probe(
            like,
            factor_bytes,
            _rows(_PASS_ROWS, _PASS_BYTES, factor_bytes + self._extract.pass_bytes // max(len(inputs), 1)),
        )

    def _factors(self, examples: Examples, rows: slice, pass_rows: int) -> Factors:
        """Factors of some of the examples, in passes of so many."""
        inputs, labels = (part[rows] for part in examples)
        if len(inputs) <= pass_rows:
            return self._extract(inputs, labels)
        whole: Factors = []
        for part in _slices(len(inputs), pass_rows):
            factors = self._extract(inputs[part], labels[part])
            whole = whole or [tuple(f.new_empty(len(inputs), *f.shape[1:]) for f in layer) for layer in factors]
            for target, source in zip(whole, factors, strict=True):
                for place, factor in zip(target, source, strict=True):
                    place[part] = factor
        return whole

    def _load(self, checkpoint: Checkpoint) -> None:
        try:
            self.model.load_state_dict(checkpoint.state)
        except RuntimeError as error:
            raise InfluenceError(
                f"The checkpoint of epoch {checkpoint.epoch} does not fit the model ({' '.join(str(error).split())}): "
                "use the checkpoints of this architecture."
            ) from error


_TRAIN_ROWS = 512  # training examples whose factors are held at a time
_TARGET_ROWS = 512  # rows of one tile of the score matrix: 512 x 512 floats stay in the processor's cache
_PASS_ROWS = 2048  # examples a pass elsewhere
_TRAIN_BYTES = 2**28  # and no more of the former than this holds,
_PASS_BYTES = 2**26  # nor of the latter: a convolution works best within the processor's cache
_PROBE_ROWS = 32


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
    """How many examples of so many bytes each go together."""
    return max(min(most, memory // max(each, 1)), 1)


def _slices(n: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def _check_finite(scores: Tensor) -> None:
    if not torch.isfinite(scores).all():
        raise InfluenceError(
            "Some TracIn scores are not finite numbers: a checkpoint or an input holds NaN, or the gradients overflow."
        )
