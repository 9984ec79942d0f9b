"""The outliers page: lists from what a result and its evidence hold, filters, and a list to fix."""

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
from streamlit.testing.v1 import AppTest

from influence import datasets, evidence, homes, jobs, library, results
from influence.errors import InfluenceError
from influence.explorer.houses.records import Houses
from influence.explorer.outliers import choices, fixes, known
from influence.explorer.outliers.records import AGREE, DISAGREE, ON_LIST, Filters, Known, Outliers
from influence.explorer.parts.pictures import Pictures
from tests.explorer.pages import click, grid, ids, open_page, texts, warnings

SHIPPED = homes.precomputed_home()
GRID = "Training images to look at"


@pytest.fixture(scope="module")
def judgement() -> Known:
    tables = evidence.read_one(SHIPPED / "digits" / "datamodels", "mislabels")[1]
    examples = tables["examples"]
    return Known(examples[examples["flips"] == "none"].set_index("train"), "digits/datamodels")


@pytest.fixture(scope="module")
def traced(judgement: Known) -> Outliers:
    return Outliers(results.read(SHIPPED / "digits" / "tracin", "digits/tracin"), judgement)


# --- rankings -------------------------------------------------------------------------------------------------------


def test_rankings_come_from_the_result_then_from_evidence(traced: Outliers, judgement: Known) -> None:
    assert list(traced.rankings) == ["self-influence", "memorisation", "held-out loss", "loss", "harm"]
    assert traced.rankings["self-influence"] == "this result"
    assert "digits/datamodels" in traced.rankings["memorisation"]
    train = traced.result.train
    assert judgement.judged is not None
    np.testing.assert_allclose(traced.table["self-influence"], train["self_influence"])
    np.testing.assert_allclose(traced.table["memorisation"], judgement.judged["own-weight"].reindex(train.index))
    alone = Outliers(results.read(SHIPPED / "digits" / "datamodels"))
    assert list(alone.rankings) == ["harm", "against its class"]
    assert alone.says == ""
    other = Outliers(alone.result, Known(predictions=train["prediction"], predicted_by="digits/tracin"))
    assert other.says == "digits/tracin"
    assert (other.table["suggested"] != "").sum() == (train["label"] != train["prediction"]).sum()


def test_harm_is_minus_the_sum_of_kept_scores(traced: Outliers) -> None:
    kept = traced.result.influences
    train = int(kept["train"].iloc[0])
    own = kept[kept["train"] == train]["score"]
    assert traced.table["harm"][train] == pytest.approx(-own.sum(), rel=1e-5)
    assert traced.hurt(train) == (own < 0).sum()


def test_the_highest_come_first_and_filters_narrow(traced: Outliers) -> None:
    train = traced.result.train
    order = traced.listed(Filters(), "self-influence")
    assert order == train["self_influence"].sort_values(ascending=False, kind="stable").index.tolist()
    assert traced.listed(Filters(), "self-influence", "lowest first")[0] == int(train["self_influence"].idxmin())
    assert traced.listed(Filters(), "loss", "by index") == sorted(train.index)
    threes = traced.listed(Filters(label="3"), "loss")
    assert set(threes) == set(train.index[train["label"] == 3])
    assert traced.listed(Filters(agreement=ON_LIST), "loss", fixed=[746, 12]) != []
    assert set(traced.listed(Filters(agreement=ON_LIST), "loss", fixed=[746])) == {746}
    wrong = traced.listed(Filters(agreement=DISAGREE), "loss")
    assert set(wrong) == set(train.index[train["label"] != train["prediction"]])
    assert len(wrong) + len(traced.listed(Filters(agreement=AGREE), "loss")) == len(train)
    assert set(traced.listed(Filters(indices="5, 100-120"), "loss")) == set(train.index) & {5, *range(100, 121)}


@pytest.mark.parametrize("text", ["five", "1-", "1.5", "3 4", "-2"])
def test_what_is_no_index_is_one_sentence(traced: Outliers, text: str) -> None:
    with pytest.raises(InfluenceError, match="is no index and no range: write 12, 100-200"):
        traced.listed(Filters(indices=text), "loss")


