"""Every kind of layer, in many shapes, both ways of multiplying gradients, against gradients by plain autograd."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from influence import Checkpoint, Examples, InfluenceError, Projection, TracInCP
from influence.gradients import layers, products
from influence.gradients.factors import FactorExtractor
from influence.tracin import scores as scores_module
from tests.tracin.problems import assert_close, brute_force, checkpoints_of, cross_entropy, images

EXACT = 1e-12  # of float64, relative to the gradients' norms
SINGLE = 1e-5  # of float32

CONVOLUTIONS = {
    "plain": {},
    "without bias": {"bias": False},
    "a pixel": {"kernel_size": 1},
    "oblong": {"kernel_size": (3, 2)},
    "the whole image": {"kernel_size": 8},
    "stride": {"stride": 2},
    "a stride that leaves a rest": {"stride": 3, "padding": 1},
    "two strides": {"stride": (2, 1), "padding": (1, 2)},
    "a stride beyond the kernel": {"kernel_size": 2, "stride": 3},
    "padding": {"padding": 1},
    "padding beyond the kernel": {"padding": (4, 0)},
    "same": {"padding": "same"},
    "same, even kernel": {"kernel_size": (4, 2), "padding": "same"},
    "same, dilated": {"kernel_size": (2, 3), "padding": "same", "dilation": (3, 2)},
    "valid": {"padding": "valid"},
    "dilation": {"dilation": 2},
    "two dilations": {"dilation": (1, 3), "padding": 1, "stride": (2, 1)},
    "groups": {"groups": 2},
    "depthwise": {"groups": 4, "padding": 1, "bias": False},
    "depthwise, more channels": {"groups": 4, "out_channels": 8},
    "groups, stride, dilation": {"groups": 2, "stride": 2, "dilation": 2, "padding": 2},
    "zeros": {"padding": 2, "padding_mode": "zeros"},
    "reflect": {"padding": (1, 2), "padding_mode": "reflect"},
    "replicate": {"padding": 2, "padding_mode": "replicate", "stride": 2},
    "circular": {"padding": (2, 1), "padding_mode": "circular"},
    "reflect, same, even": {"kernel_size": 4, "padding": "same", "padding_mode": "reflect"},
    "few pixels, many channels": {"kernel_size": 7, "out_channels": 64},
    "groups, few pixels, many channels": {"kernel_size": 7, "out_channels": 64, "groups": 2},
}


def convolution(settings: dict[str, object], dtype: torch.dtype = torch.float64) -> nn.Module:
    """A convolution between two layers that are frozen, so that all scores are its own."""
    complete = {"in_channels": 4, "out_channels": 4, "kernel_size": 3} | settings
    middle = nn.Conv2d(**complete)  # type: ignore[arg-type]
    first = nn.Conv2d(3, 4, 3, padding=1).requires_grad_(False)
    head = nn.Linear(int(complete["out_channels"]), 4).requires_grad_(False)  # type: ignore[call-overload]
    body = [first, nn.Tanh(), middle, nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head]
    return nn.Sequential(*body).to(dtype)


class Residual(nn.Module):
    """Normalised convolutions with an addition in place, a GELU, and a convolution of one pixel beside them."""

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.Conv2d(width_in, width, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.GELU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )
        self.aside = nn.Conv2d(width_in, width, 1, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.inner(x)
        y += self.aside(x)
        return nn.functional.gelu(y)


class Pixels(nn.Module):
    """Images as a data set has them: (n, height, width, channels) bytes."""

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 3, 1, 2).double() / 255


def block(width_in: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(width_in, width, 3, padding=1), nn.BatchNorm2d(width), nn.GELU())


def head(width: int) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 4)]


def frozen(model: nn.Module, *names: str) -> nn.Module:
    for name in names:
        model.get_parameter(name).requires_grad_(False)
    return model


def small() -> nn.Sequential:
    return nn.Sequential(block(3, 4), nn.AvgPool2d(2), block(4, 6), nn.MaxPool2d(2), *head(6))


NETWORKS = {
    "small": small,
    "residual": lambda: nn.Sequential(block(3, 4), Residual(4, 6), *head(6)),
    "separable": lambda: nn.Sequential(
        nn.Conv2d(3, 6, 3, groups=3), nn.Conv2d(6, 5, 1), nn.BatchNorm2d(5), nn.ReLU(inplace=True), *head(5)
    ),
    "flattened pixels": lambda: nn.Sequential(block(3, 2), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(32, 4)),
    "convolution as the head": lambda: nn.Sequential(block(3, 4), nn.Conv2d(4, 4, 8), nn.Flatten()),
    "normalised features": lambda: nn.Sequential(
        nn.Flatten(), nn.Linear(192, 6), nn.BatchNorm1d(6), nn.GELU(), nn.Linear(6, 4)
    ),
    "normalised sequences": lambda: nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.Flatten(2), nn.BatchNorm1d(4), nn.GELU(), nn.Flatten(), nn.Linear(144, 4)
    ),
    "normalised images": lambda: nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3), *head(4)),
    "normalisation without parameters": lambda: nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, affine=False), nn.GELU(), *head(4)
    ),
    "frozen first convolution": lambda: frozen(small(), "0.0.weight", "0.0.bias"),
    "frozen first weight": lambda: frozen(small(), "0.0.weight"),
    "frozen biases": lambda: frozen(small(), "0.0.bias", "2.0.bias", "2.1.bias", "6.bias"),
    "frozen scales": lambda: frozen(small(), "0.1.weight", "2.1.weight"),
    "frozen normalisation": lambda: frozen(small(), "0.1.weight", "0.1.bias", "2.1.weight", "2.1.bias"),
    "biases alone": lambda: frozen(small(), "0.0.weight", "0.1.weight", "2.0.weight", "2.1.weight", "6.weight"),
    "linear on every field": lambda: nn.Sequential(
        nn.Flatten(2), nn.Linear(64, 5), nn.GELU(), nn.Flatten(), nn.Linear(15, 4)
    ),
    "wide, on every field": lambda: nn.Sequential(
        nn.Flatten(2), nn.Linear(64, 60), nn.GELU(), nn.Flatten(), nn.Linear(180, 4)
    ),
    "biases alone on every field": lambda: frozen(
        nn.Sequential(nn.Flatten(2), nn.Linear(64, 5), nn.GELU(), nn.Flatten(), nn.Linear(15, 4)), "1.weight"
    ),
    "channels last": lambda: small().to(memory_format=torch.channels_last),
}


@pytest.fixture(params=["counted", "formed", "not formed"])
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cheaper way, as counted, and each of the two throughout."""
    if request.param != "counted":
        monkeypatch.setattr(layers.Gradients, "is_best_formed", lambda self, shared: request.param == "formed")


