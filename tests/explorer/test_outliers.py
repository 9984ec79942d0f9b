"""The outliers page: rankings from what a result and its evidence hold, filters, and a list to fix."""

import base64
import io
import json
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from influence import datasets, evidence, homes, manifests, results
from influence.errors import InfluenceError
from influence.explorer.houses.records import Houses
from influence.explorer.outliers import records as outliers
from influence.explorer.outliers.records import AGREE, DISAGREE, Filters, Judgement, Outliers
from influence.explorer.parts.pictures import Pictures
from tests.explorer.pages import click, grid, ids, open_page, texts, warnings

SHIPPED = homes.precomputed_home()
GRID = "Training images that stand out"


@pytest.fixture(scope="module")
def judgement() -> Judgement:
    tables = evidence.read_one(SHIPPED / "digits" / "datamodels", "mislabels")[1]
    examples = tables["examples"]
    return Judgement(examples[examples["flips"] == "none"].set_index("train"), "digits/datamodels")


@pytest.fixture(scope="module")
def traced(judgement: Judgement) -> Outliers:
    return Outliers(results.read(SHIPPED / "digits" / "tracin", "digits/tracin"), judgement)


# --- rankings -------------------------------------------------------------------------------------------------------


def test_rankings_come_from_the_result_then_from_evidence(traced: Outliers, judgement: Judgement) -> None:
    assert list(traced.rankings) == ["self-influence", "memorisation", "held-out loss", "loss"]
    assert traced.rankings["self-influence"] == "this result"
    assert "digits/datamodels" in traced.rankings["memorisation"]
    train = traced.result.train
    np.testing.assert_allclose(traced.table["self-influence"], train["self_influence"])
    np.testing.assert_allclose(traced.table["memorisation"], judgement.examples["own-weight"].reindex(train.index))
    alone = Outliers(results.read(SHIPPED / "digits" / "datamodels"))
    assert list(alone.rankings) == ["against its class"]
    assert not alone.knows_predictions


def test_the_highest_come_first_and_filters_narrow(traced: Outliers) -> None:
    train = traced.result.train
    order = traced.listed(Filters(), "self-influence")
    assert order == train["self_influence"].sort_values(ascending=False, kind="stable").index.tolist()
    assert traced.listed(Filters(), "self-influence", "lowest first")[0] == int(train["self_influence"].idxmin())
    assert traced.listed(Filters(), "loss", "by index") == sorted(train.index)
    threes = traced.listed(Filters(label="3"), "loss")
    assert set(threes) == set(train.index[train["label"] == 3])
    wrong = traced.listed(Filters(agreement=DISAGREE), "loss")
    assert set(wrong) == set(train.index[train["label"] != train["prediction"]])
    assert len(wrong) + len(traced.listed(Filters(agreement=AGREE), "loss")) == len(train)
    assert set(traced.listed(Filters(indices="5, 100-120"), "loss")) == set(train.index) & {5, *range(100, 121)}


@pytest.mark.parametrize("text", ["five", "1-", "1.5", "3 4", "-2"])
def test_what_is_no_index_is_one_sentence(traced: Outliers, text: str) -> None:
    with pytest.raises(InfluenceError, match="is no index and no range: write 12, 100-200"):
        traced.listed(Filters(indices=text), "loss")


def test_examples_without_a_score_are_not_ranked(traced: Outliers, judgement: Judgement) -> None:
    few = Judgement(judgement.examples.iloc[:100], "few")
    examples = Outliers(traced.result, few)
    assert len(examples.listed(Filters(), "memorisation")) == 100
    unknown = int(traced.result.train.index.difference(few.examples.index)[0])
    standing = examples.standing(unknown).set_index("ranking")
    assert pd.isna(standing.loc["memorisation", "place"])
    assert standing.loc["memorisation", "of"] == 100
    assert examples.fix_list([unknown], "memorisation")["reason"][0] == "memorisation: not known"


def test_helped_and_hurt_targets_are_those_of_the_reverse_table(traced: Outliers) -> None:
    train = 1658
    helped, hurt = traced.targets(train, 5)
    kept = traced.result.by(train).set_index("rank")["target"]
    assert helped["target"].tolist() == kept.loc[[1, 2, 3, 4, 5]].tolist()
    assert hurt["target"].tolist() == kept.loc[[-1, -2, -3, -4, -5]].tolist()