def test_examples_without_a_score_are_not_ranked(traced: Outliers, judgement: Known) -> None:
    assert judgement.judged is not None
    few = Known(judgement.judged.iloc[:100], "few")
    examples = Outliers(traced.result, few)
    assert len(examples.listed(Filters(), "memorisation")) == 100
    unknown = int(traced.result.train.index.difference(judgement.judged.index[:100])[0])
    standing = examples.standing(unknown).set_index("ranking")
    assert pd.isna(standing.loc["memorisation", "place"])
    assert standing.loc["memorisation", "of"] == 100
    assert fixes.table(examples, {unknown: fixes.OUT}, "memorisation")["reason"][0] == "memorisation: not known"


def test_helped_and_hurt_targets_are_those_of_the_reverse_table(traced: Outliers) -> None:
    train = 1658
    helped, hurt = traced.targets(train, 5)
    kept = traced.result.by(train).set_index("rank")["target"]
    assert helped["target"].tolist() == kept.loc[[1, 2, 3, 4, 5]].tolist()
    assert hurt["target"].tolist() == kept.loc[[-1, -2, -3, -4, -5]].tolist()


def test_houses_are_looked_up_among_what_targets_keep() -> None:
    result = results.read(SHIPPED / "california-housing" / "tracin")
    examples = Outliers(result, None, Houses(result, None))
    assert list(examples.rankings) == ["self-influence", "harm", "error"]
    train = examples.listed(Filters(), "self-influence")[0]
    helped, hurt = examples.targets(train, 10_000)
    naming = result.influences[(result.influences["train"] == train) & (result.influences["target"] >= 0)]
    assert len(helped) + len(hurt) == len(naming)
    assert helped["score"].is_monotonic_decreasing
    assert (hurt["score"] < 0).all()


# --- near-copies ----------------------------------------------------------------------------------------------------


def test_near_copies_are_those_of_the_evidence(results_home: Path) -> None:
    ignored = shutil.ignore_patterns("evidence")
    mine = Path(shutil.copytree(SHIPPED / "digits" / "datamodels", results_home / "mine", ignore=ignored))
    alone = library.every()[0]["mine"]
    of_kept = Outliers(results.read(mine), known.known(alone, []))
    assert "kept either way" in of_kept.rankings["likeness"]
    jobs.evaluate("near-copies", mine)
    found = evidence.read(results.read(mine)).near_copies
    assert found is not None
    outliers = known.outliers_of(library.every()[0]["mine"])
    assert "near-copies evidence of mine" in outliers.rankings["likeness"]
    shown = outliers.listed(Filters(), "likeness")
    near = found.near.sort_values("similarity", ascending=False)
    assert len(shown) == near["train"].nunique() == found.figures.copies
    assert shown[0] == near["train"].iloc[0]
    target, label, likeness = outliers.copied(shown[0]) or (-1, "", 0.0)
    assert target in near.loc[near["train"] == shown[0], "target"].to_numpy()
    assert label == outliers.classes[int(outliers.result.targets["label"][target])]
    assert likeness == pytest.approx(near["similarity"].iloc[0])
    app = open_page("outliers", of="mine", list="near-copies")
    assert not app.exception
    assert ids(app, GRID) == shown[:40]
    item = grid(app, GRID)["items"][0]
    assert f"like test {target}" in item["lines"][1]
    assert None not in item["pictures"]
    assert len(item["pictures"]) == 2


# --- the list to fix ------------------------------------------------------------------------------------------------


def disagreed(traced: Outliers) -> tuple[int, int]:
    """A training image on which the model disagrees, and one on which it agrees."""
    return (
        traced.listed(Filters(agreement=DISAGREE), "self-influence")[0],
        traced.listed(Filters(agreement=AGREE), "self-influence")[0],
    )


