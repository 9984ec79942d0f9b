"""What the images page shows, without Streamlit."""

import base64
import io
import re
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from influence import datasets, evidence, homes, results
from influence.cli.main import main
from influence.datamodels.subsets import SubsetConfig
from influence.errors import InfluenceError
from influence.evidence import METHODS, Evaluated, LdsEvidence
from influence.evidence.lds import LdsManifest
from influence.explorer.images import charts, words
from influence.explorer.images.filters import ALL, HARD, MISTAKES, NEAR_COPIES, QUALITIES, SORTS, Filters
from influence.explorer.images.picks import spread_of
from influence.explorer.images.records import Images
from influence.explorer.images.sums import TEST
from influence.explorer.parts.drawing import steps
from influence.learners.convnet import ConvNet
from influence.methods.datamodels import Datamodels, DatamodelsConfig
from influence.results import Result
from influence.settings import arguments


@pytest.fixture(scope="module")
def shipped() -> Result:
    return results.read(homes.precomputed_home() / "digits" / "datamodels", "shipped")


@pytest.fixture(scope="module")
def evaluated(shipped: Result) -> Evaluated:
    return evidence.read(shipped)


@pytest.fixture(scope="module")
def images(shipped: Result, evaluated: Evaluated) -> Images:
    assert evaluated.near_copies is not None
    return Images(shipped, datasets.load("digits"), evaluated, evaluated.near_copies.near)


def test_filters_and_their_counts(images: Images) -> None:
    test = images.test
    assert images.gallery(Filters()) == sorted(test.index)
    for filters, expected in (
        (Filters(label="3"), test["label"] == 3),
        (Filters(prediction="8"), test["prediction"] == 8),
        (Filters(MISTAKES), test["label"] != test["prediction"]),
        (Filters(HARD), test["lds"] < 0.75 * test["lds"].mean()),
        (Filters(quality="0.7 and more"), test["lds"] >= 0.7),
        (Filters(margin=(0.0, 2.0)), test["margin"].between(0, 2)),
        (Filters(MISTAKES, "4", "8"), (test["label"] == 4) & (test["prediction"] == 8)),
    ):
        assert images.gallery(filters) == sorted(test.index[expected])
    parts = [set(images.gallery(Filters(quality=quality))) for quality in QUALITIES if quality != ALL]
    assert sum(map(len, parts)) == len(test)
    low, high = images.margin_range
    assert len(images.gallery(Filters(margin=(low, high)))) == len(test)
    counts = images.counts(Filters(label="4"))
    assert counts["show"] == {chip: len(images.gallery(Filters(chip, "4"))) for chip in images.chips}
    assert sum(counts["label"][name] for name in images.classes) == counts["label"][ALL] == len(test)


def test_the_matrix_counts_every_test_image_once(images: Images) -> None:
    assert images.confusion.sum() == 360
    assert np.trace(images.confusion) == 360 - images.test["wrong"].sum()
    for own in range(10):
        for said in range(10):
            cell = Filters(label=str(own), prediction=str(said))
            assert images.confusion[own, said] == len(images.gallery(cell))


@pytest.mark.parametrize("sort", [sort for sort in SORTS if sort != "highest loss first"])
def test_every_order(images: Images, sort: str) -> None:
    assert sort in images.sorts
    order = images.gallery(Filters(), sort)
    assert sorted(order) == sorted(images.test.index)
    column, rising = SORTS[sort]
    if column:
        values = images.test.loc[order, column].dropna().to_numpy()
        assert (values[1:] >= values[:-1]).all() if rising else (values[1:] <= values[:-1]).all()


