"""The TracIn job on a few hundred houses: what it writes is what TracInCP gives for the checkpoints it keeps."""

import errno
import json
import os
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from influence import Dataset, Examples, InfluenceError, Split, TracInCP, datasets, jobs, results
from influence.datasets import Facts, Regression
from influence.datasets.california_housing import is_palo_alto
from influence.learners.regression import RegressionNetwork, networks
from influence.learners.regression.networks import Standardised
from influence.learners.toolkit import checkpoints
from influence.learners.toolkit.checkpoints import load_folder
from influence.learners.toolkit.outputs import squared_error
from influence.methods.tracin import TracIn, TracInConfig
from influence.results.kinds import SPREAD

HOUSES = TracInConfig(dataset="california-housing", learner=RegressionNetwork())
PALO_ALTO = -1
CONFIG = HOUSES.replace(k=30, learner=RegressionNetwork(epochs=4, batch_size=64), seed=1, checkpoint_every=2)


def part(split: Split, rows: np.ndarray) -> Split:
    return Split(split.index[rows], split.inputs[rows], split.labels[rows])


@pytest.fixture(scope="module")
def village(houses) -> Dataset:
    """Every fortieth training house, and the eleven of Palo Alto among fifty test houses."""
    eleven = np.flatnonzero(is_palo_alto(houses.test))
    test = np.union1d(eleven, np.arange(0, len(houses.test), 100))
    train = np.arange(0, len(houses.train), 40)
    return Dataset(houses.facts, part(houses.train, train), part(houses.test, test))


@pytest.fixture
def _in_the_village(village, monkeypatch) -> None:
    monkeypatch.setattr(datasets, "load", lambda *_: village)


@pytest.fixture(scope="module")
def folder(village, tmp_path_factory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets, "load", lambda *_: village)
        return TracIn.run(CONFIG, tmp_path_factory.mktemp("job") / "one")


@pytest.fixture(scope="module")
def direct(folder, village) -> tuple[TracInCP, Examples, Examples]:
    """A scorer on the checkpoints in the folder, with the training and the test examples."""
    data = Standardised.of(village)
    scorer = TracInCP(networks.build(8), load_folder(folder / "checkpoints"), squared_error)
    return scorer, Examples(data.train_inputs, data.train_labels), Examples(data.test_inputs, data.test_labels)


def test_the_manifest_says_everything(folder, village):
    manifest = results.read(folder).manifest.as_dict()
    assert manifest["dataset"] == "california-housing"
    assert manifest["dataset_hash"] == village.content_hash
    assert manifest["method"] == "tracin"
    assert manifest["config"] == CONFIG.as_dict()
    assert manifest["k"] == 30
    assert manifest["checkpoint_epochs"] == manifest["loss_curve"]["epoch"] == [2, 4]
    assert len(manifest["loss_curve"]["train_loss"]) == len(manifest["loss_curve"]["test_loss"]) == 2
    assert set(manifest["quality"]["explained_variance"]) == {"train", "test"}
    assert manifest["sign"].startswith("positive helps")
    assert "SGD" in manifest["caveat"]
    assert set(manifest["versions"]) >= {"python", "torch", "numpy"}
    assert manifest["seconds"] > 0
    (group,) = manifest["groups"]
    assert group["id"] == PALO_ALTO
    assert group["targets"] == village.test.index[is_palo_alto(village.test)].tolist()
    assert len(group["targets"]) == 11


def test_the_checkpoints_are_the_trainings(folder, village):
    traced = CONFIG.traced.trace(village.train, 1, 2)
    data = Standardised.of(village)
    for kept, made in zip(load_folder(folder / "checkpoints"), traced.checkpoints, strict=True):
        assert (kept.epoch, kept.learning_rate) == (made.epoch, made.learning_rate)
        traced.model.load_state_dict(made.state)
        with torch.no_grad():
            given = traced.model(torch.tensor(village.test.inputs))
        assert kept.test_loss == pytest.approx(squared_error(given, data.test_labels).mean().item(), rel=1e-6)
        assert all(torch.equal(kept.state[name], value) for name, value in made.state.items())


