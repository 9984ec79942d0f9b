"""The network of `influence.learners.regression`, and the scaling of its inputs."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from influence.datasets import Dataset, Split
from influence.learners.toolkit.outputs import outputs

WIDTHS = (512, 256, 128)  # 168,961 parameters with eight inputs; the paper says 168 K and no widths


class Standardise(nn.Module):
    """Shift and divide every column by its mean and standard deviation over a training part, in double precision.

    The two are no part of a checkpoint, since they follow from the data.

    Parameters
    ----------
    inputs : (n, ...) array
        Of a training part; more than one axis is flattened.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, inputs: np.ndarray) -> None:
        super().__init__()
        rows = np.asarray(inputs, np.float64).reshape(len(inputs), -1)
        scaler = StandardScaler().fit(rows)
        self.width = rows.shape[1]
        self.register_buffer("mean", torch.from_numpy(scaler.mean_), persistent=False)
        self.register_buffer("scale", torch.from_numpy(scaler.scale_), persistent=False)

    def forward(self, inputs: Tensor) -> Tensor:
        return ((inputs.flatten(1).to(self.mean.dtype) - self.mean) / self.scale).to(torch.float32)


def build(n_features: int, seed: int = 0) -> nn.Sequential:
    """Make the network, with torch's default initial weights of this seed. (n, n_features) -> (n, 1)"""
    sizes = (n_features, *WIDTHS)
    layers: list[nn.Module] = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for width_in, width_out in pairwise(sizes):
            layers += [nn.Linear(width_in, width_out), nn.ReLU()]
        return nn.Sequential(*layers, nn.Linear(sizes[-1], 1))


@dataclass(frozen=True)
class RegressionNetworks:
    """k trained networks, which take inputs as the data set has them."""

    networks: list[nn.Sequential]
    scaling: Standardise

    def logits(self, inputs: np.ndarray) -> np.ndarray:
        """Predict values: (n, d) inputs -> (k, n, 1) float32."""
        scaled = self.scaling(torch.as_tensor(inputs))
        return np.stack([outputs(network, scaled).numpy() for network in self.networks])

    def features(self, inputs: np.ndarray) -> np.ndarray:
        """See `influence.learners.base.Models`."""
        scaled = self.scaling(torch.as_tensor(inputs))
        return np.stack([outputs(network[:-1], scaled).numpy() for network in self.networks])

    def factors(self, inputs: np.ndarray, gradients: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """The factors of the last layer's gradients; see `influence.learners.base.Models`."""
        features = self.features(inputs)
        return [(np.concatenate([features, np.ones_like(features[:, :, :1])], axis=2), gradients)]


@dataclass(frozen=True)
class Standardised:
    """Both parts as the network sees them: float32, each feature with mean 0 and variance 1 over the training part."""

    train_inputs: Tensor  # (n_train, d)
    train_labels: Tensor  # (n_train,)
    test_inputs: Tensor
    test_labels: Tensor

    @classmethod
    def of(cls, dataset: Dataset) -> "Standardised":
        scaling = Standardise(dataset.train.inputs)
        train, test = (scaling(torch.as_tensor(part.inputs)) for part in (dataset.train, dataset.test))
        return cls(train, values_of(dataset.train), test, values_of(dataset.test))


def values_of(part: Split) -> Tensor:
    """The (n,) float32 labels of a part."""
    return torch.tensor(part.labels, dtype=torch.float32)