FOUND: dict[str, tuple[Tensor, Tensor]] = {}


def brute_force_once(
    model: nn.Module, checkpoints: list[Checkpoint], train: Examples, targets: Examples
) -> tuple[Tensor, Tensor]:
    """What all ways must find, found once for all of them."""
    weights = [each for checkpoint in checkpoints for each in checkpoint.state.values()]
    trained = [parameter.requires_grad for parameter in model.parameters()]
    numbers = [each.double().sum().item() for each in (*weights, train.inputs, targets.inputs)]
    key = repr((model, trained, numbers, len(train.inputs), len(targets.inputs)))
    if key not in FOUND:
        FOUND[key] = brute_force(model, checkpoints, cross_entropy, train, targets)
    return FOUND[key]


def check_every_score(model: nn.Module, train: Examples, targets: Examples) -> None:
    checkpoints = checkpoints_of(model)
    expected, scale = brute_force_once(model, checkpoints, train, targets)
    scorer = TracInCP(model, checkpoints, cross_entropy)
    assert_close(scorer.scores(train, targets), expected, scale, EXACT)
    assert_close(scorer.group(train, targets), expected.sum(0), scale.sum(0), EXACT)
    both, norms = brute_force_once(model, checkpoints, train, train)
    assert_close(scorer.self_influence(train), both.diagonal(), norms.diagonal(), EXACT)
    top = scorer.top_k(train, targets, 3)
    assert torch.equal(top.proponents, expected.argsort(dim=1, descending=True)[:, :3])
    assert torch.equal(top.opponents, expected.argsort(dim=1)[:, :3])


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize("settings", CONVOLUTIONS.values(), ids=CONVOLUTIONS)
def test_a_convolution(settings):
    check_every_score(convolution(settings), images(11, seed=1), images(5, seed=2))


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize("network", NETWORKS)
def test_a_network(network):
    check_every_score(NETWORKS[network]().double(), images(11, seed=1), images(5, seed=2))