def test_the_tables_are_tracincps(folder, village, direct):
    scorer, train, targets = direct
    read = results.read(folder)
    scores = scorer.scores(train, targets).double().numpy()
    eleven = is_palo_alto(village.test)
    rows = {PALO_ALTO: scores[eleven].sum(0)} | dict(zip(village.test.index.tolist(), scores, strict=True))
    place = {name: i for i, name in enumerate(village.train.index.tolist())}
    assert read.targets.index.tolist() == list(rows)
    for target, expected in rows.items():
        table = read.of(target)
        assert table["rank"].tolist() == [*range(-30, 0), *range(1, 31)]
        tolerance = 1e-5 * np.abs(expected).max()
        columns = [place[name] for name in table["train"]]
        np.testing.assert_allclose(table["score"], expected[columns], rtol=0, atol=tolerance)
        order = np.sort(expected)
        top, bottom = (table[table["rank"] * sign > 0].sort_values("rank", key=abs) for sign in (1, -1))
        np.testing.assert_allclose(top["score"], order[::-1][:30], rtol=0, atol=tolerance)
        np.testing.assert_allclose(bottom["score"], order[:30], rtol=0, atol=tolerance)
        percentiles = read.targets.loc[target, "score_percentiles"]
        assert len(percentiles) == 101
        np.testing.assert_allclose(percentiles[[0, 100]], order[[0, -1]], rtol=0, atol=tolerance)
        counts = read.targets.loc[target, "histogram"]
        assert (len(counts), counts.sum()) == (64, len(order))
        assert order[len(order) // 2 - 3] - tolerance <= percentiles[50] <= order[len(order) // 2 + 3] + tolerance
    own = scorer.self_influence(train).numpy()
    np.testing.assert_allclose(read.train["self_influence"], own, rtol=1e-5)


@pytest.mark.usefixtures("_in_the_village")
def test_the_last_layer_alone(folder, village, results_home):
    """The same training, other scores; and whoever computes them again takes the same layer."""
    read = results.read(TracIn.run(CONFIG.replace(layers="last"), results_home / "last"))
    assert "last layer alone" in read.manifest.as_dict()["title"]
    assert read.manifest.as_dict()["config"]["layers"] == "last"
    whole = load_folder(folder / "checkpoints")[-1].state
    assert all(
        torch.equal(whole[name], value) for name, value in load_folder(read.path / "checkpoints")[-1].state.items()
    )

    model, data = networks.build(8), Standardised.of(village)
    target = int(village.test.index[3])
    expected = torch.zeros(len(village.train))
    for checkpoint in load_folder(read.path / "checkpoints"):  # the gradient is 2 (f - y) [a, 1]
        model.load_state_dict(checkpoint.state)
        with torch.no_grad():
            factors = [
                (model[:-1](inputs), 2 * (model(inputs)[:, 0] - labels))
                for inputs, labels in (
                    (data.test_inputs[3:4], data.test_labels[3:4]),
                    (data.train_inputs, data.train_labels),
                )
            ]
        (own, own_delta), (others, deltas) = factors
        expected += checkpoint.learning_rate * own_delta * deltas * (others @ own[0] + 1)
    kept = read.of(target)
    places = np.searchsorted(village.train.index, kept["train"])
    np.testing.assert_allclose(kept["score"], expected[places], rtol=1e-4, atol=1e-5 * float(expected.abs().max()))
    subject = TracIn.subject(read)
    subject.share(village, "the village")
    again = subject.scores()
    np.testing.assert_allclose(
        again.rows(np.array([3]))[0], expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max())
    )


def test_layers_that_there_are_not():
    with pytest.raises(InfluenceError, match="layers is 'first', but must be one of all, last"):
        TracInConfig(layers="first")