def test_houses_are_looked_up_among_what_targets_keep() -> None:
    result = results.read(SHIPPED / "california-housing" / "tracin")
    examples = Outliers(result, None, Houses(result, None))
    assert list(examples.rankings) == ["self-influence", "error"]
    train = examples.listed(Filters(), "self-influence")[0]
    helped, hurt = examples.targets(train, 10_000)
    naming = result.influences[(result.influences["train"] == train) & (result.influences["target"] >= 0)]
    assert len(helped) + len(hurt) == len(naming)
    assert helped["score"].is_monotonic_decreasing
    assert (hurt["score"] < 0).all()


# --- the list to fix ------------------------------------------------------------------------------------------------


def test_a_fix_list_says_what_and_why(traced: Outliers) -> None:
    wrong = traced.listed(Filters(agreement=DISAGREE), "self-influence")[0]
    right = traced.listed(Filters(agreement=AGREE), "self-influence")[0]
    table = traced.fix_list([right, wrong], "self-influence")
    assert list(table) == ["index", "label", "suggested_label", "score", "reason"]
    assert table["index"].tolist() == [right, wrong]
    row = traced.result.train.loc[wrong]
    assert table.loc[1, ["label", "suggested_label"]].tolist() == [str(int(row["label"])), str(int(row["prediction"]))]
    assert table["suggested_label"][0] == ""
    assert table["score"][1] == pytest.approx(row["self_influence"])
    assert table["reason"][1] == f"self-influence: 1 of 1437, highest first; the model says {int(row['prediction'])}"


def test_the_list_keeps_its_order_and_each_once() -> None:
    known = pd.Index([3, 5, 8])
    assert outliers.indices("8, 3,8 ,x,9", known) == ([8, 3], ["x", "9"])
    assert outliers.changed("8, 3", [5, 3], on=True) == "8,5,3"
    assert outliers.changed("8,5,3", [5], on=False) == "8,3"
    assert outliers.changed("", [], on=True) == ""


# --- the page -------------------------------------------------------------------------------------------------------


def test_it_opens_on_what_stands_out_most(traced: Outliers) -> None:
    app = open_page("outliers")
    assert not app.exception
    assert warnings(app) == ""
    order = traced.listed(Filters(), "self-influence")
    assert ids(app, GRID) == order[:40]
    assert f"Training image {order[0]}" in texts(app)
    assert grid(app, GRID)["items"][0]["src"].startswith("data:image/png")
    assert ids(app, "Test images that it helped most") == traced.targets(order[0], 10)[0]["target"].tolist()
    assert app.dataframe[0].value["ranking"].tolist() == list(traced.rankings)


def test_a_link_carries_every_choice(traced: Outliers) -> None:
    app = open_page(
        "outliers", by="loss", label="3", agree=AGREE, find="0-900", order="lowest first", example="746", fix="746,12"
    )
    assert not app.exception
    assert warnings(app) == ""
    assert ids(app, GRID) == traced.listed(Filters("3", AGREE, "0-900"), "loss", "lowest first")[:40]
    assert "Training image 746" in texts(app)
    assert app.dataframe[1].value["index"].tolist() == [746, 12]


def test_clicks_mark_for_the_fix_list(traced: Outliers) -> None:
    order = traced.listed(Filters(), "self-influence")
    app = open_page("outliers", marking="true")
    click(app, GRID, order[3])
    click(app, GRID, order[1])
    assert not app.exception
    assert app.dataframe[1].value["index"].tolist() == [order[3], order[1]]
    assert "on the fix list" in grid(app, GRID)["items"][1]["alt"]
    click(app, GRID, order[3])
    assert app.dataframe[1].value["index"].tolist() == [order[1]]


def test_one_is_added_and_all_are_cleared(traced: Outliers) -> None:
    order = traced.listed(Filters(), "self-influence")
    app = open_page("outliers")
    click(app, GRID, order[2])
    next(button for button in app.button if button.label == "Add to the list").click().run()
    assert app.dataframe[1].value["index"].tolist() == [order[2]]
    next(button for button in app.button if button.label == "Add these 40").click().run()
    assert set(app.dataframe[1].value["index"]) == set(order[:40])
    next(button for button in app.button if button.label == "Clear").click().run()
    assert not app.exception
    assert "Nothing is on the list yet" in texts(app)


