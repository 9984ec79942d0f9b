"""The interface for users' own networks: exact derivatives of outputs by the weight of every training example."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from influence.errors import InfluenceError
from influence.ranking import TopK, check_k, strongest
from influence.unrolled.adjoint import back
from influence.unrolled.modules import Loss, ModuleTraining
from influence.unrolled.trajectory import Trajectory

Targets = tuple[Tensor, Tensor]
"""Inputs (k, ...) and labels (k, ...) of the examples whose outputs are explained; `influence.Examples` is one."""


class Unrolled:
    """Exact influence through a whole training (MAGIC: Ilyas and Engstrom 2025, arXiv 2504.16430).

    The training is run once. A score is the derivative of a target's output, after the training, by the weight of a
    training example in it, with order, batches and number of steps as they were. So minus the sum of the scores of
    some examples predicts, to first order, how much the output changes if they are left out, in its own unit.

    Parameters
    ----------
    training : ModuleTraining
        For the effect of removing a share d of the examples, expand where they are expected to count: give all of them
        the weight 1 - d, and divisors of that share.
    output : callable
        (outputs, labels) -> (k,): the number that is explained, a margin, say, or minus the loss, or the difference of
        two logits. Positive scores raise it.
    memory : int
        Bytes for the weights before every step, and as much again for a block of targets. Where it is too little for
        all steps, they are done twice.
    on_progress : callable
        Called with the share of the training that is done.

    Raises
    ------
    InfluenceError
        If the training diverges.
    """

    def __init__(
        self,
        training: ModuleTraining,
        output: Loss,
        *,
        memory: int = 2**30,
        on_progress: Callable[[float], None] = lambda share: None,
    ) -> None:
        if memory < 1:
            raise InfluenceError(f"memory is {memory}, but must be a number of bytes, at least 1.")
        self.training, self.output, self.memory = training, output, memory
        self._trajectory = Trajectory(training, memory, on_progress)

    def outputs(self, inputs: Tensor) -> Tensor:
        """(n, ...) inputs -> what the trained network gives for them."""
        return self.training.outputs(self._trajectory.final, inputs)

    def scores(self, targets: Targets) -> Tensor:
        """The full (n_targets, n_train) matrix. For many targets, prefer `blocks` or `top_k`."""
        return torch.cat([block for _, block in self.blocks(targets)])

    def top_k(self, targets: Targets, k: int) -> TopK:
        """The k training examples that raise and that lower each target's output most.

        Raises
        ------
        InfluenceError
            If k is not between 1 and the number of training examples.
        """
        check_k(k, len(self.training.weights))
        found = [strongest(block, k) for _, block in self.blocks(targets)]
        return TopK(*(torch.cat(part) for part in zip(*found, strict=True)))

    def blocks(
        self, targets: Targets, on_progress: Callable[[float], None] = lambda share: None
    ) -> Iterator[tuple[slice, Tensor]]:
        """Scores of a block of targets on all training examples, block by block.

        Yields
        ------
        rows : slice
            Which targets.
        scores : (len(rows), n_train) Tensor
        """
        inputs, labels = targets
        if len(inputs) != len(labels):
            raise InfluenceError(
                f"There are {len(inputs)} targets and {len(labels)} labels: give one label for each target."
            )
        final = self._trajectory.final
        each = (6 * len(final) + len(self.training.weights)) * final.element_size()
        size = max(self.memory // each, 1)
        for start in range(0, len(inputs), size):
            rows = slice(start, min(start + size, len(inputs)))

            def report(share: float, rows: slice = rows) -> None:
                on_progress((rows.start + share * (rows.stop - rows.start)) / len(inputs))

            gradients = self._gradients(inputs[rows], labels[rows])
            yield rows, self._checked(back(self._trajectory, gradients, report))

    def group(self, targets: Targets) -> Tensor:
        """(n_train,): the derivative of the sum of the targets' outputs, at the price of one target."""
        inputs, labels = targets
        return self._checked(back(self._trajectory, self._gradients(inputs, labels).sum(0, keepdim=True)))[0]

    def _gradients(self, inputs: Tensor, labels: Tensor) -> Tensor:
        return self.training.output_gradients(self._trajectory.final, inputs, labels, self.output)

    def _checked(self, scores: Tensor) -> Tensor:
        if not torch.isfinite(scores).all():
            raise InfluenceError(
                "Some derivatives are not finite numbers: the training is at the edge of divergence, so lower its "
                "learning rate."
            )
        return scores