def test_residuals_of_all_and_prices_of_the_named_alone(folder, village, direct):
    _, train, targets = direct
    read = results.read(folder)
    model = networks.build(8)
    model.load_state_dict(load_folder(folder / "checkpoints")[-1].state)
    eleven = village.test.index[is_palo_alto(village.test)]
    for table, split, examples in ((read.train, village.train, train), (read.targets.iloc[1:], village.test, targets)):
        with torch.no_grad():
            predictions = model(examples.inputs)[:, 0].numpy()
        np.testing.assert_allclose(table["residual"], predictions - split.labels, rtol=0, atol=1e-5)
        named = table["price"].notna().to_numpy()
        assert (table[["prediction", "latitude", "longitude"]].notna().to_numpy() == named[:, None]).all()
        np.testing.assert_allclose(table["price"][named], split.labels[named], rtol=1e-6)
        np.testing.assert_allclose(table["longitude"][named], split.inputs[named, 7], rtol=1e-6)
    assert set(read.targets.index[read.targets["price"].notna()]) == set(eleven)
    assert read.targets.loc[PALO_ALTO, ["residual", "price"]].isna().all()

    # Named are the 20 strongest either way of the eleven and of their group, and the extremes of self-influence.
    top = [read.of(t)[read.of(t)["rank"].abs() <= 20]["train"] for t in (PALO_ALTO, *eleven)]
    order = read.train["self_influence"].sort_values(kind="stable").index
    expected = {*np.concatenate(top), *order[:100], *order[-100:]}
    assert set(read.train.index[read.train["price"].notna()]) == expected
    assert len(expected) < len(read.train)


@pytest.mark.usefixtures("_in_the_village")
def test_a_replay_gives_the_same_tables(folder, results_home):
    again = results.read(jobs.replay(folder, results_home / "again"))
    first = results.read(folder)
    assert again.manifest.as_dict()["config"] == first.manifest.as_dict()["config"]
    assert again.manifest.as_dict()["tables"] == first.manifest.as_dict()["tables"]  # row counts and SHA-256
    assert again.influences.equals(first.influences)


@pytest.mark.usefixtures("_in_the_village")
def test_progress_rises_to_one(results_home):
    seen: list[tuple[float, str]] = []
    config = HOUSES.replace(k=1, learner=RegressionNetwork(epochs=1), checkpoint_every=1)
    TracIn.run(config, results_home / "one", report=lambda share, what: seen.append((share, what)))
    shares = [share for share, _ in seen]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert list(dict.fromkeys(what for _, what in seen)) == ["training", "scoring every pair", "self-influence", "done"]


@pytest.mark.usefixtures("_in_the_village")
@pytest.mark.parametrize("k", [0, 414])
def test_k_out_of_range_is_refused_before_any_work(results_home, k):
    with pytest.raises(InfluenceError, match=f"k is {k}, but must lie between 1 and the 413 training examples"):
        TracIn.run(HOUSES.replace(k=k), results_home / "one")
    assert not results_home.exists()


@pytest.mark.usefixtures("_in_the_village")
def test_k_may_be_the_whole_training_set(results_home):
    config = HOUSES.replace(k=413, learner=RegressionNetwork(epochs=1), checkpoint_every=1)
    read = results.read(TracIn.run(config, results_home / "one"))
    assert sorted(read.of(PALO_ALTO)["train"]) == sorted([*read.train.index] * 2)