def test_a_pick_is_ordered_signed_and_named(images: Images) -> None:
    pick = images.pick(images.default(), 7)
    digits = datasets.load("digits")
    assert list(pick.positive["rank"]) == list(range(1, 8))
    assert list(pick.negative["rank"]) == list(range(-1, -8, -1))
    assert (np.diff(pick.positive["score"]) <= 0).all()
    assert (np.diff(pick.negative["score"]) >= 0).all()
    for row in pick.table.rename(columns={"class": "named"}).itertuples():
        place = int(np.searchsorted(digits.train.index, row.train))
        assert digits.train.index[place] == row.train
        assert row.named == str(digits.train.labels[place])
        assert row.same_class == (row.named == pick.row["class"])
    assert len(pick.table) == 14


def test_both_ways_tell_the_same_weight(images: Images) -> None:
    found = 0
    for target in images.gallery(Filters())[:60]:
        strongest = images.pick(target, 1).positive.iloc[0]
        reach = images.reach(int(strongest["train"]), 20)
        back = reach.table.set_index("target")["score"]
        if target in back.index:
            found += 1
            assert back[target] == pytest.approx(strongest["score"], rel=1e-5)
    assert found > 30
    assert list(reach.helped["rank"]) == list(range(1, 21))
    assert len(images.reach(int(images.train.index[0]), 50).table) == 40  # all that is kept


def test_scores_that_are_not_kept_are_told_as_a_range_alone(images: Images) -> None:
    for target in (images.default(), images.gallery(Filters())[0]):
        spread = images.spread(target)
        assert not spread.is_whole
        assert spread.bars["images"].sum() == spread.bars["kept"].sum() == 100
        assert spread.between == 1337
        scores = images.result.of(target).set_index("rank")["score"]
        assert spread.edges == pytest.approx((scores[-50], scores[50]))
        for each in spread.bars[spread.bars["kept"] > 0].itertuples():
            assert len(images.between(target, each.left, each.right)) >= each.kept
        assert images.between(target, 100.0, 101.0).empty


def test_a_histogram_counts_every_image(images: Images) -> None:
    kept = images.result.of(21)
    edges = np.linspace(kept["score"].min(), kept["score"].max(), 65)
    counts = np.full(64, 20)
    spread = spread_of(kept, (edges, counts), 1437)
    assert spread.is_whole
    assert spread.bars["images"].tolist() == counts.tolist()
    assert spread.bars["kept"].sum() == 100
    bars = svg(charts.histogram(spread, 21, 1437)).findall(".//*[@class='mark']")
    assert len(bars) == 64
    assert sum("data-id" in bar.attrib for bar in bars) == (spread.bars["kept"] > 0).sum()


def test_removal_starts_with_the_whole_training_set(images: Images) -> None:
    for target in images.gallery(Filters())[:20]:
        removal = images.removal(target)
        row = images.test.loc[target]
        everything = row["intercept"] + row["weight_sum"]
        assert removal.without[0] == pytest.approx(everything, abs=1e-3)
        assert removal.at_random[0] == pytest.approx(everything, abs=1e-3)
        assert removal.spread[0] == 0
        assert removal.at(1)[0] == pytest.approx(everything - images.pick(target, 1).positive["score"][0], abs=1e-3)
        assert (removal.without <= removal.at_random + 1e-3).all()
        if removal.support is not None and removal.support in removal.counts:
            assert removal.at(removal.support)[0] < 0


def test_removal_at_random_is_what_random_sums_do() -> None:
    rng = np.random.default_rng(0)
    weights = rng.standard_normal(50)
    sums = [weights[rng.permutation(50)[:20]].sum() for _ in range(20_000)]
    variance = 20 * 30 / 49 * weights.std() ** 2  # as in removal_of
    assert np.std(sums) == pytest.approx(np.sqrt(variance), rel=0.03)


def test_pictures_belong_to_their_indices(images: Images) -> None:
    digits = datasets.load("digits")
    for part, split in (("test", digits.test), ("train", digits.train)):
        for place in (0, 5, len(split) - 1):
            uri = images.picture(part, int(split.index[place]))
            assert uri is not None
            pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))
            assert np.array_equal(pixels, 255 - np.round(split.inputs[place] * (255 / 16)))