def test_a_fix_list_says_what_and_why(traced: Outliers) -> None:
    wrong, right = disagreed(traced)
    chosen, _ = fixes.parse(f"{right},{wrong}", traced)
    table = fixes.table(traced, chosen, "self-influence")
    assert list(table) == ["index", "label", "suggested_label", "score", "reason", "fix"]
    assert table["index"].tolist() == [right, wrong]
    row = traced.result.train.loc[wrong]
    assert table.loc[1, ["label", "suggested_label"]].tolist() == [str(int(row["label"])), str(int(row["prediction"]))]
    assert table["suggested_label"][0] == ""
    assert table["score"][1] == pytest.approx(row["self_influence"])
    assert table["reason"][1] == f"self-influence: 1 of 1437, highest first; the model says {int(row['prediction'])}"
    assert table["fix"].tolist() == ["take out", f"label {int(row['prediction'])}"]


def test_the_list_keeps_its_order_and_what_is_done_about_each(traced: Outliers) -> None:
    wrong, right = disagreed(traced)
    found, unknown = fixes.parse(f"{right}:3, {wrong},{right}:5 ,x,99999,{wrong}:77", traced)
    assert unknown == ["x", "99999"]
    assert found == {right: "5", wrong: fixes.suggested(traced, wrong)}
    assert fixes.spelled(found, traced) == f"{right}:5,{wrong}"
    assert fixes.parse(fixes.spelled(found, traced), traced) == (found, [])
    more = fixes.changed(found, [746, right], True, traced)
    assert list(more) == [right, wrong, 746]
    assert more[right] == "5"
    assert fixes.changed(more, [wrong], False, traced).keys() == {right, 746}
    assert fixes.options(traced, wrong)[:2] == [fixes.suggested(traced, wrong), fixes.OUT]
    assert len(fixes.options(traced, right)) == 10  # out, and nine other labels


def test_corrected_labels_are_those_of_all_that_is_left(traced: Outliers) -> None:
    wrong, right = disagreed(traced)
    label = str(traced.table["suggested"][wrong])
    chosen = {wrong: fixes.suggested(traced, wrong), right: fixes.OUT}
    table = fixes.corrected(traced, chosen).set_index("index")["label"]
    assert len(table) == 1436
    assert table[wrong] == label
    assert right not in table.index
    others = table.index.difference([wrong])
    assert (table[others] == traced.table["label"][others]).all()


# --- trust ----------------------------------------------------------------------------------------------------------


def test_trust_is_what_the_order_found_of_flipped_labels() -> None:
    found = evidence.read(results.read(SHIPPED / "cifar10" / "datamodels")).mislabels
    assert found is not None
    heading, said = choices.trust_in("held-out loss", found)
    assert heading == f"Trust: finds {found.found['uniform']['held-out-loss'].at_20.mean:.0%}"
    assert f"{found.found['adversarial']['held-out-loss'].at_20.mean:.0%} to the likeliest" in said
    assert "look yourself" in choices.trust_in("likeness", found)[0]
    assert "not evaluated" in choices.trust_in("loss", None)[0]


# --- the page -------------------------------------------------------------------------------------------------------


def tray(app: AppTest) -> list[int]:
    """What is on the fix list, the last first."""
    return [int(box.label.rpartition(" ")[2]) for box in app.selectbox if box.label.startswith("What to do about")]


def tick(app: AppTest, index: int) -> AppTest:
    """Press the box of a tile, as the browser does."""
    states = app._tree.get_widget_states()
    widget = states.widgets.add()
    widget.id = f"$$STREAMLIT_INTERNAL_KEY_{grid(app, GRID)['proto'].id}__events"
    widget.json_trigger_value = json.dumps([{"event": "ticked", "value": index}])
    return app._run(states)


def button(app: AppTest, label: str) -> AppTest:
    return next(each for each in app.button if each.label == label).click().run()


def test_it_opens_on_labels_in_doubt() -> None:
    app = open_page("outliers")
    assert not app.exception
    assert warnings(app) == ""
    outliers = known.outliers_of(library.every()[0]["digits/tracin"])
    order = outliers.listed(Filters(), "held-out loss")
    assert ids(app, GRID) == order[:40]
    assert f"Training image {order[0]}" in texts(app)
    item = grid(app, GRID)["items"][0]
    assert item["lines"][0] == f"labelled **{outliers.table['label'][order[0]]}**"
    assert item["lines"][1].startswith("model ")
    assert item["pictures"][0] is not None
    assert ids(app, "Test images that it helped most") == outliers.targets(order[0], 10)[0]["target"].tolist()
    standing = grid(app, f"Where training example {order[0]} stands by every ranking")["items"]
    assert [row["cells"][0] for row in standing] == list(outliers.rankings)


