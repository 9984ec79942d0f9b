"""What a model keeps from one pass or one checkpoint to the next never reaches a score: it is exact, or refused."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from influence import Checkpoint, Examples, InfluenceError, Projection, TracInCP, tracin_ideal

OTHER = "have another loss if the same model sees them again"


def squared(outputs: Tensor, labels: Tensor) -> Tensor:
    return (outputs[:, 0] - labels).square()


def cross_entropy(outputs: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(outputs, labels, reduction="none")


def examples(n: int, width: int = 4, seed: int = 1, classes: int = 0) -> Examples:
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(n, width, generator=generator, dtype=torch.float64)
    labels = torch.randn(n, generator=generator, dtype=torch.float64)
    return Examples(inputs, torch.arange(n) % classes if classes else labels)


def checkpoints(make, number: int = 2) -> list[Checkpoint]:
    found = []
    for seed in range(number):
        torch.manual_seed(seed)
        found.append(Checkpoint(make().double().state_dict(), 0.5 + seed, seed + 1))
    return found


def gradients(model: nn.Module, loss, part: Examples) -> Tensor:
    parameters = [p for p in model.parameters() if p.requires_grad]
    rows = []
    for i in range(len(part.inputs)):
        value = loss(model(part.inputs[i, None].clone()), part.labels[i, None]).sum()
        found = torch.autograd.grad(value, parameters, allow_unused=True, materialize_grads=True)
        rows.append(torch.cat([each.flatten() for each in found]))
    return torch.stack(rows)


def reference(make, loss, train: Examples, targets: Examples, number: int = 2) -> Tensor:
    """By autograd, one example at a time, on a new model for each checkpoint."""
    total = 0
    for checkpoint in checkpoints(make, number):
        model = make().double().eval()
        model.load_state_dict(checkpoint.state)
        total += checkpoint.learning_rate * gradients(model, loss, targets) @ gradients(model, loss, train).T
    return total


def scorer(make, loss, number: int = 2) -> TracInCP:
    return TracInCP(make().double(), checkpoints(make, number), loss)


def agrees(make, loss, train: Examples, targets: Examples) -> None:
    expected = reference(make, loss, train, targets)
    own = scorer(make, loss)
    scale = expected.abs().max()
    assert (own.scores(train, targets) - expected).abs().max() < 1e-9 * scale
    assert (own.group(train, targets) - expected.sum(0)).abs().max() < 1e-9 * scale * len(expected)
    diagonal = reference(make, loss, train, train).diagonal()
    assert (scorer(make, loss).self_influence(train) - diagonal).abs().max() < 1e-9 * diagonal.abs().max()
    assert (own.self_influence(train) - diagonal).abs().max() < 1e-9 * diagonal.abs().max()


class Scratch(nn.Module):
    """The memory of the layer's input is used again in every pass."""

    def __init__(self, bias: bool) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 1, bias=bias)
        self.memory = torch.zeros(512, 4, dtype=torch.float64)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(self.memory[: len(x)].copy_(x))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("n", [3, 60])
def test_scratch_memory(bias: bool, n: int) -> None:
    agrees(lambda: Scratch(bias), squared, examples(n), examples(7, seed=2))


class ArrayScratch(Scratch):
    """The same by NumPy, of which torch notices nothing."""

    def forward(self, x: Tensor) -> Tensor:
        self.memory.numpy()[: len(x)] = x.numpy()
        return self.layer(self.memory[: len(x)])


def test_scratch_memory_of_numpy() -> None:
    agrees(lambda: ArrayScratch(False), squared, examples(60), examples(7, seed=2))