def test_without_pixels_everything_else_is_there(shipped: Result) -> None:
    bare = Images(shipped, None)
    assert bare.picture("test", bare.default()) is None
    assert not bare.picture
    assert len(bare.pick(bare.default(), 10).table) == 20


def test_why_a_number_cannot_be_picked(images: Images) -> None:
    test, train = int(images.test.index[0]), int(images.train.index[0])
    assert images.why_not(test) is None
    assert images.why_not_train(train) is None
    assert "is a training image: only test images" in str(images.why_not(train))
    assert "is a test image" in str(images.why_not_train(test))
    assert "no test image 99999" in str(images.why_not(99999))
    assert "no training image 99999" in str(images.why_not_train(99999))


def test_a_result_of_other_data_is_refused(shipped: Result) -> None:
    other = replace(shipped, manifest=shipped.manifest.model_copy(update={"dataset_hash": "0" * 64}))
    with pytest.raises(InfluenceError, match="another version of digits"):
        Images(other, datasets.load("digits"))


def test_sentences_hold_the_numbers(images: Images, shipped: Result) -> None:
    measured = images.evaluated.lds
    lds = measured.methods["result"] if measured else shipped.manifest.quality.lds
    said = words.trust(images)
    for number in (lds.mean, lds.low, lds.high):
        assert f"{number:.3f}" in said
    assert "50%" in words.meaning(shipped.manifest)
    for part in ("digits", "5,000 models", "718 of 1,437", "alpha 0.5", "seed 0, fresh", "prior-informed"):
        assert part in words.provenance(images)


def test_what_decides_is_told_by_the_margin(images: Images) -> None:
    """A tiny strongest score is said to be none that matters, with the share that all that are kept explain."""
    said = {target: words.verdict(images, images.pick(target, 5))[2] for target in images.gallery(Filters())}
    strongest = images.test[["helped", "hurt"]].abs().max(axis=1)
    tiny = (images.test["margin"] > 0) & (strongest < 0.1 * images.test["margin"])
    assert tiny.any()
    for target, text in said.items():
        assert ("No single training image matters" in text) == tiny[target]
        side = "hurt" if images.test["wrong"][target] else "helped"
        told = strongest if tiny[target] else images.test[side].abs()
        assert words.plain(told[target]) in text
    target = int(tiny.idxmax())
    helped = images.pick(target, 50).positive["score"]
    assert f"{helped.sum() / images.test['margin'][target]:.0%} of it" in said[target]


def test_a_negative_margin_beside_a_right_prediction_is_explained(images: Images) -> None:
    test = images.test
    right = test.index[(test["margin"] < 0) & ~test["wrong"]]
    wrong = test.index[(test["margin"] < 0) & test["wrong"]]
    assert "no other single class has more" in words.verdict(images, images.pick(int(right[0]), 5))[1]
    assert "leans to the wrong side" in words.verdict(images, images.pick(int(wrong[0]), 5))[1]


def test_near_copies_come_from_all_training_images(images: Images, evaluated: Evaluated) -> None:
    assert evaluated.near_copies is not None
    near = evaluated.near_copies.near
    targets = images.gallery(Filters(NEAR_COPIES), "most like a training image first")
    assert set(targets) == set(near["target"])
    first = near.sort_values("similarity", ascending=False).drop_duplicates("target").set_index("target")
    assert images.test.loc[targets, "nearest"].tolist() == first.loc[targets, "train"].tolist()
    train, similarity, rank = images.near_copy(targets[0]) or (0, 0.0, None)
    kept = images.result.of(targets[0]).set_index("train")["rank"]
    assert rank == kept.get(train)
    assert f"{similarity:.2f}" in (words.near_copy(images, targets[0]) or (0, ""))[1]
    assert images.near_copy(next(iter(set(images.test.index) - set(targets)))) is None