@pytest.mark.parametrize(
    ("link", "name", "ranking"),
    [
        ({}, "in-doubt", "held-out loss"),
        ({"by": "self-influence"}, "in-doubt", "self-influence"),
        ({"by": "memorisation"}, "memorised", "memorisation"),
        ({"list": "memorised", "by": "self-influence"}, "memorised", "self-influence"),
        ({"of": "digits/datamodels", "by": "against its class"}, "harmful", "against its class"),
        ({"list": "harmful"}, "harmful", "harm"),
    ],
)
def test_every_list_has_its_rankings(link: dict[str, str], name: str, ranking: str) -> None:
    """An old link names a ranking alone, and opens the list that has it."""
    app = open_page("outliers", **link)
    assert not app.exception
    assert warnings(app) == ""
    assert app.button_group(key="list").value == name
    assert app.selectbox(key="by").value == ranking
    outliers = known.outliers_of(library.every()[0][link.get("of", "digits/tracin")])
    assert ids(app, GRID) == outliers.listed(Filters(), ranking)[:40]


def test_a_link_carries_every_choice(traced: Outliers) -> None:
    app = open_page(
        "outliers", by="loss", label="3", agree=AGREE, find="0-900", order="lowest first", example="746", fix="746,12:4"
    )
    assert not app.exception
    assert warnings(app) == ""
    assert ids(app, GRID) == traced.listed(Filters("3", AGREE, "0-900"), "loss", "lowest first")[:40]
    assert "Training image 746" in texts(app)
    assert tray(app) == [12, 746]
    assert app.selectbox(key="what to do about 12").value == "4"


def test_where_some_pictures_ship_it_opens_on_an_example_that_has_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFLUENCE_DATA_DIR", str(tmp_path))
    app = open_page("outliers", data="cifar10")
    assert not app.exception
    for side in ("helped", "hurt"):
        found = grid(app, f"Test images that it {side} most")
        assert all(item["pictures"] != [None] for item in found["items"])


def test_boxes_collect_what_is_to_be_fixed() -> None:
    app = open_page("outliers")
    order = ids(app, GRID)
    tick(app, order[3])
    tick(app, order[1])
    assert not app.exception
    assert tray(app) == [order[1], order[3]]
    assert set(grid(app, GRID)["ticked"]) == {order[1], order[3]}
    tick(app, order[3])
    assert tray(app) == [order[1]]
    outliers = known.outliers_of(library.every()[0]["digits/tracin"])
    another = fixes.options(outliers, order[1])[-1]
    app.selectbox(key=f"what to do about {order[1]}").set_value(another).run()
    assert app.query_params["fix"] == f"{order[1]}:{another}"
    app.button(key=f"take {order[1]} off the list").click().run()
    assert tray(app) == []


def test_one_is_added_and_all_are_cleared() -> None:
    app = open_page("outliers")
    order = ids(app, GRID)
    click(app, GRID, order[2])
    assert f"Training image {order[2]}" in texts(app)
    button(app, "Put on the fix list")
    assert tray(app) == [order[2]]
    button(app, "Tick these 40")
    assert set(tray(app)) == set(order)
    button(app, "Clear")
    assert not app.exception
    assert "to collect them here" in texts(app)
    assert "fix" not in app.query_params


def test_the_list_stays_when_the_page_is_left() -> None:
    app = open_page("outliers")
    order = ids(app, GRID)
    tick(app, order[0])
    app.switch_page("pages/quality.py").run()
    app.switch_page("pages/outliers.py").run()
    assert not app.exception
    assert tray(app) == [order[0]]


def test_the_list_can_be_typed() -> None:
    app = open_page("outliers")
    app.text_input(key="fix").set_value("746, 12").run()
    assert tray(app) == [12, 746]
    assert app.query_params["fix"] == "746,12"


