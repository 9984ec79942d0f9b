"""The map of images and memorised pairs: what is worked out, and what the page shows and does."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from influence import evidence, homes, jobs, results
from influence.evidence import Evaluated
from influence.explorer.images.pairs import Pairs, memorised, start
from influence.explorer.images.places import CLASS, MEMORISED, MISTAKES, Places
from influence.explorer.images.sums import TEST, TRAIN, Sums
from influence.explorer.images.words import number
from influence.explorer.parts import areas
from influence.results import Result
from tests.explorer.pages import address, chart, click, errors, grid, ids, on_map, open_page, texts, warnings

LINK = {"data": "digits", "method": "datamodels"}
ALL_OF_IT = [(-6.0, -6.0), (6.0, -6.0), (6.0, 6.0), (-6.0, 6.0)]
PAIRS = "Pairs of a memorised training image and a test image that it helps"


@pytest.fixture(scope="module")
def shipped() -> Result:
    return results.read(homes.precomputed_home() / "digits" / "datamodels", "shipped")


@pytest.fixture(scope="module")
def evaluated(shipped: Result) -> Evaluated:
    return evidence.read(shipped)


@pytest.fixture(scope="module")
def places(shipped: Result, evaluated: Evaluated) -> Places:
    memory = memorised(shipped, evaluated)
    assert evaluated.layout is not None
    assert memory is not None
    return Places(shipped, evaluated.layout, memory.values, Sums(shipped))


# --- the map --------------------------------------------------------------------------------------------------------


def test_every_image_has_its_place_and_what_is_known_of_it(shipped: Result, places: Places) -> None:
    assert places.test.index.tolist() == shipped.targets.index.tolist()
    wrong = shipped.targets["label"] != shipped.targets["prediction"]
    assert places.test["wrong"].tolist() == wrong.astype(int).tolist()
    dots = json.loads(places.dots(TRAIN))
    assert dots["id"] == places.train.index.tolist()
    assert {len(column) for column in dots.values()} == {len(places.train)}
    first = int(places.train.index[0])
    assert places.at(TRAIN, first) == (dots["longitude"][0], dots["latitude"][0])
    assert places.at(TEST, first) is None  # a training image
    assert places.colours(TEST) == [CLASS, MISTAKES]
    assert places.colours(TRAIN) == [CLASS, MEMORISED]


def test_a_group_is_what_lies_within_an_area(places: Places) -> None:
    assert places.within(TEST, ALL_OF_IT).tolist() == places.test.index.tolist()
    right = places.within(TEST, [(0.0, -6.0), (6.0, -6.0), (6.0, 6.0), (0.0, 6.0)])
    assert right.tolist() == places.test.index[places.test["longitude"] > 0].tolist()


@pytest.mark.parametrize("part", [TEST, TRAIN])
def test_an_answer_sums_each_kept_score_once(shipped: Result, places: Places, part: str) -> None:
    members = places.of(part).index.to_numpy()[3:20]
    own, other = ("target", "train") if part == TEST else ("train", "target")
    sums: dict[int, dict[int, float]] = {}
    for table in (shipped.influences, shipped.reverse):
        for row in table[table[own].isin(members)].itertuples():
            sums.setdefault(getattr(row, other), {})[getattr(row, own)] = float(row.score)
    expected = pd.Series({name: sum(scores.values()) for name, scores in sums.items()})
    answer = places.answer(part, members, 5)
    np.testing.assert_allclose(answer.helped["score"], expected.nlargest(5), rtol=1e-5)
    np.testing.assert_allclose(answer.hurt["score"], expected.nsmallest(5), rtol=1e-5)
    assert answer.helped["of"].tolist() == [len(sums[name]) for name in answer.helped["other"]]


def test_of_one_test_image_the_answer_is_its_ranking(shipped: Result, places: Places) -> None:
    target = int(shipped.targets.index[7])
    own = shipped.of(target).set_index("rank")["train"]
    answer = places.answer(TEST, np.array([target]), 8)
    assert answer.helped["other"].tolist() == own.loc[range(1, 9)].tolist()
    assert answer.hurt["other"].tolist() == own.loc[range(-1, -9, -1)].tolist()


@pytest.mark.parametrize(("part", "by"), [(TEST, CLASS), (TEST, MISTAKES), (TRAIN, CLASS), (TRAIN, MEMORISED)])
def test_every_colour_has_an_ink_for_every_value(places: Places, part: str, by: str) -> None:
    paint, legend = places.paint(part, by)
    values = np.array(json.loads(places.dots(part))[paint.column])
    steps = np.searchsorted(paint.breaks, values)
    assert len(paint.inks) == len(paint.breaks) + 1
    assert sorted(paint.order) == list(range(len(paint.inks)))
    assert set(steps) <= set(range(len(paint.inks)))
    assert not legend.each or len(legend.each) == len(paint.inks)
    if by == CLASS:
        assert steps.tolist() == values.tolist()


def test_numbers_are_short() -> None:
    assert [number(each) for each in (0.0, 1.0, -0.987, 0.0123, 1234.5)] == [
        "+0.00",
        "+1.00",
        "−0.99",
        "+0.012",
        "+1,234",
    ]


# --- memorised pairs ------------------------------------------------------------------------------------------------


def test_pairs_are_of_kept_positive_scores(shipped: Result, evaluated: Evaluated) -> None:
    memory = memorised(shipped, evaluated)
    assert memory is not None
    pairs = Pairs(shipped, memory)
    kept = shipped.influences[shipped.influences["score"] > 0]
    assert len(pairs.table) == len(kept)
    assert (np.diff(pairs.table["score"]) <= 0).all()
    chosen = pairs.above(1.0, 0.2)
    expected = kept[(kept["score"] >= 0.2) & (memory.values.reindex(kept["train"]).to_numpy() >= 1.0)]
    assert 0 < len(chosen) == len(expected)
    assert pairs.concerned(chosen) == expected["target"].nunique() / 360


def test_thresholds_leave_the_shares_that_they_say(shipped: Result, evaluated: Evaluated) -> None:
    memory = memorised(shipped, evaluated)
    assert memory is not None
    pairs = Pairs(shipped, memory)
    for steps, values in ((pairs.memorised_steps, memory.values), (pairs.score_steps, pairs.table["score"])):
        assert [*steps] == sorted(steps, key=float)
        for value, below in list(steps.items())[1:]:
            assert (values < float(value)).mean() == pytest.approx(below, abs=0.02)
        assert steps[start(steps, 0.9)] == 0.9


def test_without_evidence_self_influence_counts_or_nothing(shipped: Result) -> None:
    assert memorised(shipped, Evaluated()) is None
    tracin = results.read(homes.precomputed_home() / "digits" / "tracin")
    memory = memorised(tracin, Evaluated())
    assert memory is not None
    assert memory.values.equals(tracin.train["self_influence"].astype(float))
    assert "self-influence" in memory.what


# --- the page -------------------------------------------------------------------------------------------------------


def test_a_click_on_the_map_answers_and_a_click_on_the_answer_goes_on(places: Places) -> None:
    app = open_page("images", view="map", **LINK)
    assert not app.exception
    assert errors(app) == warnings(app) == ""
    target = int(places.test.index[5])
    app = on_map(app, picked={"dot": target})
    assert address(app)["image"] == str(target)
    answer = places.answer(TEST, np.array([target]), 8)
    assert ids(app, "Helped") == answer.helped["other"].tolist()
    assert ids(app, "Hurt") == answer.hurt["other"].tolist()
    assert {mark["id"] for mark in chart(app)["marks"]} == {*ids(app, "Helped"), *ids(app, "Hurt")}
    train = ids(app, "Helped")[0]
    app = click(app, "Helped", train)
    assert (address(app)["train"], address(app)["part"], "image" in address(app)) == (str(train), TRAIN, False)
    assert ids(app, "Helped") == places.answer(TRAIN, np.array([train]), 8).helped["other"].tolist()
    assert chart(app)["noun"] == "Training image"


def test_a_group_that_is_drawn_around_answers(places: Places) -> None:
    corners = [[0, -5], [5, -5], [5, 5], [0, 5]]
    app = on_map(open_page("images", view="map", **LINK), area=corners)
    members = places.within(TEST, [(float(x), float(y)) for x, y in corners])
    assert areas.parsed(address(app)["area"]) == [(x, y) for x, y in corners]
    assert f"{len(members):,} test images" in texts(app)
    assert ids(app, "Helped") == places.answer(TEST, members, 8).helped["other"].tolist()
    assert set(ids(app, "Test images that are picked")) <= set(members.tolist())
    app = next(each for each in app.button if each.label == "Pick nothing").click().run()
    assert "area" not in address(app)


@pytest.mark.parametrize(
    ("link", "says"),
    [
        ({"area": "1,2,x"}, "no area"),
        ({"area": "90,80,91,81"}, "no test image in that area"),
        ({"image": "1e3"}, "no such test image"),
        ({"part": "both"}, "no such choice"),
        ({"colour": "memorised"}, "no such choice"),
    ],
)
def test_what_the_map_cannot_show_is_said(link: dict[str, str], says: str) -> None:
    app = open_page("images", view="map", **LINK, **link)
    assert not app.exception
    assert says in warnings(app)


def test_without_a_map_it_says_how_to_make_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("influence.explorer.reading.evaluated", lambda entry: Evaluated())
    app = open_page("images", view="map", **LINK)
    assert "no map yet" in texts(app)
    assert any("evaluate layout" in element.value for element in app.code)
    app = open_page("images", **LINK, view="memorised")
    assert any("evaluate mislabels" in element.value for element in app.code)


def test_pairs_follow_the_sliders_and_a_click_opens_the_test_image(shipped: Result, evaluated: Evaluated) -> None:
    app = open_page("images", **LINK, view="memorised")
    assert not app.exception
    memory = memorised(shipped, evaluated)
    assert memory is not None
    pairs = Pairs(shipped, memory)
    steps = pairs.memorised_steps, pairs.score_steps
    default = pairs.above(float(start(steps[0], 0.95)), float(start(steps[1], 0.9)))
    assert f"**{len(default):,}** pairs" in texts(app)
    highest = [*steps[1]][-1]
    app = open_page("images", **LINK, view="memorised", least=highest)
    found = pairs.above(float(start(steps[0], 0.95)), float(highest))
    assert f"**{len(found):,}** pairs" in texts(app)
    tiles = grid(app, PAIRS)["items"]
    assert [tile["alt"].split(",")[0] for tile in tiles] == [f"Training image {train}" for train in found["train"][:24]]
    assert all(len(tile["pictures"]) == 2 for tile in tiles)
    app = click(app, PAIRS, 1)
    assert address(app)["image"] == str(found["target"].iloc[1])
    assert "view" not in address(app)


def test_a_new_result_gets_its_map_by_one_command(tmp_path: Path) -> None:
    made = jobs.evaluate("layout", homes.precomputed_home() / "digits" / "tracin", out=tmp_path)
    assert made == tmp_path / "evidence" / "layout"
    manifest, tables = evidence.read_one(tmp_path, "layout")
    assert manifest.figures.targets == len(tables["targets"]) == 360
