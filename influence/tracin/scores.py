"""TracInCP (Pruthi et al. 2020, section 3.2): influence as inner products of gradients, summed over checkpoints::

    TracInCP(z, z') = sum_i eta_i <grad l(w_i, z), grad l(w_i, z')>

with eta_i the learning rate at checkpoint i. Positive: training on z lowered the loss on z' (z is a proponent);
negative: it raised it (an opponent). The formula follows plain SGD; for a model trained with Adam or momentum it is the
usual approximation, since the optimizer's step is not eta times the gradient.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from influence.errors import InfluenceError
from influence.learners.checkpoints import Checkpoint
from influence.tracin.factors import FactorExtractor, Factors, Loss, Projection


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


class TopK(NamedTuple):
    """The k strongest training examples of each target, either way, strongest first.

    ``proponents`` and ``opponents`` are (n_targets, k) int64 positions in the training examples, with their scores
    beside them. Equal scores come in order of position.
    """

    proponents: Tensor
    proponent_scores: Tensor
    opponents: Tensor
    opponent_scores: Tensor


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
        "last" is an approximation: the gradients of the linear layer that runs last alone.
    projection : Projection, optional
        An approximation: random projection of every layer's factors.
    memory : int
        Bytes that a block of targets may take, for its scores and its factors at one checkpoint; passes over a few
        hundred examples come on top. It sets how many blocks there are, never the result.

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
        width = sum(factor.shape[1] for layer in probe for factor in layer)
        number = probe[0][0].element_size()
        size = max(self.memory // (number * (n_train + width)), 1)
        n_blocks = max(-(-n_targets // size), 1)
        size = max(-(-n_targets // n_blocks), 1)  # blocks of about one size

        done, total = 0, n_blocks * len(self.checkpoints) * max(-(-n_train // _TRAIN_ROWS), 1)
        for start in range(0, max(n_targets, 1), size):
            rows = slice(start, min(start + size, n_targets))
            block = probe[0][0].new_zeros(rows.stop - start, n_train)
            for checkpoint in self.checkpoints:
                self._load(checkpoint)
                left = self._factors(targets, rows, checkpoint.learning_rate)
                for part in _slices(n_train, _TRAIN_ROWS):
                    right = self._extract(train.inputs[part], train.labels[part])
                    add_inner_products(block[:, part], left, right)
                    done += 1
                    on_progress(done / total)
            _check_finite(block)
            yield rows, block

    def self_influence(self, examples: Examples, on_progress: Callable[[float], None] = lambda share: None) -> Tensor:
        """TracInCP(z, z): (n,) sums of eta_i |grad l(w_i, z)|^2, all >= 0."""
        examples.check()
        result = self._probe(examples)[0][0].new_zeros(len(examples.inputs))
        for number, checkpoint in enumerate(self.checkpoints):
            self._load(checkpoint)
            for part in _slices(len(result), _PASS_ROWS):
                for factors in self._extract(examples.inputs[part], examples.labels[part]):
                    norms = [torch.einsum("nw,nw->n", factor, factor) for factor in factors]
                    result[part] += checkpoint.learning_rate * (norms[0] if len(norms) == 1 else norms[0] * norms[1])
            on_progress((number + 1) / len(self.checkpoints))
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
        result = self._probe(train)[0][0].new_zeros(len(train.inputs))
        for checkpoint in self.checkpoints:
            self._load(checkpoint)
            gradients: list[Tensor] = []
            for part in _slices(len(targets.inputs), _PASS_ROWS):
                pairs = self._extract.pairs(targets.inputs[part], targets.labels[part])
                new = [delta.T @ activation for activation, delta in pairs]
                gradients = [old + more for old, more in zip(gradients, new, strict=True)] if gradients else new
            for part in _slices(len(result), _PASS_ROWS):
                pairs = self._extract.pairs(train.inputs[part], train.labels[part])
                for gradient, (activation, delta) in zip(gradients, pairs, strict=bool(gradients)):
                    result[part] += checkpoint.learning_rate * ((activation @ gradient.T) * delta).sum(1)
        _check_finite(result)
        return result

    def _probe(self, examples: Examples) -> Factors:
        """Factors of a few examples, which also verifies the model on more than one."""
        return self._extract(examples.inputs[:_PROBE_ROWS], examples.labels[:_PROBE_ROWS])

    def _factors(self, examples: Examples, rows: slice, weight: float) -> Factors:
        """Factors of some of the examples, ``weight`` multiplied into one factor of each layer."""
        passes = [
            self._extract(examples.inputs[rows][part], examples.labels[rows][part])
            for part in _slices(rows.stop - rows.start, _PASS_ROWS)
        ] or [self._extract(examples.inputs[rows], examples.labels[rows])]
        layers = (
            tuple(torch.cat(factor) for factor in zip(*layer, strict=True)) for layer in zip(*passes, strict=True)
        )
        return [(*layer[:-1], weight * layer[-1]) for layer in layers]

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
_PROBE_ROWS = 32
_LARGEST_K = 2**15 - 1


def add_inner_products(out: Tensor, left: Factors, right: Factors) -> None:
    """Add to ``out``, (n_left, n_right), the inner products of all pairs of gradients, layer by layer, in place."""
    n_right = out.shape[1]
    buffers = out.new_empty(3, min(_TARGET_ROWS, len(out)), n_right)
    for rows in _slices(len(out), _TARGET_ROWS):
        total, first, second = buffers[:, : rows.stop - rows.start]
        total.zero_()
        for layer_left, layer_right in zip(left, right, strict=True):
            if len(layer_left) == 1:
                total.addmm_(layer_left[0][rows], layer_right[0].T)
            else:
                torch.mm(layer_left[0][rows], layer_right[0].T, out=first)
                torch.mm(layer_left[1][rows], layer_right[1].T, out=second)
                total.addcmul_(first, second)
        out[rows] += total


def check_k(k: int, n_train: int) -> None:
    """Raise unless 1 <= k <= n_train, and a result's ranks (int16) can count to it."""
    if not 1 <= k <= n_train:
        raise InfluenceError(f"k is {k}, but must lie between 1 and the {n_train} training examples.")
    if k > _LARGEST_K:
        raise InfluenceError(f"k is {k}, but no more than {_LARGEST_K} can be kept.")


def strongest(scores: Tensor, k: int) -> TopK:
    """The k largest and smallest of each row of (n_targets, n_train) scores. Ties go to the lower position."""
    parts: list[Tensor] = []
    for largest in (True, False):
        values, positions = scores.topk(min(k + 1, scores.shape[1]), dim=1, largest=largest)
        # topk leaves open which of several equal scores it takes: one more than k shows where that matters.
        for row in (values[:, k - 1] == values[:, k]).nonzero()[:, 0] if k < scores.shape[1] else ():
            order = scores[row].sort(descending=largest, stable=True)
            values[row, :k], positions[row, :k] = order.values[:k], order.indices[:k]
        # It leaves their order open too, so sort by position, then stably by score.
        positions, by_position = positions[:, :k].sort(dim=1)
        values, by_score = values[:, :k].gather(1, by_position).sort(dim=1, descending=largest, stable=True)
        parts += [positions.gather(1, by_score), values]
    return TopK(*parts)


def _slices(n: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def _check_finite(scores: Tensor) -> None:
    if not torch.isfinite(scores).all():
        raise InfluenceError(
            "Some TracIn scores are not finite numbers: a checkpoint or an input holds NaN, or the gradients overflow."
        )
