"""The datamodels job: what it leaves, what it trains again, what it refuses."""

import importlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr

from influence import datasets, evidence, homes, jobs, results
from influence.datamodels import Ridge, outcomes
from influence.datamodels.estimators.base import ESTIMATORS
from influence.datamodels.estimators.toolkit.dual import DualDatamodel
from influence.datamodels.outcomes import OutcomeConfig, collect, missing
from influence.datamodels.subsets import SubsetConfig
from influence.errors import InfluenceError
from influence.learners.mlp import Mlp
from influence.measures.lds import lds
from influence.methods.datamodels import Datamodels, DatamodelsConfig, summaries
from influence.methods.datamodels.alike import most_alike
from influence.methods.datamodels.measure import Estimate, measure
from influence.methods.datamodels.run import run
from influence.methods.datamodels.summaries import between_classes, removal_counts
from influence.results import Kind, Result
from influence.results.kinds import SPREAD

JOB = importlib.import_module("influence.methods.datamodels.run")  # the function of that name hides it
QUICK = OutcomeConfig(learner=Mlp(width=8, epochs=1))
SMALL = DatamodelsConfig(outcomes=QUICK, models=60, held_out=40, estimator="ridge", k=10, reverse_k=5)

SHORT = 5e-4  # relative error of kept scores


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store, and its repetition, with all that the tests below need."""
    place = str(tmp_path_factory.mktemp("store") / "digits")
    run(SMALL, Path(place).parent / "first", store=place)
    return place


@pytest.fixture(scope="module")
def result(store: str) -> Result:
    return results.read(Path(store).parent / "first")


@pytest.fixture(scope="module")
def weights(store: str) -> tuple[np.ndarray, np.ndarray]:
    """All weights and intercepts, fitted here."""
    fitted = outcomes.read(store, range(40, 100))
    model = Ridge().fit(fitted.masks, fitted.margins)
    return model.coef_, model.intercept_


def test_the_strongest_of_every_target_are_kept(result: Result, weights: tuple[np.ndarray, np.ndarray]) -> None:
    coef, _ = weights
    digits = datasets.load("digits")
    for place in (0, 17, 359):
        rows = result.of(int(digits.test.index[place])).set_index("rank")
        order = np.argsort(coef[place])
        assert list(rows.loc[range(1, 11), "train"]) == list(digits.train.index[order[::-1][:10]])
        assert list(rows.loc[range(-1, -11, -1), "train"]) == list(digits.train.index[order[:10]])
        np.testing.assert_allclose(rows.loc[1, "score"], coef[place].max(), rtol=SHORT)


def test_the_strongest_of_every_training_example_are_kept_too(
    result: Result, weights: tuple[np.ndarray, np.ndarray]
) -> None:
    coef, _ = weights
    digits = datasets.load("digits")
    for place in (0, 700, 1436):
        rows = result.by(int(digits.train.index[place])).set_index("rank")
        order = np.argsort(coef[:, place])
        assert list(rows.loc[range(1, 6), "target"]) == list(digits.test.index[order[::-1][:5]])
        assert list(rows.loc[range(-1, -6, -1), "target"]) == list(digits.test.index[order[:5]])
    with pytest.raises(KeyError):
        result.by(int(digits.test.index[0]))


def test_the_reverse_does_not_depend_on_blocks(
    result: Result, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(summaries, "_BLOCK", 7)
    again = results.read(run(SMALL, tmp_path / "again", store=store))
    for table, first in ((again.reverse, result.reverse), (again.influences, result.influences)):
        assert table is not None
        assert first is not None
        np.testing.assert_allclose(table["score"], first["score"], atol=1e-6)
        assert (table["train"] == first["train"]).mean() > 0.99  # rounding may swap neighbours


def test_what_targets_say(result: Result, store: str, weights: tuple[np.ndarray, np.ndarray]) -> None:
    coef, intercept = weights
    digits = datasets.load("digits")
    everything = outcomes.read(store, range(100))
    held_out = outcomes.read(store, range(40))
    targets = result.targets
    assert list(targets.index) == list(digits.test.index)
    assert list(targets["label"]) == list(digits.test.labels)
    np.testing.assert_allclose(targets["margin"], everything.margins.mean(axis=0), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(
        targets["correct"], (everything.predictions == digits.test.labels).mean(axis=0), atol=1e-6
    )
    votes = [np.bincount(everything.predictions[:, place], minlength=10).argmax() for place in range(360)]
    assert list(targets["prediction"]) == votes
    predicted = held_out.masks @ coef.T + intercept
    np.testing.assert_allclose(targets["lds"], lds(predicted, held_out.margins, bootstrap=1).per_target, atol=0.01)
    measured = evidence.read(result).lds
    assert measured is not None
    assert measured.methods["result"].mean == pytest.approx(targets["lds"].mean(), abs=1e-6)
    np.testing.assert_array_equal(measured.tables["targets"]["result"], targets["lds"])
    percentiles = np.stack(targets["score_percentiles"])
    np.testing.assert_allclose(percentiles[:, [0, 100]], np.stack([coef.min(axis=1), coef.max(axis=1)], 1), rtol=SHORT)
    for place in (0, 123):
        edges, counts = result.histogram(int(digits.test.index[place])) or (None, None)
        expected = np.histogram(coef[place].astype(np.float32).astype(float), 64)
        np.testing.assert_allclose(edges, expected[1], rtol=1e-5)
        assert counts.sum() == len(digits.train)
        np.testing.assert_allclose(counts, expected[0], atol=2)  # a weight that was fitted again may cross an edge


def test_removal_curves_are_sums_of_weights(result: Result, weights: tuple[np.ndarray, np.ndarray]) -> None:
    coef, intercept = weights
    counts = result.manifest.as_dict()["removal_counts"]
    assert counts[0] == 0
    assert counts[-1] == 718
    for place in (3, 200):
        falling = np.sort(coef[place])[::-1]
        expected = [intercept[place] + falling[count:].sum() for count in counts]
        row = result.targets.iloc[place]
        np.testing.assert_allclose(row["removal"], expected, atol=1e-3)
        left = intercept[place] + coef[place].sum() - np.concatenate([[0], falling.cumsum()])
        below = np.flatnonzero(left < 0)
        assert row["support"] == (below[0] if len(below) else -1)


def test_what_targets_say_of_their_nearest_and_of_classes(
    result: Result, weights: tuple[np.ndarray, np.ndarray]
) -> None:
    coef, _ = weights
    digits = datasets.load("digits")
    pixels = {int(index): image.ravel() for index, image in zip(digits.train.index, digits.train.inputs, strict=True)}
    for place in (0, 17, 359):
        row = result.targets.iloc[place]
        kept = result.of(int(digits.test.index[place]))
        likeness = {
            train: np.corrcoef(pixels[train], digits.test.inputs[place].ravel())[0, 1]
            for train in kept.loc[kept["rank"] > 0, "train"]
        }
        assert row["nearest"] == max(likeness, key=lambda train: likeness[train])
        assert row["nearest_similarity"] == pytest.approx(max(likeness.values()), abs=1e-5)
        means = np.array([coef[place][digits.train.labels == label].mean() for label in range(10)])
        residual = ((coef[place] - means[digits.train.labels]) ** 2).sum()
        whole = ((coef[place] - coef[place].mean()) ** 2).sum()
        assert row["between_classes"] == pytest.approx(1 - residual / whole, abs=1e-5)


def test_colour_photos_are_compared_with_their_mirror_images_and_grey_ones_are_not() -> None:
    rng = np.random.default_rng(0)
    train = rng.integers(256, size=(6, 5, 4, 3), dtype=np.uint8)
    train[4] = 7  # plain
    targets = np.stack([train[1], train[2][:, ::-1], train[3] // 2, train[4]])
    candidates = np.array([[0, 1, 4], [5, 0, 2], [3, 5, 1], [4, 0, 1]])
    places, similarity = most_alike(targets, train, candidates)
    assert places.tolist() == [1, 2, 3, 4]
    assert similarity.dtype == np.float32
    np.testing.assert_allclose(similarity, [1, 1, 1, 0], atol=1e-3)
    upside_down = train[5][::-1]
    assert most_alike(upside_down[None], train, np.array([[5]]))[1][0] < 0.9
    _, grey = most_alike(targets[:, :, :, 0], train[:, :, :, 0], candidates)
    assert grey[0] == pytest.approx(1, abs=1e-5)
    assert grey[1] < 0.9


def test_between_classes_runs_from_nothing_to_everything() -> None:
    labels = np.repeat(np.arange(4), [5, 10, 20, 65])
    rng = np.random.default_rng(0)
    by_class = np.array([3.0, -1.0, 0.5, 2.0])[labels]
    noise = rng.standard_normal((2000, 100))
    share = between_classes(np.stack([by_class, np.full(100, 0.1)]).astype(np.float32), labels)
    np.testing.assert_allclose(share, [1, 0], atol=1e-6)
    assert between_classes(noise, labels).mean() == pytest.approx(3 / 99, rel=0.05)


@pytest.mark.parametrize("n_train", [1, 2, 7, 99, 1437, 50_000])
def test_removal_counts_rise_from_none_to_half(n_train: int) -> None:
    counts = removal_counts(n_train)
    assert counts[0] == 0
    assert counts[-1] == max(1, n_train // 2)
    assert (np.diff(counts) > 0).all()
    assert len(counts) <= 112


def test_its_own_run_leaves_its_lds_as_evidence(result: Result) -> None:
    found = evidence.read(result)
    assert found.problems == []
    assert found.lds is not None
    own, random = found.lds.methods["result"], found.lds.methods["random"]
    assert found.lds.methods.keys() == {"result", "random"}
    assert own.low < own.mean < own.high
    assert abs(random.mean) < 0.1
    assert found.lds.ceiling is not None
    assert -0.2 < found.lds.ceiling.mean < 1
    assert (found.lds.held_out, found.lds.config["models"]) == (40, [0, 40])
    assert found.lds.tables["targets"]["neighbours"].isna().all()
    assert "lds" not in result.manifest.as_dict()["quality"]


def test_the_manifest_says_how_far_to_trust_it(result: Result) -> None:
    manifest = result.manifest.as_dict()
    quality = manifest["quality"]
    assert (quality["fitted"], quality["held_out"], quality["diverged"]) == (60, 40, 0)
    assert "its own initial weights" in manifest["protocol"]
    assert manifest["subset_size"] == 718
    assert DatamodelsConfig.parse(manifest["config"]) == SMALL
    assert "path" not in json.dumps(manifest)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_every_estimator_is_fitted_without_training(
    store: str, tmp_path: Path, estimator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("nothing is to be trained")

    monkeypatch.setattr(JOB, "collect", never)
    config = SMALL.replace(estimator=estimator, prior_models=2)
    read = results.read(run(config, tmp_path / "fit", store=store, train=False))
    assert read.manifest.as_dict()["config"]["estimator"] == estimator
    assert read.manifest.as_dict()["quality"]["fitted"] == 60


def test_other_settings_alone_are_fitted_without_training(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("nothing is to be trained")

    monkeypatch.setattr(JOB, "collect", never)
    read = {}
    for penalty in (0.1, 10.0):
        config = SMALL.replace(settings={"penalties": [penalty]})
        read[penalty] = results.read(run(config, tmp_path / str(penalty), store=store))
        manifest = read[penalty].manifest.as_dict()
        assert DatamodelsConfig.parse(manifest["config"]) == config
        assert manifest["estimator_settings"] == {"choose": "overall", "penalties": [penalty]}
    fitted = outcomes.read(store, range(40, 100))
    for penalty, result in read.items():
        coef = Ridge(penalties=(penalty,)).fit(fitted.masks, fitted.margins).coef_
        strongest = result.influences.loc[result.influences["rank"] == 1, "score"]
        np.testing.assert_allclose(strongest, coef.max(axis=1), rtol=SHORT)


def test_a_manifest_from_before_there_were_settings_is_replayed(
    result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "old"
    shutil.copytree(result.path, old)
    manifest = json.loads((old / "manifest.json").read_text())
    del manifest["config"]["settings"], manifest["estimator_settings"]
    (old / "manifest.json").write_bytes(results.to_bytes(manifest))
    seen: list[DatamodelsConfig] = []
    monkeypatch.setattr(Datamodels, "run", lambda config, out, *_: seen.append(config) or out)
    jobs.replay(old, tmp_path / "again")
    assert seen == [SMALL]


def test_a_larger_run_continues_the_store_and_keeps_its_judges(store: str, tmp_path: Path) -> None:
    before = outcomes.read(store, range(100))
    seen: list[str] = []
    config = SMALL.replace(models=110)
    read = results.read(run(config, tmp_path / "more", store=store, report=lambda share, what: seen.append(what)))
    assert any(what.startswith("training: 50 of 50 models") for what in seen)
    assert read.manifest.as_dict()["quality"]["fitted"] == 110
    assert np.array_equal(outcomes.read(store, range(100)).margins, before.margins)


def test_measuring_trains_the_first_models_and_keeps_them(tmp_path: Path) -> None:
    place = str(tmp_path / "store")
    first = measure(SMALL, place)
    assert first.models == 90  # 100 and 40 repeated, less the 50 that are trained together
    assert first.seconds is not None
    assert 0 < first.seconds < 5
    kept = outcomes.read(place)
    assert kept.models.tolist() == list(range(50))
    second, third = measure(SMALL, place), measure(SMALL, place)
    assert (second.models, third.models) == (40, 0)
    last = measure(SMALL, place)
    assert (last.models, last.seconds) == (0, None)
    assert np.array_equal(outcomes.read(place, range(50)).margins, kept.margins)
    assert run(SMALL, tmp_path / "one", store=place, train=False).is_dir()


@pytest.mark.parametrize(
    ("models", "seconds", "text"),
    [
        (1511, 12.34, "One model takes 12 s here: 1,511 are left to train, which takes about 5 h 11 min."),
        (90, 0.012, "One model takes 0.012 s here: 90 are left to train, which takes about 1 s."),
        (10, 200.0, "One model takes 3 min here: 10 are left to train, which takes about 33 min."),
        (0, 3.0, "One model takes 3 s here, and none is left to train: what is left is the fit."),
        (0, None, "All models are there already: what is left is the fit."),
    ],
)
def test_an_estimate_in_words(models: int, seconds: float | None, text: str) -> None:
    assert str(Estimate(models, seconds)) == text


def test_progress_rises_to_one(tmp_path: Path) -> None:
    shares: list[float] = []
    run(SMALL, tmp_path / "one", store=str(tmp_path / "store"), report=lambda share, what: shares.append(share))
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_a_replay_gives_the_same_tables(result: Result, tmp_path: Path) -> None:
    again = jobs.replay(result.path, tmp_path / "again")
    first, second = (read.targets.drop(columns=["removal", *SPREAD]) for read in (result, results.read(again)))
    np.testing.assert_allclose(first["margin"], second["margin"], atol=0.02)
    np.testing.assert_allclose(first["lds"], second["lds"], atol=0.1)


def test_without_a_ceiling_nothing_is_trained_twice(tmp_path: Path) -> None:
    read = results.read(run(SMALL.replace(ceiling=False), tmp_path / "one", store=str(tmp_path / "store")))
    found = evidence.read(read).lds
    assert found is not None
    assert found.ceiling is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "store"]


def test_part_of_a_data_set(tmp_path: Path) -> None:
    part = QUICK.replace(classes=("3", "8"), train_size=200)
    read = results.read(
        run(SMALL.replace(outcomes=part, ceiling=False), tmp_path / "one", store=str(tmp_path / "store"))
    )
    assert set(read.targets["label"]) == {3, 8}
    assert len(read.train) == 200
    assert read.manifest.as_dict()["config"]["outcomes"]["classes"] == ["3", "8"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"models": 1}, "models is 1, but must be at least 2."),
        ({"models": 9, "estimator": "lasso"}, "models is 9, but must be at least 10, which lasso needs"),
        ({"held_out": 9}, "held_out is 9, but must be at least 10."),
        ({"estimator": "lass"}, "There is no estimator 'lass': the estimators are .* Did you mean lasso"),
        ({"prior_models": 0}, "prior_models is 0"),
        ({"reverse_k": 0}, "reverse_k is 0"),
        ({"settings": {"lambdas": 5}}, "ridge has no setting 'lambdas': it has choose, penalties"),
    ],
)
def test_settings_that_will_not_do(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InfluenceError, match=message):
        SMALL.replace(**changes)  # type: ignore[arg-type]


def test_k_beyond_the_training_set(tmp_path: Path) -> None:
    with pytest.raises(InfluenceError, match="k is 1438, but must lie between 1 and the 1437"):
        run(SMALL.replace(k=1438), tmp_path / "one", store=str(tmp_path / "store"))
    assert list(tmp_path.iterdir()) == []


def test_a_config_that_is_none() -> None:
    with pytest.raises(InfluenceError, match="lack outcomes: give a config that was stored whole"):
        DatamodelsConfig.parse({"models": 3})
    with pytest.raises(InfluenceError, match="has no setting 'colour'"):
        DatamodelsConfig.parse(SMALL.as_dict() | {"colour": "red"})


def test_an_incomplete_store_is_not_fitted(store: str, tmp_path: Path) -> None:
    with pytest.raises(InfluenceError, match=r"lacks \d+ of the 1040 models"):
        run(SMALL.replace(models=1000), tmp_path / "one", store=store, train=False)
    assert list(tmp_path.iterdir()) == []


def test_a_store_of_another_config_is_refused(store: str, tmp_path: Path) -> None:
    other = QUICK.replace(subsets=SubsetConfig(alpha=0.4))
    with pytest.raises(InfluenceError, match="holds models of another config"):
        run(SMALL.replace(outcomes=other), tmp_path / "one", store=store)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_store_says_how_to_mend_it(tmp_path: Path) -> None:
    place = str(tmp_path / "store")
    outcomes.collect(QUICK, place, 100)
    group = zarr.open_group(place, mode="r+")
    margins = group["margins"]
    assert isinstance(margins, zarr.Array)
    margins[60, 5] = 1.5
    with pytest.raises(InfluenceError, match="verify the store with repair, then collect again"):
        run(SMALL.replace(ceiling=False), tmp_path / "one", store=place)
    assert outcomes.verify(place, repair=True).damaged == [60]
    assert run(SMALL.replace(ceiling=False), tmp_path / "one", store=place).is_dir()


def test_models_that_diverge_are_left_out_with_a_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = str(tmp_path / "store")
    real = Mlp.fit

    class Sick:
        def __init__(self, models: object) -> None:
            self.models = models

        def logits(self, inputs: np.ndarray) -> np.ndarray:
            logits: np.ndarray = self.models.logits(inputs)  # type: ignore[attr-defined]
            logits[0] = np.nan
            return logits

    monkeypatch.setattr(Mlp, "fit", lambda self, train, subsets: Sick(real(self, train, subsets)))
    read = results.read(run(SMALL.replace(ceiling=False), tmp_path / "one", store=place))
    quality = read.manifest.as_dict()["quality"]
    assert quality["diverged"] == 2  # one of each fifty
    assert quality["fitted"] + quality["held_out"] == 98


def test_all_models_diverging_is_one_sentence(tmp_path: Path) -> None:
    wild = QUICK.replace(learner=Mlp(width=8, epochs=1, learning_rate=1e30))
    with pytest.raises(InfluenceError, match="of the held-out models diverged, which leaves"):
        run(SMALL.replace(outcomes=wild), tmp_path / "one", store=str(tmp_path / "store"))
    assert not (tmp_path / "one").exists()


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("[enforce fail] not enough memory: you tried ...")])
@pytest.mark.parametrize(
    "place",
    [
        (OutcomeConfig, "load"),
        (JOB, "collect"),
        (JOB, "read"),
        (Ridge, "fit"),
        (DualDatamodel, "predict"),
        (DualDatamodel, "coef"),
        (Kind, "write"),
    ],
    ids=lambda place: place[1],
)
def test_out_of_memory_is_one_sentence(
    store: str, tmp_path: Path, error: Exception, place: tuple[object, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise error

    before = outcomes.size(store)
    monkeypatch.setattr(*place, full)
    config = SMALL.replace(models=before) if place[1] == "collect" else SMALL  # more than there are
    with pytest.raises(InfluenceError, match="does not fit into memory: no result was written") as caught:
        run(config, tmp_path / "one", store=store)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    assert outcomes.size(store) == before


def test_other_errors_stay_what_they_are(store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("shapes")

    monkeypatch.setattr(Ridge, "fit", broken)
    with pytest.raises(RuntimeError, match="shapes"):
        run(SMALL, tmp_path / "one", store=store)


def test_shipped_outcomes_are_where_a_run_of_their_config_starts(
    results_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(homes, "precomputed_home", lambda: tmp_path / "precomputed")
    shipped = tmp_path / "precomputed" / "digits" / "outcomes"
    collect(QUICK, str(shipped), 3)
    place = outcomes.default_store(QUICK)
    assert missing(QUICK, place, 3) == 0
    collect(QUICK, place, 4)
    assert outcomes.default_store(QUICK) == place  # and what was added since stays
    assert missing(QUICK, place, 4) == 0
    assert missing(QUICK, str(shipped), 4) == 1
    assert [each.name for each in (results_home / ".outcomes").iterdir()] == [Path(place).name]
    other = QUICK.replace(subsets=SubsetConfig(seeds="common"))
    assert not Path(outcomes.default_store(other)).exists()


def test_every_config_has_a_place_of_its_own(results_home: Path) -> None:
    other = QUICK.replace(subsets=SubsetConfig(seeds="common"))
    places = {outcomes.default_store(config) for config in (QUICK, other)}
    assert len(places) == 2
    assert all(Path(place).parent == results_home / ".outcomes" for place in places)