@pytest.mark.usefixtures("_way")
def test_bytes_as_a_data_set_has_them():
    model = nn.Sequential(Pixels(), small()).double()
    train, targets = (
        Examples((40 * e.inputs.abs()).byte().permute(0, 2, 3, 1).contiguous(), e.labels)
        for e in (images(11, seed=1), images(5, seed=2))
    )
    check_every_score(model, train, targets)


@pytest.mark.parametrize("settings", CONVOLUTIONS.values(), ids=CONVOLUTIONS)
def test_a_convolution_in_single_precision(settings):
    check_single_precision(convolution(settings), convolution(settings, torch.float32))


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize("network", NETWORKS)
def test_a_network_in_single_precision(network):
    check_single_precision(NETWORKS[network]().double(), NETWORKS[network]())


def check_single_precision(exact: nn.Module, model: nn.Module) -> None:
    train, targets = images(11, dtype=torch.float32, seed=1), images(5, dtype=torch.float32, seed=2)
    checkpoints = checkpoints_of(model)
    doubles = [
        replace(c, state={k: v.double() if v.is_floating_point() else v for k, v in c.state.items()})
        for c in checkpoints
    ]
    expected, scale = brute_force_once(
        exact, doubles, *(Examples(e.inputs.double(), e.labels) for e in (train, targets))
    )
    scorer = TracInCP(model, checkpoints, cross_entropy)
    scores = scorer.scores(train, targets)
    assert scores.dtype == torch.float32
    assert_close(scores, expected, scale, SINGLE)


def test_captum_agrees_on_convolutions():
    """captum's own exact path differentiates convolutions and linear layers, so the normalisation is frozen."""
    from tests.tracin.test_scores import captums

    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4, affine=False), nn.GELU(), *head(4)).double()
    checkpoints, train, targets = checkpoints_of(model), images(20, seed=1), images(5, seed=2)
    _, scale = brute_force(model, checkpoints, cross_entropy, train, targets)
    theirs = captums(model, checkpoints, train, loss=nn.CrossEntropyLoss(reduction="sum"))
    assert_close(
        TracInCP(model, checkpoints, cross_entropy).scores(train, targets),
        theirs.influence(tuple(targets)),
        scale,
        1e-10,
    )


# Counting


@pytest.mark.parametrize(
    ("settings", "pairs", "norms"),
    [
        ({"kernel_size": 3}, True, True),  # 36 pixels: 36^2 * (37 + 4) against 37 * 4, and 36 times that
        ({"kernel_size": 8}, False, False),  # one pixel: 257 + 4 against 257 * 4
        ({"kernel_size": 1, "in_channels": 4, "out_channels": 1}, True, True),
        ({"kernel_size": 7, "out_channels": 64}, False, False),  # 4 pixels: 16 * (197 + 64) against 197 * 64
        (
            {"kernel_size": 6, "out_channels": 64},
            True,
            False,
        ),  # 9 pixels: 81 * (145 + 64) against 145 * 64, and 9 times
    ],
)
def test_the_way_of_fewest_multiplications(settings, pairs, norms):
    model = convolution(settings)
    layer, inputs = model[2], torch.zeros(2, 4, 8, 8, dtype=torch.float64)
    part = layers.gradients(layer, inputs, layer(inputs))
    n_in, n_out, positions = part.n_in, part.n_out, part.positions
    assert (n_in, n_out) == (layer.weight[0].numel() + 1, layer.out_channels)
    assert part.is_best_formed(shared=True) == (n_in * n_out <= positions**2 * (n_in + n_out))
    assert part.is_best_formed(shared=False) == (n_in * n_out * positions <= positions**2 * (n_in + n_out))
    assert (part.is_best_formed(shared=True), part.is_best_formed(shared=False)) == (pairs, norms)