def test_culprits_are_sums_of_kept_scores(images: Images) -> None:
    members = np.array(images.gallery(Filters(label="8")))
    answer = images.sums.answer(TEST, members, 10)
    kept = pd.concat([images.result.influences, images.result.reverse])[["target", "train", "score"]]
    kept = kept.drop_duplicates(["target", "train"])
    sums = kept[kept["target"].isin(members)].groupby("train")["score"].sum()
    assert answer.hurt["score"].tolist() == pytest.approx(sorted(sums)[:10])
    assert answer.helped["score"].tolist() == pytest.approx(sorted(sums)[::-1][:10])
    assert (answer.hurt["of"] <= len(members)).all()


# The other method


@pytest.fixture(scope="module")
def traced() -> Result:
    return results.read(homes.precomputed_home() / "digits" / "tracin", "shipped")


@pytest.fixture(scope="module")
def tracin(traced: Result) -> Images:
    return Images(traced, datasets.load("digits"))


def test_tracin_has_what_its_columns_tell(tracin: Images, traced: Result) -> None:
    assert not any((tracin.knows_lds, tracin.knows_near_copies, tracin.predicts_removal))
    assert tracin.chips == (ALL, MISTAKES)
    assert tracin.counts(Filters())["quality"] == {ALL: 360}
    assert {"highest loss first", "strongest hurter first"} <= set(tracin.sorts)
    assert not {"best explained first", "most disputed first"} & set(tracin.sorts)
    losses = tracin.test.loc[tracin.gallery(Filters(), "highest loss first"), "loss"].to_numpy()
    assert (np.diff(losses) <= 0).all()
    wrong = traced.targets[traced.targets["label"] != traced.targets["prediction"]]
    assert tracin.default() == wrong["margin"].idxmin()
    assert "loss" in tracin.shown([21])
    pick, reach = tracin.pick(21, 5), tracin.reach(int(tracin.train.index[0]), 5)
    assert (pick.positive["score"] > 0).all()
    assert len(reach.helped) == 5


def test_tracin_says_what_it_is_and_that_it_is_not_evaluated(tracin: Images, traced: Result) -> None:
    said = " ".join(words.verdict(tracin, tracin.pick(21, 5)))
    assert f"Loss {tracin.test.loc[21, 'loss']:.2g} nats" in said
    assert "no parts of the margin" in said
    highest = int(traced.train["self_influence"].idxmax())
    assert "number 1 of 1,437 from the highest" in words.learned(tracin, tracin.reach(highest, 5))
    assert "6 checkpoints (epochs 5 to 30) · seed 0" in words.provenance(tracin)
    assert "Not evaluated" in words.trust(tracin)
    assert "influence evaluate lds precomputed/digits/tracin" in words.trust(tracin)


def test_the_shell_is_given_the_results_own_path(traced: Result) -> None:
    odd = Images(replace(traced, path=Path("/tmp/it's `mine`")), datasets.load("digits"))
    (code,) = re.findall("``+ (.+?) ``+", words.trust(odd))
    assert shlex.split(code)[3:] == ["evaluate", "lds", "/tmp/it's `mine`", "--store", "STORE"]


@pytest.mark.parametrize(
    ("score", "largest", "written"),
    [
        (0.1702, None, "+0.17"),
        (-0.0106, None, "−0.011"),
        (-0.082, 1.3, "−0.08"),
        (1234.5, None, "+1,234"),
        (0, None, "+0.00"),
    ],
)
def test_scores_are_written_with_a_sign_and_few_digits(score: float, largest: float | None, written: str) -> None:
    assert words.number(score, largest) == written