@pytest.mark.parametrize("of", ["digits/datamodels", "digits/tracin"])
def test_a_target_opens_on_its_page(of: str) -> None:
    app = open_page("outliers", of=of)
    assert not app.exception
    target = ids(app, "Test images that it hurt most")[0]
    click(app, "Test images that it hurt most", target)
    assert not app.exception
    assert app.title[0].value == "Images"
    assert f"Test image {target}" in texts(app)
    assert ("What a weight says" if of == "digits/datamodels" else "What a score says") in texts(app)


def test_houses_have_prices(no_houses: None) -> None:
    app = open_page("outliers", of="california-housing/tracin", fix="3364")
    assert not app.exception
    assert "california-housing is not on this machine" in texts(app)
    table = app.dataframe[0].value
    assert table["self-influence"].is_monotonic_decreasing
    assert f"Training house {table['house'].iloc[0]}" in texts(app)
    assert app.dataframe[-1].value["label"][0] == 67_500


def test_another_data_set_leaves_nothing_of_the_first_behind() -> None:
    app = open_page("outliers", example="746", fix="746", label="4", by="memorisation")
    app.selectbox(key="of").set_value("california-housing/tracin").run()
    assert not app.exception
    assert warnings(app) == ""
    assert "Training house 3364" in texts(app)
    assert "Nothing is on the list yet" in texts(app)
    app.selectbox(key="of").set_value("digits/datamodels").run()
    assert warnings(app) == ""
    assert "1,437 of 1,437 training examples" in texts(app)


def test_what_ranks_no_training_example_says_what_to_run(results_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ignored = shutil.ignore_patterns("evidence")
    odd = shutil.copytree(SHIPPED / "digits" / "datamodels", results_home / "my `run`", ignore=ignored)
    monkeypatch.setattr(homes, "precomputed_home", lambda: results_home / "nothing")
    monkeypatch.setattr(Outliers, "_own", lambda self, train: ({}, {}))  # a method of somebody's own, say
    app = open_page("outliers", of=Path(odd).name)
    assert not app.exception
    (code,) = re.findall("`` (.+?) ``", app.info[0].value)
    assert shlex.split(code)[3:] == ["evaluate", "mislabels", str(odd)]


def test_evidence_of_the_data_set_itself_counts_too(results_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = Path(shutil.copytree(SHIPPED / "digits" / "tracin", results_home / "bare"))
    kept = results_home / ".evidence" / "digits" / "evidence" / "mislabels"
    shutil.copytree(SHIPPED / "digits" / "datamodels" / "evidence" / "mislabels", kept)
    monkeypatch.setattr(homes, "precomputed_home", lambda: results_home / "nothing")
    app = open_page("outliers", of="bare")
    assert not app.exception
    assert "memorisation" in app.dataframe[0].value["ranking"].tolist()
    path = kept / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_bytes(manifests.to_bytes(manifest | {"about": {"dataset_hash": "0" * 64}}))
    app = open_page("outliers", of="bare")
    assert app.dataframe[0].value["ranking"].tolist() == ["self-influence", "loss"]
    assert bare.is_dir()


@pytest.mark.parametrize(
    ("link", "message"),
    [
        ({"of": "gone"}, "The link asks for of=gone"),
        ({"by": "beauty"}, "The link asks for by=beauty"),
        ({"label": "ten"}, "The link asks for label=ten"),
        ({"find": "five"}, "“five” is no index and no range"),
        ({"example": "21"}, "no training image 21"),
        ({"fix": "12,99999"}, "names no training example with 99999"),
        ({"sheet": "77"}, "The link asks for sheet=77"),
    ],
)
def test_a_bad_link_falls_back_with_a_message(link: dict[str, str], message: str) -> None:
    app = open_page("outliers", **link)
    assert not app.exception
    assert message in warnings(app)
    assert ids(app, GRID)


def test_pictures_are_those_of_their_indices() -> None:
    digits = datasets.load("digits")
    pictures = Pictures(digits)
    for part, split in (("train", digits.train), ("test", digits.test)):
        for place in (0, 7, len(split) - 1):
            encoded = str(pictures(part, int(split.index[place]))).partition(",")[2]
            drawn = np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))))
            assert np.array_equal(drawn, datasets.pictures("digits", split.inputs[place : place + 1])[0])
    assert Pictures(None)("train", 7) is None
