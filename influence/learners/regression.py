"""The learner of the TracIn paper's regression example (Pruthi et al. 2020, California housing).

A network of three hidden layers, Adam on the mean squared error, every input standardised by the training part.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Self

import numpy as np
from pydantic import model_validator

from influence.config import Config, setting
from influence.datasets import Dataset
from influence.errors import InfluenceError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from influence.learners.toolkit.checkpoints import Checkpoint

WIDTHS = (512, 256, 128)  # 168,961 parameters with eight inputs; the paper says 168 K and no widths


class RegressionConfig(Config):
    """How to train."""

    seed: int = setting(0, "Seed of the initial weights and the order of the examples.", ge=0, lt=2**63)
    epochs: int = setting(200, "Passes over the training part.", ge=1)
    checkpoint_every: int = setting(20, "Epochs from one checkpoint to the next; the first is after this many.", ge=1)
    learning_rate: float = setting(1e-3, "Adam's learning rate, constant.", gt=0)
    batch_size: int = setting(512, "Training examples in a step.", ge=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.checkpoint_every > self.epochs:
            raise InfluenceError(
                f"checkpoint_every is {self.checkpoint_every} and epochs is {self.epochs}, which leaves no checkpoint: "
                "TracIn needs at least one, so lower checkpoint_every."
            )
        return self


def build(n_features: int) -> "nn.Sequential":
    """The network, with torch's default initial weights. (n, n_features) -> (n, 1)"""
    from torch import nn

    sizes = (n_features, *WIDTHS)
    layers: list[nn.Module] = []
    for width_in, width_out in pairwise(sizes):
        layers += [nn.Linear(width_in, width_out), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], 1))


def squared_error(outputs: "Tensor", labels: "Tensor") -> "Tensor":
    """(n, 1) outputs and (n,) labels -> (n,) losses."""
    return (outputs[:, 0] - labels).square()


@dataclass(frozen=True)
class Standardised:
    """Both parts as the network sees them: float32, each feature with mean 0 and variance 1 over the training part."""

    train_inputs: "Tensor"  # (n_train, d)
    train_labels: "Tensor"  # (n_train,)
    test_inputs: "Tensor"
    test_labels: "Tensor"

    @classmethod
    def of(cls, dataset: Dataset) -> "Standardised":
        import torch
        from sklearn.preprocessing import StandardScaler

        scaler = StandardScaler().fit(dataset.train.inputs)

        def tensor(array: np.ndarray) -> "Tensor":
            return torch.tensor(array, dtype=torch.float32)

        return cls(
            tensor(scaler.transform(dataset.train.inputs)),
            tensor(dataset.train.labels),
            tensor(scaler.transform(dataset.test.inputs)),
            tensor(dataset.test.labels),
        )


@dataclass(frozen=True)
class Trained:
    """What training leaves.

    Parameters
    ----------
    model : nn.Sequential
        With the weights of the last epoch.
    checkpoints : list of Checkpoint
    curve : dict of str to list of float
        ``epoch``, ``train_loss``, ``test_loss``: mean squared error at each checkpoint.
    explained_variance : dict of str to float
        1 - Var(label - prediction) / Var(label) of the last epoch, over ``train`` and ``test``.
    train_predictions, test_predictions : (n,) float32
        Of the last epoch.
    """

    model: "nn.Sequential"
    checkpoints: "list[Checkpoint]"
    explained_variance: dict[str, float]
    train_predictions: np.ndarray
    test_predictions: np.ndarray
    curve: dict[str, list[float]] = field(default_factory=dict)


def train(
    data: Standardised, config: RegressionConfig, on_epoch: Callable[[int], None] = lambda epoch: None
) -> Trained:
    """Train from scratch. The same data and config on the same machine give the same weights.

    ``on_epoch`` is called with the number of finished epochs after each.

    Raises
    ------
    InfluenceError
        If the loss stops being a finite number.
    """
    import torch
    from sklearn.metrics import explained_variance_score

    from influence.learners.toolkit.checkpoints import Checkpoint

    generator = torch.Generator().manual_seed(config.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = build(data.train_inputs.shape[1])
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate, fused=True)
    checkpoints: list[Checkpoint] = []
    curve: dict[str, list[float]] = {"epoch": [], "train_loss": [], "test_loss": []}

    for epoch in range(1, config.epochs + 1):
        for batch in torch.randperm(len(data.train_inputs), generator=generator).split(config.batch_size):
            loss = squared_error(model(data.train_inputs[batch]), data.train_labels[batch]).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

        _check_finite(loss.item(), epoch, config)
        if epoch % config.checkpoint_every == 0:
            with torch.no_grad():
                train_loss = squared_error(model(data.train_inputs), data.train_labels).mean().item()
                test_loss = squared_error(model(data.test_inputs), data.test_labels).mean().item()
            _check_finite(train_loss + test_loss, epoch, config)
            state = {name: weight.detach().clone() for name, weight in model.state_dict().items()}
            checkpoints.append(Checkpoint(state, config.learning_rate, epoch, train_loss, test_loss))
            for name, value in (("epoch", epoch), ("train_loss", train_loss), ("test_loss", test_loss)):
                curve[name].append(value)
        on_epoch(epoch)

    with torch.no_grad():
        train_outputs, test_outputs = model(data.train_inputs), model(data.test_inputs)
        last_losses = squared_error(train_outputs, data.train_labels), squared_error(test_outputs, data.test_labels)
    _check_finite(sum(losses.mean().item() for losses in last_losses), config.epochs, config)
    train_predictions, test_predictions = train_outputs[:, 0].numpy(), test_outputs[:, 0].numpy()
    return Trained(
        model,
        checkpoints,
        {
            "train": float(explained_variance_score(data.train_labels.numpy(), train_predictions)),
            "test": float(explained_variance_score(data.test_labels.numpy(), test_predictions)),
        },
        train_predictions,
        test_predictions,
        curve,
    )


def _check_finite(loss: float, epoch: int, config: RegressionConfig) -> None:
    if not math.isfinite(loss):
        raise InfluenceError(
            f"Training diverged in epoch {epoch} (the loss is {loss}): lower the learning rate, "
            f"now {config.learning_rate}."
        )
