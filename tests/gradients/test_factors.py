"""Factors are gradients that were never formed; what can't be exact is refused by the name of its layer."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from influence import Examples, InfluenceError
from influence.gradients.factors import FactorExtractor
from tests.tracin.problems import gradients, mlp, regression, squared_error


def formed(extract: FactorExtractor, examples: Examples) -> Tensor:
    """(n, p): the gradients that an MLP's factors stand for, in the order of its parameters."""
    parts = []
    for layer in extract(*examples):
        if len(layer) == 1:
            parts.append(layer[0])
        else:
            activation, delta = layer
            gradient = delta[:, :, None] * activation[:, None, :]  # (n, n_out, n_in + 1): weights, then the bias
            parts += [gradient[:, :, :-1].flatten(1), gradient[:, :, -1]]
    return torch.cat(parts, dim=1)


def test_factors_are_the_gradients():
    model, examples = mlp(5, 7, 6, 1), regression(9)
    found = formed(FactorExtractor(model, squared_error), examples)
    torch.testing.assert_close(found, gradients(model, squared_error, examples), rtol=1e-12, atol=1e-14)


def test_a_layer_of_one_output_is_one_factor():
    factors = FactorExtractor(mlp(5, 7, 1), squared_error)(*regression(9))
    assert [[tuple(f.shape) for f in layer] for layer in factors] == [[(9, 6), (9, 7)], [(9, 8)]]


def test_no_hook_stays_even_after_an_error():
    model = mlp(5, 7, 1)
    extract = FactorExtractor(model, squared_error)
    extract(*regression(4))
    with pytest.raises(InfluenceError, match=r"The model fails on inputs of shape \(4, 6\)"):
        extract(*regression(4, width=6))
    assert not any(module._forward_hooks for module in model.modules())


def test_parameters_collect_no_gradients():
    model = mlp(5, 7, 1)
    FactorExtractor(model, squared_error)(*regression(4))
    assert all(p.grad is None for p in model.parameters())


class Custom(nn.Module):
    def __init__(self, **children: nn.Module) -> None:
        super().__init__()
        for name, child in children.items():
            self.add_module(name, child)


class BareParameter(Custom):
    def __init__(self) -> None:
        super().__init__(linear=nn.Linear(5, 1))
        self.scale = nn.Parameter(torch.ones(1))


@pytest.mark.parametrize(
    ("model", "name", "kind", "parameters"),
    [
        (Custom(conv=nn.Conv1d(3, 4, 3), head=nn.Linear(4, 1)), "conv", "Conv1d", "weight, bias"),
        (Custom(body=nn.Sequential(nn.Linear(5, 4), nn.LayerNorm(4))), "body.1", "LayerNorm", "weight, bias"),
        (Custom(words=nn.Embedding(5, 4), head=nn.Linear(4, 1)), "words", "Embedding", "weight"),
        (BareParameter(), "the model itself", "BareParameter", "scale"),
        (Custom(x=nn.Bilinear(2, 2, 1)), "x", "Bilinear", "weight, bias"),
    ],
    ids=["convolution", "layer norm", "embedding", "bare parameter", "bilinear"],
)
def test_an_unsupported_layer_is_named(model, name, kind, parameters):
    with pytest.raises(InfluenceError) as caught:
        FactorExtractor(model, squared_error)
    assert f"Layer {name} ({kind}) has trainable parameters ({parameters})" in str(caught.value)
    assert "requires_grad=False" in str(caught.value)


def test_a_subclass_of_linear_may_do_anything_so_it_is_refused():
    class Odd(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) ** 2

    with pytest.raises(InfluenceError, match=r"Layer 1 \(Odd\)"):
        FactorExtractor(nn.Sequential(nn.Linear(5, 5), Odd(5, 1)), squared_error)


def test_nothing_to_trace():
    with pytest.raises(InfluenceError, match="nothing to trace"):
        FactorExtractor(mlp(5, 1).requires_grad_(False), squared_error)


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.again, self.head = nn.Linear(5, 5, dtype=torch.float64), nn.Linear(5, 1, dtype=torch.float64)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.again(self.again(x)))


class Unused(Twice):
    def forward(self, x: Tensor) -> Tensor:
        return self.head(x)