def test_what_is_formed_lies_in_one_factor():
    model = nn.Sequential(small(), nn.ReLU(), nn.Linear(4, 40), nn.ReLU(), nn.Linear(40, 4)).double()
    factors = FactorExtractor(model, cross_entropy)(*images(5))
    shapes = [[tuple(factor.shape[1:]) for factor in layer] for layer in factors]
    formed = sum(p.numel() for p in model[0][:4].parameters())  # convolutions and normalisations
    assert shapes == [[(7,), (4,)], [(5,), (40,)], [(41,), (4,)], [(formed,)]]


# Memory


@pytest.mark.parametrize("network", ["small", "residual"])
def test_passes_and_blocks_of_any_size_give_the_same_scores(network, monkeypatch):
    model = NETWORKS[network]().double()
    checkpoints, train, targets = checkpoints_of(model), images(23, seed=1), images(9, seed=2)
    whole = TracInCP(model, checkpoints, cross_entropy)
    expected, own, group = whole.scores(train, targets), whole.self_influence(train), whole.group(train, targets)
    monkeypatch.setattr(products, "_TARGET_ROWS", 2)
    for most in (1, 100_000, 300_000):
        monkeypatch.setattr(scores_module, "_PASS_BYTES", most)
        cut = TracInCP(model, checkpoints, cross_entropy, memory=20_000)
        torch.testing.assert_close(cut.scores(train, targets), expected, rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(cut.self_influence(train), own, rtol=1e-9, atol=0)
        torch.testing.assert_close(cut.group(train, targets), group, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("projection", [None, Projection(3)])
def test_a_pass_takes_as_many_examples_as_its_bytes_allow(projection, monkeypatch):
    model = NETWORKS["residual"]().double()
    passes: list[tuple[int, int]] = []
    original = FactorExtractor._gradients

    def counted(self, inputs, labels, verified):
        yield from original(self, inputs, labels, verified)
        passes.append((len(inputs), self.pass_bytes))

    monkeypatch.setattr(FactorExtractor, "_gradients", counted)
    monkeypatch.setattr(scores_module, "_PASS_BYTES", 500_000)
    monkeypatch.setattr(scores_module, "_PROBE_ROWS", 2)
    scorer = TracInCP(model, checkpoints_of(model, [0.1]), cross_entropy, projection=projection)
    for score in (lambda: scorer.scores(images(50), images(30)), lambda: scorer.self_influence(images(50))):
        passes.clear()
        score()
        assert 250_000 < max(held for _, held in passes) <= 500_000
        assert max(n for n, _ in passes) < 30


# The named approximations


def test_projections_average_to_the_exact_scores():
    model = NETWORKS["residual"]().double()
    checkpoints, train, targets = checkpoints_of(model), images(10, seed=1), images(4, seed=2)
    exact = TracInCP(model, checkpoints, cross_entropy).scores(train, targets)

    def projected(dimension: int, seed: int) -> Tensor:
        return TracInCP(model, checkpoints, cross_entropy, projection=Projection(dimension, seed)).scores(
            train, targets
        )

    draws = torch.stack([projected(3, seed) for seed in range(40)])
    error = draws.std(0) / len(draws) ** 0.5
    assert ((draws.mean(0) - exact).abs() <= 5 * error + 1e-12).all()
    assert (draws[0] - exact).norm() > 0.05 * exact.norm()
    torch.testing.assert_close(projected(1_000, 0), exact)


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize("network", ["small", "separable", "normalised features"])
def test_projected_scores_agree_with_each_other(network):
    model = NETWORKS[network]().double()
    train = images(7, seed=1)
    scorer = TracInCP(model, checkpoints_of(model), cross_entropy, projection=Projection(1))
    torch.testing.assert_close(scorer.self_influence(train), scorer.scores(train, train).diagonal())


def test_the_last_layer_alone():
    model = small().double()
    checkpoints, train, targets = checkpoints_of(model), images(10, seed=1), images(4, seed=2)
    alone = copy.deepcopy(model)
    for name, parameter in alone.named_parameters():
        parameter.requires_grad_(name.startswith("6."))
    expected, scale = brute_force(alone, checkpoints, cross_entropy, train, targets)
    scorer = TracInCP(model, checkpoints, cross_entropy, layers="last")
    assert_close(scorer.scores(train, targets), expected, scale, EXACT)


# What is refused


@pytest.mark.parametrize("trainable", [True, False])
def test_normalisation_by_the_batch_is_refused(trainable):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False), *head(4))
    model[1].requires_grad_(trainable)
    with pytest.raises(InfluenceError) as caught:
        FactorExtractor(model, cross_entropy)
    assert "Layer 1 (BatchNorm2d) keeps no running statistics" in str(caught.value)
    assert "\n" not in str(caught.value)


