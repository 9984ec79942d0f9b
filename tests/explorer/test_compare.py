"""The compare page: overlaps and correlations by hand, neighbours against the baseline, and who may be compared."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from influence import datasets, evidence, homes, results
from influence.datamodels.outcomes import OutcomeConfig
from influence.datamodels.subsets import SubsetConfig
from influence.datasets import Dataset
from influence.evidence import Evaluated
from influence.explorer import describing
from influence.explorer.compare import records as compare
from influence.explorer.compare.records import NEIGHBOURS, Nearest, Ranking
from influence.measures.baselines import Neighbours, flat
from influence.methods.datamodels import DatamodelsConfig
from tests.explorer.made import random_result
from tests.explorer.pages import address, click, errors, grid, ids, open_page, texts, warnings

SHIPPED = homes.precomputed_home()
SIDES = ("Helped", "Hurt")


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return datasets.load("digits")


@pytest.fixture(scope="module")
def pair() -> tuple[results.Result, results.Result]:
    """The shipped digits: datamodels and TracIn."""
    first, second = (results.read(SHIPPED / "digits" / name, name) for name in ("datamodels", "tracin"))
    return first, second


def by_hand(name: str, scores: dict[int, float], k: int = 2) -> Ranking:
    order = sorted(scores, key=scores.__getitem__, reverse=True)
    kept = pd.Series({train: scores[train] for train in [*order[:k], *order[-k:]]})
    return Ranking(name, np.array(order[:k]), np.array(order[::-1][:k]), kept)


# --- agreement ------------------------------------------------------------------------------------------------------


def test_overlap_by_hand() -> None:
    first = by_hand("first", {1: 4.0, 2: 3.0, 3: 0.0, 4: -1.0, 5: -2.0})
    second = by_hand("second", {1: 1.0, 2: -0.5, 3: 2.0, 4: 0.0, 5: -3.0})
    assert compare.overlap(first, second, 1, 2) == 0.5  # {1, 2} and {3, 1}
    assert compare.overlap(first, second, 1, 1) == 0.0
    assert compare.overlap(first, second, -1, 2) == 0.5  # {5, 4} and {5, 2}
    assert compare.correlation(first, second) == (None, 3)  # too few
    table = compare.agreement([first, second], 5)
    assert list(table["pair"]) == ["first and second"] * 2 + ["by chance"]
    assert list(table["@2"]) == [0.5, 0.5, 2 / 5]
    assert table["rank correlation"][0] == "not given: 3 in common"
    assert first.place(4) == (-2, -1.0)
    assert first.place(3) == (None, None)


def test_correlation_is_spearmans_on_what_both_keep(pair: tuple[results.Result, results.Result]) -> None:
    target = 21
    found, common = compare.correlation(*(compare.ranking(result, target) for result in pair))
    kept = [result.of(target).set_index("train")["score"] for result in pair]
    both = kept[0].index.intersection(kept[1].index)
    assert common == len(both) >= 5
    assert found == pytest.approx(spearmanr(kept[0][both], kept[1][both]).statistic)


def test_overlap_over_all_targets_is_the_mean_of_each(pair: tuple[results.Result, results.Result]) -> None:
    few = replace(pair[0], targets=pair[0].targets.iloc[::9])
    for sign in (1, -1):
        each = [
            compare.overlap(*(compare.ranking(result, int(target)) for result in pair), sign, 10)
            for target in few.targets.index
        ]
        mean, number = compare.mean_overlap(few, pair[1], sign, 10)
        assert number == 40
        assert mean == pytest.approx(np.mean(each))
    assert compare.mean_overlap(pair[0], pair[0], 1, 10) == (1.0, 360)


# --- neighbours -----------------------------------------------------------------------------------------------------


def test_nearest_are_the_baselines_neighbours(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "_ROWS", 500)  # several blocks, the last one shorter
    parts = flat(digits.test.inputs), flat(digits.train.inputs)
    expected = Neighbours(*parts, digits.test.labels, digits.train.labels)
    nearest = Nearest(digits, has_classes=True)
    for place in (0, 77, 359):
        scores = nearest.scores(int(digits.test.index[place]))
        np.testing.assert_allclose(scores, expected.rows(np.array([place]))[0], atol=1e-6)
    ranked = nearest.ranking(int(digits.test.index[0]), 10)
    assert set(digits.train.labels[np.isin(digits.train.index, ranked.positive)]) == {digits.test.labels[0]}
    assert ranked.scores[ranked.positive[0]] == ranked.scores.max()
    assert ranked.scores[ranked.negative[0]] == ranked.scores.min()


def test_nearest_of_houses_compare_standardised_features(houses: Dataset) -> None:
    few = replace(houses, train=houses.train.take(np.arange(0, 16000, 40)), test=houses.test.take(np.arange(9)))
    mean, spread = few.train.inputs.mean(axis=0), few.train.inputs.std(axis=0)
    expected = Neighbours(*(flat((part.inputs - mean) / spread) for part in (few.test, few.train)))
    scores = Nearest(few, has_classes=False).scores(int(few.test.index[4]))
    np.testing.assert_allclose(scores, expected.rows(np.array([4]))[0], atol=1e-5)


# --- who may be compared --------------------------------------------------------------------------------------------


def test_another_data_set_or_part_is_one_sentence(pair: tuple[results.Result, results.Result]) -> None:
    first, second = pair
    assert describing.why_not_together(first, second) is None
    fewer = replace(second, name="fewer", train=second.train.iloc[:300])
    assert "“datamodels” ranks 1,437 training examples of digits and “fewer” 300" in str(
        describing.why_not_together(first, fewer)
    )
    other = replace(second, manifest=second.manifest.model_copy(update={"dataset": "cifar10"}))
    assert "is about digits and “tracin” about cifar10" in str(describing.why_not_together(first, other))
    old = replace(second, manifest=second.manifest.model_copy(update={"dataset_hash": "0" * 64}))
    assert "different versions of digits" in str(describing.why_not_together(first, old))


@pytest.fixture
def part(results_home: Path) -> Path:
    """A result on the first 300 training digits."""
    config = DatamodelsConfig(outcomes=OutcomeConfig(dataset="digits", train_size=300), k=5, reverse_k=3)
    return random_result(results_home / "part", config, datasets.load("digits", train_size=300))


# --- the page -------------------------------------------------------------------------------------------------------


def test_two_methods_side_by_side(pair: tuple[results.Result, results.Result]) -> None:
    app = open_page("compare", target="21", k="5")
    assert not app.exception
    assert warnings(app) == errors(app) == ""
    for name, result in zip(("digits/datamodels", "digits/tracin"), pair, strict=True):
        strongest = result.of(21).set_index("rank").loc[range(1, 6), "train"].tolist()
        assert ids(app, f"Helped, by {name}") == strongest
    assert "LDS 0.693" in texts(app)
    assert "LDS 0.271" in texts(app)
    table = app.dataframe[0].value
    assert table["@10"][0] == compare.overlap(*(compare.ranking(result, 21) for result in pair), 1, 10)
    assert app.dataframe[1].value["targets"].tolist() == [360, 360]


def test_the_lds_of_neighbours_is_told_where_it_is_known() -> None:
    """Evidence is of neighbours in features, or in inputs, as those on the page: the words tell which."""
    found = evidence.read(results.read(SHIPPED / "digits" / "datamodels"))
    assert found.lds is not None
    figure = str(found.lds.methods["neighbours"])
    assert compare.neighbours_lds([found]) == (
        f"LDS: not evaluated; of neighbours in the features of 4 trained models, LDS {figure}"
    )
    manifest = found.lds.manifest.model_copy(update={"config": found.lds.config | {"feature_models": 0}})
    of_pixels = replace(found, lds=replace(found.lds, manifest=manifest))
    assert compare.neighbours_lds([Evaluated(), found, of_pixels]) == f"LDS {figure}"
    assert compare.neighbours_lds([Evaluated()]) == "LDS: not evaluated"
    app = open_page("compare", third=NEIGHBOURS, target="21")
    assert f"in the features of 4 trained models, LDS {figure}" in texts(app)


def test_the_lds_of_neighbours_may_come_from_the_scaling() -> None:
    found = evidence.read(results.read(SHIPPED / "cifar10" / "datamodels"))
    only = replace(found, lds=None)
    assert only.scaling is not None
    rows = only.scaling.scores.set_index("estimator")
    text = compare.neighbours_lds([only])
    assert f"LDS {rows.loc['neighbours', 'mean']:.3f} (" in text
    assert text.endswith("over 1,000 targets")


def test_neighbours_are_a_third_and_a_click_asks_all() -> None:
    app = open_page("compare", third=NEIGHBOURS, target="21")
    assert not app.exception
    assert warnings(app) == ""
    nearest = ids(app, f"Most alike, by {NEIGHBOURS}")
    assert grid(app, f"Most alike, by {NEIGHBOURS}")["strip"]["uri"].startswith("data:image/webp")
    click(app, f"Most alike, by {NEIGHBOURS}", nearest[0])
    assert not app.exception
    table = app.dataframe[0].value.set_index("method")
    assert table.loc[NEIGHBOURS, "rank"] == 1
    assert list(table.index) == ["digits/datamodels", "digits/tracin", NEIGHBOURS]


def test_houses_are_facts_side_by_side(houses: Dataset, results_home: Path) -> None:
    shutil.copytree(SHIPPED / "california-housing" / "tracin", results_home / "again")
    app = open_page("compare", on="california-housing", second="again", target="12", k="4")
    assert not app.exception
    assert warnings(app) == ""
    assert "House 12" in texts(app)
    lists = [ids(app, f"{side}, by {name}") for name in ("california-housing/tracin", "again") for side in SIDES]
    assert lists[:2] == lists[2:]
    strongest = results.read(SHIPPED / "california-housing" / "tracin").of(12).set_index("rank")["train"]
    assert lists[:2] == [[strongest[sign * rank] for rank in range(1, 5)] for sign in (1, -1)]
    features, agreement = (app.dataframe[place].value for place in (0, 1))
    assert list(agreement["@50"][:2]) == [1.0, 1.0]  # the same result
    assert list(features.columns) == ["Feature", "House 12", "california-housing/tracin", "again"]
    train = houses.train.take(np.searchsorted(houses.train.index, lists[0]))
    income = 10_000 * float(np.median(train.inputs[:, houses.facts.columns.index("MedInc")]))
    assert features.set_index("Feature").loc["Median income", "again"] == f"${income:,.0f}"


def test_without_the_data_there_are_numbers_and_no_neighbours(no_houses: None) -> None:
    app = open_page("compare", on="california-housing", second=NEIGHBOURS)
    assert not app.exception
    assert "neighbours need the data set" in warnings(app)
    assert "California housing is not on this machine" in texts(app)
    items = grid(app, "Helped, by california-housing/tracin")["items"]
    assert all(item["cells"][0].strip("over ").startswith("$") for item in items)  # the result names their prices


def test_another_data_set_leaves_nothing_of_the_first_behind() -> None:
    app = open_page("compare", target="21", third="digits/datamodels-lasso", example="1611")
    assert "Test image 21" in texts(app)
    next(box for box in (*app.get("button_group"), *app.selectbox) if box.key == "on").set_value(
        "california-housing"
    ).run()
    assert not app.exception
    assert warnings(app) == ""
    assert "House 17136" in texts(app)


def test_two_seeds_can_be_told_apart(results_home: Path) -> None:
    data = datasets.load("digits", train_size=300)
    for seed in (1, 2):
        outcomes = OutcomeConfig(dataset="digits", train_size=300, subsets=SubsetConfig(seed=seed))
        random_result(results_home / f"run{seed}", DatamodelsConfig(outcomes=outcomes, k=5, reverse_k=3), data)
    app = open_page("compare", first="run1", second="run2")
    assert not app.exception
    for seed in (1, 2):
        assert f"run{seed}, " in texts(app)
        assert f"seed {seed}, 30 epochs" in texts(app)


@pytest.mark.parametrize(("page", "data"), [("houses", "california-housing"), ("images", "cifar10")])
def test_links_lead_to_the_data_set_that_is_looked_at(page: str, data: str) -> None:
    app = open_page(page, **({"data": data} if page == "images" else {}))
    for name, key in (("compare", "on"), ("outliers", "data"), ("quality", "data")):
        (link,) = [each.proto for each in app.get("page_link") if each.proto.label == name.capitalize()]
        assert f"{key}={data}" in link.query_string


def test_what_another_slot_has_changes_places() -> None:
    app = open_page("compare", third="digits/datamodels-lasso")
    app.selectbox(key="first").set_value("digits/datamodels-lasso").run()
    assert not app.exception
    assert warnings(app) == ""
    shown = [app.selectbox(key=slot).value for slot in ("first", "second", "third")]
    assert shown == ["digits/datamodels-lasso", "digits/tracin", "digits/datamodels"]
    assert "tracin" not in app.selectbox(key="third").options


def test_an_address_that_says_nothing_stays_so() -> None:
    app = open_page("houses")
    app.switch_page("pages/compare.py").run()
    assert not app.exception
    assert address(app) == {}


def test_a_result_of_other_training_examples_is_refused(part: Path) -> None:
    app = open_page("compare", second="part")
    assert not app.exception
    assert "ranks 1,437 training examples of digits and “part” 300 others" in errors(app)


def test_a_result_of_another_version_is_refused(results_home: Path) -> None:
    path = Path(shutil.copytree(SHIPPED / "digits" / "tracin", results_home / "old")) / "manifest.json"
    path.write_bytes(results.to_bytes(json.loads(path.read_text()) | {"dataset_hash": "0" * 64}))
    app = open_page("compare", second="old")
    assert not app.exception
    assert "different versions of digits" in errors(app)


@pytest.mark.parametrize(
    ("link", "message"),
    [
        ({"second": "gone"}, "The link asks for second=gone"),
        ({"on": "mnist"}, "The link asks for on=mnist"),
        ({"target": "99999"}, "have no test image 99999"),
        ({"target": "0"}, "Image 0 is a training image"),
        ({"k": "51"}, "these results show 1 to 50"),
        ({"second": "digits/datamodels"}, "it is chosen already"),
        ({"example": "21"}, "no training image 21"),
    ],
)
def test_a_bad_link_falls_back_with_a_message(link: dict[str, str], message: str) -> None:
    app = open_page("compare", **link)
    assert not app.exception
    assert message in warnings(app)
    assert "Test image " in texts(app)