class Tied(Twice):
    """Two layers that share one weight: its gradient is the sum of both, which no layer alone shows."""

    def __init__(self) -> None:
        super().__init__()
        self.other = nn.Linear(5, 5, dtype=torch.float64)
        self.other.weight = self.again.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.other(self.again(x)))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Twice, "Layer again is used more than once"),
        (Unused, "Layer again takes no part in the forward pass"),
        (Tied, "Layer other shares its weight with layer again"),
    ],
)
def test_a_layer_is_used_exactly_once(model, message):
    with pytest.raises(InfluenceError, match=message):
        FactorExtractor(model(), squared_error)(*regression(4))


class TiedByHand(Twice):
    """The weight of a layer that is used once as a layer, and once more without it."""

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(F.linear(torch.tanh(self.again(x)), self.again.weight)))


class BiasElsewhere(Twice):
    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.again(x)) + self.again.bias.square().sum()


class Scaled(Twice):
    """What a layer gives depends on its weight once more, as under weight normalisation."""

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.again(x) / self.again.weight.norm())


@pytest.mark.parametrize("model", [TiedByHand, BiasElsewhere, Scaled])
@pytest.mark.parametrize("n", [1, 9])
def test_a_weight_that_is_used_elsewhere_too_is_named(model, n):
    with pytest.raises(InfluenceError) as caught:
        FactorExtractor(model(), squared_error)(*regression(n))
    assert "layer again is not made by its inputs" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_penalty_on_weights_in_the_loss_is_named():
    model = mlp(5, 7, 1)

    def loss(outputs: Tensor, labels: Tensor) -> Tensor:
        return squared_error(outputs, labels) + model[2].weight.square().sum()

    with pytest.raises(InfluenceError, match="layer 2 is not made by its inputs"):
        FactorExtractor(model, loss)(*regression(9))


def test_a_batch_without_examples_verifies_nothing():
    extract = FactorExtractor(TiedByHand(), squared_error)
    extract(*regression(0))
    with pytest.raises(InfluenceError, match="layer again"):
        extract(*regression(9))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("n", [1, 300])
def test_rounding_is_no_reason_to_refuse(dtype, n):
    model = mlp(5, 64, 64, 3, dtype=dtype)
    for scale in (1e-3, 1.0, 1e3):
        inputs, labels = regression(n, dtype=dtype)
        FactorExtractor(model, squared_error)(inputs * scale, labels)


class ByKeyword(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(5, 5, dtype=torch.float64), nn.Linear(5, 1, dtype=torch.float64)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(input=torch.tanh(self.body(input=x)))


def test_a_layer_that_is_called_by_keyword():
    model, examples = ByKeyword(), regression(9)
    found = formed(FactorExtractor(model, squared_error), examples)
    torch.testing.assert_close(found, gradients(model, squared_error, examples), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("layers", ["lasst", "", None, 1])
def test_layers_is_all_or_last(layers):
    with pytest.raises(InfluenceError) as caught:
        FactorExtractor(mlp(5, 1), squared_error, layers)
    assert str(caught.value) == f"layers is {layers!r}, but must be 'all' or 'last'."


def test_inputs_of_six_dimensions():
    model = nn.Sequential(mlp(5, 3), nn.Flatten(), mlp(48, 1))
    with pytest.raises(InfluenceError) as caught:
        FactorExtractor(model, squared_error)(torch.randn(4, 2, 2, 2, 2, 5, dtype=torch.float64), torch.zeros(4))
    assert "Layer 0.0 gets inputs of shape (4, 2, 2, 2, 2, 5)" in str(caught.value)


@pytest.mark.parametrize(
    ("loss", "shape"),
    [
        (lambda outputs, labels: squared_error(outputs, labels).mean(), "()"),
        (lambda outputs, labels: squared_error(outputs, labels).sum(), "()"),
        (lambda outputs, labels: squared_error(outputs, labels)[:, None], "(4, 1)"),
    ],
    ids=["mean", "sum", "column"],
)
def test_a_loss_that_does_not_give_one_number_an_example(loss, shape):
    with pytest.raises(InfluenceError) as caught:
        FactorExtractor(mlp(5, 1), loss)(*regression(4))
    assert f"shape {shape} for 4 examples" in str(caught.value)
    assert "reduction='none'" in str(caught.value)
