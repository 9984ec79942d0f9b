"""Small random problems, and the gradients of single examples by plain autograd: slow, and plainly right."""

import copy
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from influence import Checkpoint, Examples

Loss = Callable[[Tensor, Tensor], Tensor]

RATES = (0.1, 0.03, 0.5)  # a different one at every checkpoint: a forgotten or swapped one shows


def squared_error(outputs: Tensor, labels: Tensor) -> Tensor:
    return (outputs[:, 0] - labels).square()


def squared_error_all(outputs: Tensor, labels: Tensor) -> Tensor:
    return (outputs - labels[:, None]).square().sum(1)


def cross_entropy(outputs: Tensor, labels: Tensor) -> Tensor:
    return nn.functional.cross_entropy(outputs, labels, reduction="none")


def regression(n: int, width: int = 5, dtype: torch.dtype = torch.float64, seed: int = 0) -> Examples:
    """(n, width) inputs and (n,) labels from a standard normal."""
    generator = torch.Generator().manual_seed(seed)
    return Examples(
        torch.randn(n, width, generator=generator, dtype=dtype), torch.randn(n, generator=generator, dtype=dtype)
    )


def classification(n: int, width: int = 5, classes: int = 4, seed: int = 0) -> Examples:
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(n, width, generator=generator, dtype=torch.float64)
    return Examples(inputs, torch.randint(classes, (n,), generator=generator))


def mlp(*widths: int, bias: bool = True, dtype: torch.dtype = torch.float64, inplace: bool = False) -> nn.Sequential:
    """Linear layers of these widths with ReLU between them."""
    layers: list[nn.Module] = []
    for width_in, width_out in pairwise(widths):
        layers += [nn.Linear(width_in, width_out, bias=bias, dtype=dtype), nn.ReLU(inplace=inplace)]
    return nn.Sequential(*layers[:-1])


def checkpoints_of(model: nn.Module, rates: Sequence[float] = RATES) -> list[Checkpoint]:
    """Random weights, others at every checkpoint, with these learning rates."""
    result = []
    for epoch, rate in enumerate(rates, start=1):
        generator = torch.Generator().manual_seed(epoch)
        state = {}
        for name, value in model.state_dict().items():
            state[name] = value
            if value.is_floating_point():
                fan_in = max(value[0].numel() if value.ndim > 1 else len(value), 1)
                state[name] = torch.randn(value.shape, generator=generator, dtype=value.dtype) / fan_in**0.5
            if name.endswith("running_var"):
                state[name] = state[name].abs() + 0.3
        result.append(Checkpoint(state, rate, epoch))
    return result


def images(
    n: int, channels: int = 3, size: int = 8, classes: int = 4, dtype: torch.dtype = torch.float64, seed: int = 0
) -> Examples:
    """(n, channels, size, size) inputs from a standard normal, and (n,) classes."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(n, channels, size, size, generator=generator, dtype=dtype)
    return Examples(inputs, torch.randint(classes, (n,), generator=generator))


def gradients(model: nn.Module, loss: Loss, examples: Examples) -> Tensor:
    """(n, p): each example's gradient with respect to every trainable parameter, one backward pass an example."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    rows = []
    for i in range(len(examples.inputs)):
        value = loss(model(examples.inputs[i : i + 1].clone()), examples.labels[i : i + 1]).sum()
        rows.append(torch.cat([g.flatten() for g in torch.autograd.grad(value, parameters)]))
    return torch.stack(rows)


def brute_force(
    model: nn.Module, checkpoints: Sequence[Checkpoint], loss: Loss, train: Examples, targets: Examples
) -> tuple[Tensor, Tensor]:
    """TracInCP by the definition, and the sum of eta |g| |g'| that its rounding errors are measured against.

    Both are (n_targets, n_train) float64.
    """
    model = copy.deepcopy(model).eval()
    scores = scale = torch.zeros(len(targets.inputs), len(train.inputs), dtype=torch.float64)
    for checkpoint in checkpoints:
        model.load_state_dict(checkpoint.state)
        left, right = (gradients(model, loss, part).double() for part in (targets, train))
        scores = scores + checkpoint.learning_rate * left @ right.T
        scale = scale + checkpoint.learning_rate * left.norm(dim=1)[:, None] * right.norm(dim=1)
    return scores, scale


def assert_close(actual: Tensor, expected: Tensor, scale: Tensor, tolerance: float) -> None:
    """|actual - expected| <= tolerance * scale everywhere; a zero scale asks for equality."""
    assert actual.shape == expected.shape
    excess = (actual.double() - expected).abs() - tolerance * scale
    assert excess.max() <= 0, f"off by {excess.max()} more than {tolerance} of the gradients' norms"