def test_tracin_with_evidence_tells_its_lds(traced: Result) -> None:
    shares = np.linspace(-0.2, 0.8, len(traced.targets), dtype=np.float32)
    estimates = {name: {"mean": 0.1, "low": 0.05, "high": 0.15, "level": 0.95} for name in METHODS}
    estimates["result"]["mean"] = 0.234
    figures = {"methods": estimates, "ceiling": estimates["random"], "held_out": 77}
    table = pd.DataFrame({"target": traced.targets.index, "result": shares})
    manifest = LdsManifest(
        kind="lds", about={}, config={}, figures=figures, notes=(), created="2026-01-01T00:00:00+00:00", tables={}
    )
    measured = LdsEvidence(manifest, {"targets": table})
    judged = Images(traced, None, Evaluated(measured))
    assert "On 77 models" in words.trust(judged)
    assert "**0.234**" in words.trust(judged)
    assert judged.test["lds"].to_numpy() == pytest.approx(shares)
    assert judged.hard == pytest.approx(0.75 * shares.mean())
    assert judged.default() == judged.test[judged.test["wrong"]]["lds"].idxmax()
    assert judged.counts(Filters())["quality"]["0.7 and more"] == (shares >= 0.7).sum()
    assert "best explained first" in judged.sorts
    assert "Trust for this image" in " ".join(words.verdict(judged, judged.pick(21, 5)))


def test_bars_of_the_histogram_are_as_high_as_they_count(images: Images) -> None:
    spread = images.spread(images.default())
    block, *bars = svg(charts.histogram(spread, images.default(), 1437)).findall(".//*[@class='mark']")
    assert "data-id" not in block.attrib
    drawn = spread.bars[spread.bars["images"] > 0]
    assert [bar.get("data-id") for bar in bars] == [str(place) for place in drawn.index]
    heights = [float(str(bar.find("{*}rect").get("height"))) for bar in bars]  # type: ignore[union-attr]
    assert (np.diff(np.array(heights)[drawn["images"].argsort(kind="stable")]) >= 0).all()


def test_the_removal_curve_goes_where_it_is_predicted(images: Images) -> None:
    removal = images.removal(21)
    lines = {line.get("class"): line.get("points") for line in svg(charts.removal_curve(removal, 20)).iter()}
    places = np.array([point.split(",") for point in str(lines["line blue"]).split()], dtype=float)
    np.testing.assert_allclose(places[:, 0], 100 * np.log1p(removal.counts) / np.log1p(removal.counts[-1]), atol=1e-3)
    slope, offset = np.polyfit(removal.without, places[:, 1], 1)
    assert slope < 0  # pixels count downwards
    np.testing.assert_allclose(places[:, 1], offset + slope * removal.without, atol=0.01)
    flat = np.array([point.split(",") for point in str(lines["line grey"]).split()], dtype=float)
    np.testing.assert_allclose(flat[:, 1], offset, atol=0.01)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 10, [0, 2, 4, 6, 8, 10]), (-0.31, 0.44, [-0.2, 0, 0.2, 0.4]), (990, 1010, [990, 995, 1000, 1005, 1010])],
)
def test_round_steps(low: float, high: float, expected: list[float]) -> None:
    assert steps(low, high) == pytest.approx(expected)


def svg(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text)


def test_a_run_from_the_page_has_the_config_that_was_asked_for(
    shipped: Result, monkeypatch: pytest.MonkeyPatch, results_home: object
) -> None:
    """The arguments go through the command line, and come out as the config."""
    seen = []
    monkeypatch.setattr(Datamodels, "run", lambda config, out, *_, **__: seen.append(config) or out)
    config = DatamodelsConfig.parse(shipped.manifest.settings)
    asked = [
        config,
        config.replace(models=6000),
        config.replace(estimator="lasso", held_out=100, settings={"lambdas": 9}),
        config.replace(estimator="ridge", settings={"choose": "target", "penalties": [0.5]}),
        config.replace(ceiling=False, outcomes=config.outcomes.replace(classes=["1", "7"], train_size=100)),
        config.replace(outcomes=config.outcomes.replace(learner=ConvNet(flip=False))),
        config.replace(outcomes=config.outcomes.replace(subsets=SubsetConfig(alpha=0.3, seed=5, seeds="common"))),
    ]
    for each in asked:
        monkeypatch.setattr(sys, "argv", ["influence", "datamodels", "run", *arguments(each), "--out", "x"])
        with pytest.raises(SystemExit):
            main()
    assert seen == asked
    assert seen[1].outcomes.digest == config.outcomes.digest  # so it continues the same store
