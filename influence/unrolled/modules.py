"""The training of any `nn.Module`, differentiated by `torch.func`."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, jvp, vjp, vmap

from influence.errors import InfluenceError
from influence.unrolled.optimizers import SGD, Optimizer
from influence.unrolled.training import Step

Loss = Callable[[Tensor, Tensor], Tensor]
"""(outputs, labels) -> (n,): one number an example."""


class ModuleTraining:
    """A training of a module from the weights that it has now; it is not changed.

    The module is used in evaluation mode, so dropout is off and batch normalisation works with its running statistics.

    Parameters
    ----------
    model : nn.Module
    loss : callable
        (outputs, labels) -> (n,) losses, each of one example alone.
    inputs, labels : (n_train, ...) Tensors
    steps : sequence of Step
        See `shuffled`.
    optimizer : SGD or Adam
    weights : (n_train,) Tensor or None
        The weight of every training example; None is 1.
    averaged : int
        The final weights are the mean over those after so many last steps.
    chunk : int or None
        Directions that are passed at once; None is all.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Loss,
        inputs: Tensor,
        labels: Tensor,
        steps: Sequence[Step],
        optimizer: Optimizer = SGD(),  # noqa: B008 it is frozen
        weights: Tensor | None = None,
        averaged: int = 1,
        chunk: int | None = None,
    ) -> None:
        if len(inputs) != len(labels):
            raise InfluenceError(
                f"There are {len(inputs)} inputs and {len(labels)} labels: give one label for each input."
            )
        if not 1 <= averaged <= len(steps):
            raise InfluenceError(
                f"averaged is {averaged}, but must lie between 1 and the number of steps, {len(steps)}."
            )
        self.model, self.loss, self.inputs, self.labels = model.eval(), loss, inputs, labels
        self.steps, self.optimizer, self.averaged, self.chunk = steps, optimizer, averaged, chunk
        self._trained = {name: each for name, each in model.named_parameters() if each.requires_grad}
        if not self._trained:
            raise InfluenceError("The model has no trained parameter: leave requires_grad on where training is meant.")
        self.weights = self.start().new_ones(len(inputs)) if weights is None else weights
        if self.weights.shape != (len(inputs),):
            raise InfluenceError(
                f"The weights have shape {tuple(self.weights.shape)}, but must be ({len(inputs)},): one number for "
                "each training example."
            )

    def start(self) -> Tensor:
        return torch.cat([each.detach().flatten() for each in self._trained.values()])

    def gradient(self, number: int, theta: Tensor) -> Tensor:
        gradient: Tensor = grad(lambda point: (self._shares(number) * self._losses(number, point)).sum())(theta)
        return gradient

    def products(self, number: int, theta: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        def both(point: Tensor) -> tuple[Tensor, Tensor]:
            losses, pull = vjp(lambda at: self._losses(number, at), point)[:2]
            (gradient,) = pull(self._shares(number))
            return gradient, losses

        def along(direction: Tensor) -> tuple[Tensor, Tensor]:
            tangents: tuple[Tensor, Tensor] = jvp(both, (theta,), (direction,))[1]
            return tangents

        found: tuple[Tensor, Tensor] = vmap(along, chunk_size=self.chunk)(directions)
        return found

    def output_gradients(self, theta: Tensor, inputs: Tensor, labels: Tensor, output: Loss) -> Tensor:
        """(k, P) gradients of (outputs, labels) -> (k,) numbers of k examples."""

        def one(point: Tensor, example: Tensor, label: Tensor) -> Tensor:
            return output(self._outputs(point, example[None]), label[None])[0]

        found: Tensor = vmap(grad(one), (None, 0, 0), chunk_size=self.chunk)(theta, inputs, labels)
        return found

    def outputs(self, theta: Tensor, inputs: Tensor) -> Tensor:
        """(n, ...) inputs -> the module's outputs with these weights."""
        with torch.no_grad():
            return self._outputs(theta, inputs)

    def _outputs(self, theta: Tensor, inputs: Tensor) -> Tensor:
        parts = theta.split([each.numel() for each in self._trained.values()])
        state = {name: part.view_as(each) for (name, each), part in zip(self._trained.items(), parts, strict=True)}
        outputs: Tensor = functional_call(self.model, state, (inputs,))
        return outputs

    def _losses(self, number: int, theta: Tensor) -> Tensor:
        rows = self.steps[number].rows
        return self.loss(self._outputs(theta, self.inputs[rows]), self.labels[rows])

    def _shares(self, number: int) -> Tensor:
        step = self.steps[number]
        return self.weights[step.rows] / step.divisor