@pytest.mark.parametrize("of", ["digits/datamodels", "digits/tracin"])
def test_a_target_opens_on_its_page(of: str) -> None:
    app = open_page("outliers", of=of)
    assert not app.exception
    target = ids(app, "Test images that it hurt most")[0]
    click(app, "Test images that it hurt most", target)
    assert not app.exception
    assert app.title[0].value == "Images"
    assert app.query_params["image"] == str(target)
    assert app.query_params.get("method", "datamodels") == of.partition("/")[2]


def test_houses_have_prices(no_houses: None) -> None:
    app = open_page("outliers", of="california-housing/tracin", fix="3364", by="self-influence")
    assert not app.exception
    assert "California housing is not on this machine" in texts(app)
    lines = grid(app, "Training houses to look at")["items"]
    outliers = known.outliers_of(library.every()[0]["california-housing/tracin"])
    order = outliers.listed(Filters(), "self-influence")
    assert [line["id"] for line in lines] == order[:40]
    assert f"Training house {order[0]}" in texts(app)
    assert "$67,500" in texts(app).replace("\\", "")
    click(app, "Training houses to look at", order[5])
    button(app, "Put on the fix list")
    assert tray(app) == [order[5], 3364]


def test_another_data_set_leaves_nothing_of_the_first_behind() -> None:
    app = open_page("outliers", example="746", fix="746", label="4", by="memorisation", find="0-900")
    box = next(each for each in (*app.selectbox, *app.button_group) if each.key == "data")
    box.set_value("california-housing").run()
    assert not app.exception
    assert warnings(app) == ""
    assert tray(app) == []
    assert not any(each.key == "label" for each in app.selectbox)
    assert app.button_group(key="list").value == "in-doubt"
    box = next(each for each in (*app.selectbox, *app.button_group) if each.key == "data")
    box.set_value("digits").run()
    assert warnings(app) == ""
    assert app.selectbox(key="label").value == "all"
    assert "All :gray[1,437]" in app.button_group(key="agree").options[0]
    assert tray(app) == [746]  # the list itself is kept


def test_another_method_keeps_the_list_and_drops_its_ranking() -> None:
    app = open_page("outliers", of="digits/datamodels", by="against its class", list="harmful")
    box = next(each for each in (*app.selectbox, *app.button_group) if each.key == "method")
    box.set_value("tracin").run()
    assert not app.exception
    assert warnings(app) == ""
    assert app.button_group(key="list").value == "harmful"
    assert app.selectbox(key="by").value == "harm"


def test_what_ranks_no_training_example_says_what_to_run(results_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ignored = shutil.ignore_patterns("evidence")
    odd = shutil.copytree(SHIPPED / "digits" / "datamodels", results_home / "my `run`", ignore=ignored)
    monkeypatch.setattr(homes, "precomputed_home", lambda: results_home / "nothing")
    app = open_page("outliers", of=Path(odd).name)
    assert not app.exception
    (code,) = re.findall("`` (.+?) ``", app.info[0].value)
    assert shlex.split(code)[3:] == ["evaluate", "mislabels", str(odd)]


def test_evidence_of_the_data_set_itself_counts_too(results_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(SHIPPED / "digits" / "tracin", results_home / "bare")
    kept = results_home / ".evidence" / "digits" / "evidence" / "mislabels"
    shutil.copytree(SHIPPED / "digits" / "datamodels" / "evidence" / "mislabels", kept)
    monkeypatch.setattr(homes, "precomputed_home", lambda: results_home / "nothing")
    entry = library.every()[0]["bare"]
    assert "memorisation" in known.outliers_of(entry).rankings
    path = kept / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_bytes(results.to_bytes(manifest | {"about": {"dataset_hash": "0" * 64}}))
    assert list(known.outliers_of(entry).rankings) == ["self-influence", "loss", "harm"]


@pytest.mark.parametrize(
    ("link", "message"),
    [
        ({"of": "gone"}, "The link asks for of=gone"),
        ({"by": "beauty"}, "The link asks for by=beauty"),
        ({"list": "all"}, "The link asks for list=all"),
        ({"label": "ten"}, "The link asks for label=ten"),
        ({"find": "five"}, "“five” is no index and no range"),
        ({"example": "21"}, "no such training image"),
        ({"example": "1e999"}, "no such training image"),
        ({"fix": "12,99999"}, "no training example 99999"),
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