class Cached(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer, self.norm = nn.Linear(4, 1), None

    def forward(self, x: Tensor) -> Tensor:
        if self.norm is None:
            self.norm = self.layer.weight.detach().norm()
        return self.layer(x) / self.norm


class LateBuffer(nn.Module):
    """A constant made when the model first runs."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        if not hasattr(self, "share"):
            self.register_buffer("share", torch.full((1,), 0.5, dtype=x.dtype), persistent=False)
        return self.layer(x) * self.share


class Keeping(nn.Module):
    """Features of the last pass are kept, as many do to look at them."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, 3), nn.Linear(3, 1)
        self.features, self.maps = None, {}

    def forward(self, x: Tensor) -> Tensor:
        self.features = self.first(x).tanh()
        self.maps["features"] = self.features
        return self.last(self.features)


@pytest.mark.parametrize("make", [Cached, LateBuffer])
def test_what_is_made_once_is_made_for_every_checkpoint(make) -> None:
    agrees(make, squared, examples(40), examples(7, seed=2))


def test_features_that_are_kept_are_no_harm() -> None:
    model = Keeping().double()
    model(examples(3).inputs)
    found = TracInCP(model, checkpoints(Keeping), squared).scores(examples(20), examples(5, seed=2))
    expected = reference(Keeping, squared, examples(20), examples(5, seed=2))
    torch.testing.assert_close(found, expected)


def test_a_tensor_made_of_parameters_and_never_again_is_refused() -> None:
    class Made(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 1)
            self.double()
            self.twice = [2 * self.layer.weight]

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x) + F.linear(x, self.twice[0].detach())

    with pytest.raises(InfluenceError, match=r"^twice is a tensor made of"):
        TracInCP(Made(), checkpoints(Made), squared).self_influence(examples(9))


def test_a_buffer_in_the_memory_of_a_parameter_is_refused() -> None:
    model = nn.Linear(4, 1).double()
    model.register_buffer("same", model.weight.detach(), persistent=False)
    with pytest.raises(InfluenceError, match="The buffer same shares the memory of the parameter weight"):
        TracInCP(model, checkpoints(lambda: nn.Linear(4, 1)), squared)


class FirstMean(nn.Module):
    """The first batch leaves its mean."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.mean = nn.Linear(4, 1), None

    def forward(self, x: Tensor) -> Tensor:
        if self.mean is None:
            self.mean = x.mean(0)
        return self.layer(x - self.mean)


class Cooling(nn.Module):
    """A temperature that halves with every fifth call, to an eighth."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.calls = nn.Linear(4, 1), 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.layer(x) * max(0.5 ** (self.calls // 5), 0.125)


@pytest.mark.parametrize("make", [FirstMean, Cooling])
@pytest.mark.parametrize("n", [3, 40])
def test_what_the_first_passes_leave_is_refused(make, n: int) -> None:
    for call in (lambda own: own.self_influence(examples(n)), lambda own: own.scores(examples(n), examples(5, seed=2))):
        with pytest.raises(InfluenceError):
            call(scorer(make, squared))


class Fading(nn.Module):
    """Every pass takes a little off the weights, by a way that torch does not count."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        self.layer.weight.data.mul_(1 - 1e-12)
        return self.layer(x)


def test_weights_that_passes_change_are_refused() -> None:
    with pytest.raises(InfluenceError, match=r"not the same twice|sees them again"):
        scorer(Fading, squared).self_influence(examples(40))


class Overflow(nn.Module):
    """Only the first so many rows that one expert wants reach it, and only with the weights of the first checkpoint."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 1)
        self.register_buffer("is_full", torch.tensor(False))

    def forward(self, x: Tensor) -> Tensor:
        wanted = x[:, 0] > 0
        left_out = wanted & (wanted.cumsum(0) > 25)
        return self.layer(x) * torch.where(left_out & self.is_full, 0.5, 1.0)[:, None]


def test_companions_at_an_earlier_checkpoint_only_are_refused() -> None:
    some = checkpoints(Overflow)
    some[0].state["is_full"].fill_(True)
    with pytest.raises(InfluenceError, match=OTHER):
        TracInCP(Overflow().double(), some, squared).self_influence(examples(60))


def test_a_large_pass_of_targets_is_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wide(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x) - (x.mean(0).sum() if len(x) > 50 else 0)

    monkeypatch.setattr("influence.tracin.scores._PASS_ROWS", 64)
    with pytest.raises(InfluenceError):
        scorer(Wide, squared).scores(examples(20), examples(70, seed=2))


