"""How `influence.learners.regression` trains."""

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from influence.datasets import Split
from influence.errors import InfluenceError
from influence.learners.base import Subsets
from influence.learners.regression.learner import RegressionNetwork
from influence.learners.regression.networks import RegressionNetworks, Standardise, build, values_of
from influence.learners.toolkit.checkpoints import Checkpoint
from influence.learners.toolkit.outputs import squared_error
from influence.learners.traceable import Traced


def fit(learner: RegressionNetwork, train: Split, subsets: Subsets) -> RegressionNetworks:
    """Train one network a subset."""
    scaling, labels = Standardise(train.inputs), values_of(train)
    inputs = scaling(torch.as_tensor(train.inputs))
    networks = []
    for mask, seed in zip(subsets.masks, subsets.seeds, strict=True):
        own = int(seed) % 2**63  # torch takes no larger ones
        network = build(scaling.width, own)
        for _ in _train(learner, network, inputs, labels, mask, own, subsets.common):
            pass
        networks.append(network)
    return RegressionNetworks(networks, scaling)


def trace(learner: RegressionNetwork, train: Split, seed: int, every: int, on_epoch: Callable[[int], None]) -> Traced:
    """See `influence.learners.regression.RegressionNetwork.trace`."""
    model = scaled(train, seed)
    inputs, everyone = model[0](torch.as_tensor(train.inputs)), np.ones(len(train), bool)
    checkpoints: list[Checkpoint] = []
    kept = learner.kept_epochs(every)
    for epoch, loss in enumerate(_train(learner, model[1:], inputs, values_of(train), everyone, seed, False), 1):
        if not math.isfinite(loss):
            raise InfluenceError(
                f"Training diverged in epoch {epoch} (the loss is {loss}): lower the learning rate, "
                f"now {learner.learning_rate}."
            )
        if epoch in kept:
            checkpoints.append(Checkpoint(model.state_dict(), learner.learning_rate, epoch))
        on_epoch(epoch)
    return Traced(model, checkpoints)


def _train(
    learner: RegressionNetwork,
    network: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    mask: np.ndarray,
    seed: int,
    common: bool,
) -> Iterator[float]:
    """Train a network in place, and yield the loss of the last step of every epoch."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(network.parameters(), lr=learner.learning_rate, fused=True)
    present = torch.from_numpy(mask)
    own = torch.arange(len(mask)) if common else present.nonzero()[:, 0]
    for _ in range(learner.epochs):
        for positions in torch.randperm(len(own), generator=generator).split(learner.batch_size):
            batch = own[positions]
            batch = batch[present[batch]] if common else batch
            if not len(batch):
                continue
            loss = squared_error(network(inputs[batch]), labels[batch]).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        yield loss.item()


def scaled(train: Split, seed: int) -> nn.Sequential:
    """The network behind a first layer that standardises; its weights keep the names that they have without it."""
    scaling = Standardise(train.inputs)
    return nn.Sequential(OrderedDict([("scaled", scaling), *build(scaling.width, seed).named_children()]))