class Quarters(nn.Module):
    """Takes every image for four: the layers after it see four inputs for one example."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.pixel_unshuffle(x, 2).reshape(-1, 3, 4, 4)


class Sum(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.view(-1, 4, 4).sum(1)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            nn.Sequential(Quarters(), nn.Conv2d(3, 4, 3), *head(4), Sum()),
            "Layer 1 gets inputs of shape (20, 3, 4, 4) for 5 examples: only (examples, channels, height, width) "
            "works.",
        ),
        (
            nn.Sequential(Quarters(), nn.Flatten(), nn.Linear(48, 4), Sum()),
            "Layer 2 gets inputs of shape (20, 48) for 5 examples: only (examples, features) or (examples, positions, "
            "features) works.",
        ),
    ],
    ids=["convolution", "linear"],
)
def test_more_than_one_input_an_example(model, message):
    with pytest.raises(InfluenceError) as caught:
        FactorExtractor(model.double(), cross_entropy)(*images(5))
    assert str(caught.value) == message


class Tied(nn.Module):
    """The weight of a convolution, used once more without it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.head = nn.Sequential(*head(3))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(nn.functional.conv2d(torch.tanh(self.conv(x)), self.conv.weight)))


def test_a_kernel_that_is_used_elsewhere_too_is_named():
    with pytest.raises(InfluenceError, match="layer conv is not made by its inputs"):
        FactorExtractor(Tied().double(), cross_entropy)(*images(5))


@pytest.mark.parametrize("kind", [nn.Conv2d, nn.BatchNorm2d])
def test_a_subclass_may_do_anything_so_it_is_refused(kind):
    odd = type("Odd", (kind,), {})
    layer = odd(3, 3, 3) if kind is nn.Conv2d else odd(3)
    with pytest.raises(InfluenceError, match=r"Layer 0 \(Odd\)"):
        FactorExtractor(nn.Sequential(layer, *head(3)), cross_entropy)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("n", [1, 100])
def test_rounding_is_no_reason_to_refuse(dtype, n):
    for network in ("small", "residual"):
        FactorExtractor(NETWORKS[network]().to(dtype), cross_entropy)(*images(n, dtype=dtype))


def test_no_examples():
    model = small().double()
    scorer = TracInCP(model, checkpoints_of(model), cross_entropy)
    assert scorer.scores(images(4), images(0)).shape == (0, 4)
    assert scorer.self_influence(images(0)).shape == (0,)


def test_a_checkpoint_keeps_the_running_statistics():
    """They are part of a state dict: two checkpoints that differ in them alone give other scores."""
    model = small().double()
    (first,) = checkpoints_of(model, [0.1])
    other = Checkpoint(first.state | {"0.1.running_mean": first.state["0.1.running_mean"] + 1}, 0.1, 2)
    train, targets = images(4, seed=1), images(2, seed=2)
    scores = [TracInCP(model, [c], cross_entropy).scores(train, targets) for c in (first, other)]
    assert (scores[0] - scores[1]).norm() > 1e-3 * scores[0].norm()