def test_examples_changed_in_place_are_verified_again() -> None:
    class Rare(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x) + (x[:, 3:] > 50) * x.mean()

    own, train = scorer(Rare, squared), examples(40)
    own.scores(train, examples(5, seed=2))
    train.inputs[:, 3] = 60.0
    with pytest.raises(InfluenceError):
        own.self_influence(train)


class Masked(nn.Module):
    """Logits of a class that is never right are masked; examples meet in the gradient alone."""

    value = -torch.inf

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        logits = self.layer(x)
        logits = logits + logits.mean(0) - logits.mean(0).detach()
        return logits.masked_fill(torch.tensor([False, False, True]), self.value)


@pytest.mark.parametrize("value", [-torch.inf, -1e9, torch.finfo(torch.float32).min])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_masked_logits_do_not_hide_companions(
    value: float, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Masked, "value", value)
    part = examples(30, classes=2)
    with pytest.raises(InfluenceError):
        TracInCP(Masked().to(dtype), [Checkpoint(Masked().to(dtype).state_dict(), 1, 1)], cross_entropy).self_influence(
            Examples(part.inputs.to(dtype), part.labels)
        )


@pytest.mark.parametrize("scale", [1e5, 1e6])
def test_large_outputs_do_not_hide_a_weight_that_is_used_otherwise(scale: float) -> None:
    class Dollars(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 1)

        def forward(self, x: Tensor) -> Tensor:
            return scale * (2 + torch.func.functional_call(self.layer, {"weight": 3 * self.layer.weight}, (x,)))

    part = examples(30)
    labels = (scale * (2 + part.labels)).float()
    with pytest.raises(InfluenceError):
        TracInCP(
            Dollars(), [Checkpoint(Dollars().state_dict(), 1, 1)], lambda o, y: ((o[:, 0] - y) / scale).square()
        ).self_influence(Examples(part.inputs.float(), labels))


def test_infinite_losses_do_not_hide_companions() -> None:
    with pytest.raises(InfluenceError):
        scorer(lambda: nn.Linear(4, 3), lambda o, y: cross_entropy(o, y) / len(y) + torch.inf).self_influence(
            examples(30, classes=3)
        )


class Axial(nn.Module):
    """Two layers with positions along one side of a picture each."""

    def __init__(self) -> None:
        super().__init__()
        self.rows, self.columns = nn.Linear(3, 3), nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return (self.rows(x.mean(1)).tanh().mean(1) + self.columns(x.mean(2)).tanh().mean(1)).sum(1, keepdim=True)


@pytest.mark.parametrize("sizes", [((1, 9), (9, 1)), ((4, 3), (1, 1)), ((2, 2), (5, 7)), ((32, 32), (3, 3))])
def test_targets_of_another_size(sizes) -> None:
    torch.manual_seed(0)
    train, targets = (
        Examples(torch.randn(n, *size, 3, dtype=torch.float64), torch.randn(n, dtype=torch.float64))
        for n, size in zip((8, 5), sizes, strict=True)
    )
    agrees(Axial, squared, train, targets)


@pytest.mark.parametrize("size", [3, 8, 40])
def test_targets_of_another_size_through_a_convolution(size: int) -> None:
    def make() -> nn.Module:
        return nn.Sequential(nn.Conv2d(2, 3, 3), nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 1))

    torch.manual_seed(0)
    train, targets = (
        Examples(torch.randn(n, 2, side, side, dtype=torch.float64), torch.randn(n, dtype=torch.float64))
        for n, side in ((8, 12), (5, size))
    )
    agrees(make, squared, train, targets)