@pytest.mark.usefixtures("_in_the_village")
@pytest.mark.parametrize(
    ("owner", "function"),
    [(checkpoints, "save_file"), (pq, "write_table"), (Path, "write_bytes")],
    ids=["checkpoints", "tables", "manifest"],
)
def test_a_disk_that_fills_at_any_write_leaves_nothing(results_home, monkeypatch, owner, function):
    def fail(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(owner, function, fail)
    config = HOUSES.replace(k=1, learner=RegressionNetwork(epochs=1), checkpoint_every=1)
    with pytest.raises(InfluenceError, match="is full: nothing was kept of this run") as caught:
        TracIn.run(config, results_home / "one")
    assert str(results_home / "one") in str(caught.value)
    assert os.listdir(results_home) == []


@pytest.mark.usefixtures("_in_the_village")
@pytest.mark.parametrize("stage", ["training", "scoring every pair", "self-influence"])
def test_a_listener_that_is_gone_is_no_full_disk_and_leaves_nothing(results_home, stage):
    def report(share: float, what: str) -> None:
        if what == stage:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

    config = HOUSES.replace(k=1, learner=RegressionNetwork(epochs=1), checkpoint_every=1)
    with pytest.raises(BrokenPipeError):
        TracIn.run(config, results_home / "one", report=report)
    assert os.listdir(results_home) == []


def test_other_data_sets(results_home):
    with pytest.raises(InfluenceError, match=r"(?i)did you mean california-housing"):
        TracIn.run(TracInConfig(dataset="california-hosing"), results_home / "one")
    with pytest.raises(InfluenceError, match=r"regression does not learn classes, .* --learner patchnet"):
        TracIn.run(HOUSES.replace(dataset="cifar10"), results_home / "one")
    with pytest.raises(InfluenceError, match=r"mlp does not learn values, .* --learner regression"):
        TracIn.run(TracInConfig(dataset="california-housing"), results_home / "one")
    assert not results_home.exists()


def test_a_table_without_a_map_or_a_group(village, results_home, monkeypatch):
    """Every value is told then, under the name of labels, and there is no place and no group."""
    facts = Facts("energy", Regression("load", "kWh"), columns=village.facts.columns)
    table = Dataset(facts, village.train, village.test)
    monkeypatch.setattr(datasets, "facts", lambda name: facts)
    monkeypatch.setattr(datasets, "load", lambda *_: table)
    read = results.read(TracIn.run(CONFIG.replace(dataset="energy"), results_home / "one"))
    assert read.targets.index.tolist() == village.test.index.tolist()
    assert [*read.targets] == [*SPREAD, "residual", "label", "prediction"]
    assert [*read.train] == ["self_influence", "residual", "label", "prediction"]
    np.testing.assert_allclose(read.targets["label"], village.test.labels, rtol=1e-6)
    np.testing.assert_allclose(
        read.train["prediction"] - read.train["label"], read.train["residual"], atol=1e-5, rtol=0
    )
    assert "in units of (kWh)^2" in read.manifest.units
    assert facts.learner == "regression"


@pytest.mark.parametrize("changes", [{}, {"train_size": 300}, {"reverse_k": 3}, {"layers": "last"}])
def test_a_config_survives_json(changes):
    config = CONFIG.replace(**changes)
    stored = config.as_dict()
    assert TracInConfig.parse(json.loads(json.dumps(stored))) == config
    assert set(stored) == {"dataset", "k", "learner", "layers", *changes}
    assert set(stored["learner"]) == {"seed", "epochs", "checkpoint_every", "learning_rate", "batch_size"}


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"learner": {"momentum": 0.9}},
        {"learner": {}, "alpha": 0.5},
        {"learner": 3},
        {"learner": {}, "k": "5"},
        {"learner": {"epochs": 2.5, "checkpoint_every": 1}},
        {"learner": {"learning_rate": "0.1"}},
        {"learner": {"seed": None}},
    ],
)
def test_a_config_of_something_else(values):
    with pytest.raises(InfluenceError) as caught:
        TracInConfig.parse(values)
    assert "\n" not in str(caught.value)


def test_a_replay_of_another_method(folder, tmp_path):
    manifest = json.loads((folder / "manifest.json").read_text()) | {"method": "magic"}
    (tmp_path / "manifest.json").write_bytes(results.to_bytes(manifest))
    with pytest.raises(InfluenceError, match="was made by 'magic', which this program does not know"):
        jobs.replay(tmp_path, tmp_path / "again")