def test_positions_in_two_dimensions() -> None:
    class Grid(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Linear(3, 4), nn.Linear(4, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.last(self.first(x).tanh().mean((1, 2)))

    torch.manual_seed(0)
    train, targets = (
        Examples(torch.randn(n, 3, 2, 3, dtype=torch.float64), torch.randn(n, dtype=torch.float64)) for n in (9, 4)
    )
    agrees(Grid, squared, train, targets)


@pytest.mark.parametrize("kind", ["counter", "flag"])
def test_a_loss_that_holds_whole_numbers_of_the_model_is_refused(kind: str) -> None:
    model = nn.Linear(4, 1).double()
    model.register_buffer("level", torch.tensor(1 if kind == "counter" else True))
    state = model.state_dict() | {"level": torch.tensor(3 if kind == "counter" else False)}
    with pytest.raises(InfluenceError, match="uses the module that you gave"):
        TracInCP(model, [Checkpoint(state, 1, 1)], lambda o, y: squared(o, y) * model.level).self_influence(examples(9))
    assert model.level == 1


def test_hooks_for_all_modules_and_hooks_of_a_pass_are_refused() -> None:
    handle = nn.modules.module.register_module_forward_hook(lambda module, inputs, output: None)
    try:
        with pytest.raises(InfluenceError, match="registered for all modules"):
            scorer(lambda: nn.Linear(4, 1), squared)
    finally:
        handle.remove()

    class Hooking(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 1)

        def forward(self, x: Tensor) -> Tensor:
            handle = self.layer.register_forward_hook(
                lambda module, inputs, output: output + (inputs[0] * module.weight).sum(1, keepdim=True), prepend=True
            )
            found = self.layer(x)
            handle.remove()
            return found

    with pytest.raises(InfluenceError):
        scorer(Hooking, squared).self_influence(examples(9))


@pytest.mark.parametrize("factor", [1e-7, 1e-8])
def test_gradients_too_small_for_float16_are_refused(factor: float) -> None:
    part = examples(20, classes=3)
    model = nn.Linear(4, 3).half()
    with pytest.raises(InfluenceError, match="too small for float16"):
        TracInCP(
            model, [Checkpoint(model.state_dict(), 1, 1)], lambda o, y: cross_entropy(o, y) * factor
        ).self_influence(Examples(part.inputs.half(), part.labels))
    found = TracInCP(model, [Checkpoint(model.state_dict(), 1, 1)], cross_entropy).self_influence(
        Examples(part.inputs.half(), part.labels)
    )
    assert (found > 0).all()


@pytest.mark.parametrize("visits", [[99], [-1], 3.5, ["0"], [True], [0.9], []])
def test_visits_are_positions(visits) -> None:
    with pytest.raises(InfluenceError):
        tracin_ideal(nn.Linear(4, 1).double(), squared, examples(9), examples(3), visits, 0.1)


@pytest.mark.parametrize("rate", ["1", [0.1], float("nan"), float("inf"), True, 0, -1])
def test_rates_are_positive_numbers(rate) -> None:
    with pytest.raises(InfluenceError, match="learning rate is"):
        tracin_ideal(nn.Linear(4, 1).double(), squared, examples(9), examples(3), [0], rate)


def test_numbers_of_numpy_are_numbers() -> None:
    import numpy as np

    assert Projection(np.int64(3), np.uint8(200)) == Projection(3, 200)
    found = tracin_ideal(nn.Linear(4, 1).double(), squared, examples(9), examples(3), np.array([0, 8]), 0.1)
    assert found.visits.tolist() == [0, 8]


def test_checkpoints_are_compared_by_identity() -> None:
    state = nn.Linear(4, 1).state_dict()
    one, other = Checkpoint(state, 1, 1), Checkpoint(state, 1, 1)
    assert one == one
    assert one != other
    assert len({one, other}) == 2


@pytest.mark.parametrize("name", ["__metadata__", "\ud800"])
def test_names_that_no_file_can_hold_are_refused(name: str) -> None:
    with pytest.raises(InfluenceError, match="give it another name"):
        Checkpoint({name: torch.ones(1)}, 1, 1)


def test_a_path_is_needed() -> None:
    with pytest.raises(InfluenceError, match="path is a NoneType"):
        Checkpoint.load(None)
