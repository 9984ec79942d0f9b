"""The houses page, without a browser: what it shows for good and for odd links, and what picks do to the address."""

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from influence.datasets import Dataset
from influence.evidence import Evaluated
from tests.explorer.pages import address, chart, click, errors, grid, ids, on_map, open_page, texts, warnings

FIRST, OTHER = 17136, 18232
HELPED, HURT = "Helped", "Hurt"


def html(app: AppTest) -> str:
    return " ".join(element.proto.body for element in app.get("html"))


def test_it_opens_on_the_first_of_palo_alto(no_houses: None) -> None:
    app = open_page("houses")
    assert not app.exception
    assert f"Test house {FIRST}, in Palo Alto" in texts(app)
    assert "is not on this machine" in app.info[0].value
    assert len(ids(app, HELPED)) == len(ids(app, HURT)) == 6
    assert texts(app).count("have no unit") == 1
    assert "seed 0" in texts(app)
    assert warnings(app) == errors(app) == ""


def test_without_evidence_it_says_so(no_houses: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("influence.explorer.reading.evaluated", lambda entry: Evaluated())
    assert "Trust: not evaluated" in texts(open_page("houses"))


def test_the_trust_line_is_from_the_evidence(no_houses: None) -> None:
    said = texts(open_page("houses"))
    assert "Trust: in part" in said
    assert "Tried on 11 houses" in said
    assert "10 of them more wrong" in said


def test_a_link_picks_a_house_and_how_many(no_houses: None) -> None:
    app = open_page("houses", house=str(OTHER), k="3")
    assert f"Test house {OTHER}" in texts(app)
    assert app.number_input(key="house").value == OTHER
    helped = grid(app, HELPED)["items"]
    assert len(helped) == 3
    assert all(item["sign"] == 1 and item["cells"][2].startswith("+") for item in helped)
    marks = chart(app)["marks"]
    assert {mark["id"] for mark in marks} == {*ids(app, HELPED), *ids(app, HURT)}
    assert [mark["size"] for mark in marks] == sorted((mark["size"] for mark in marks), reverse=True)
    assert chart(app)["picked"][0]["said"] == f"House {OTHER}"
    assert warnings(app) == ""


def test_bars_of_both_signs_have_one_scale(no_houses: None) -> None:
    app = open_page("houses")
    scales = {grid(app, name)["scale"] for name in (HELPED, HURT)}
    assert scales == {max(item["cells"][1] for name in (HELPED, HURT) for item in grid(app, name)["items"])}


@pytest.mark.parametrize(
    ("link", "message"),
    [
        ({"house": "99999"}, "there is no house 99999"),
        ({"house": "roof"}, "that is no house’s number"),
        ({"house": "1e999"}, "that is no house’s number"),
        ({"house": "inf"}, "that is no house’s number"),
        ({"house": "nan"}, "that is no house’s number"),
        ({"house": "1e3"}, "that is no house’s number"),
        ({"house": "-1"}, "there is no house -1"),
        ({"house": "7"}, "not on this machine"),
        ({"house": "5"}, "is a training house"),
        ({"house": [str(OTHER), str(FIRST)]}, "The link asks for house="),
        ({"together": "maybe"}, "neither true nor false"),
        ({"area": "1,2,3"}, "that is no area"),
        ({"area": "0,0,1,1"}, "there is no test house in that area"),
        ({"k": "0"}, "this result has 1 to 20 either way"),
        ({"k": "21"}, "this result has 1 to 20 either way"),
        ({"k": "1e999"}, "this result has 1 to 20 either way"),
        ({"ring": "nan"}, "none is marked"),
        ({"train": "inf"}, "none is shown"),
        ({"result": "gone"}, "The link asks for result=gone"),
        ({"show": "nothing"}, "The link asks for show=nothing"),
        ({"zoom": "moon"}, "The link asks for zoom=moon"),
    ],
)
def test_an_odd_link_is_answered_in_a_sentence(no_houses: None, link: dict[str, Any], message: str) -> None:
    app = open_page("houses", **link)
    assert not app.exception
    assert message in warnings(app)
    assert f"Test house {FIRST}" in texts(app)
    assert app.number_input(key="house").value == FIRST


@pytest.mark.parametrize("zoom", ["All shown", "California", "Palo Alto"])
@pytest.mark.parametrize("show", ["Influence on a house", "Price", "Self-influence"])
def test_old_links_open_what_they_named(no_houses: None, show: str, zoom: str) -> None:
    app = open_page("houses", show=show, zoom=zoom, house=str(OTHER), **{"from": "Palo Alto’s eleven"})
    assert not app.exception
    assert warnings(app) == ""
    assert app.segmented_control(key="show").value == show
    west, south, east, north = chart(app)["bounds"]
    assert (zoom == "California" or (show == "Self-influence" and zoom == "All shown")) == (east - west > 10)
    assert south < north


def test_the_group_of_the_data_set_is_one_click_away(no_houses: None) -> None:
    app = open_page("houses", together="true")
    assert "The eleven Palo Alto houses together" in texts(app)
    assert len(chart(app)["picked"]) == 11
    assert app.pills(key="together").value == "All 11 of Palo Alto"
    app.button(key="Next house").click().run()
    assert "together" not in address(app)
    assert app.pills(key="together").value is None


def test_prices_that_were_cut_off_say_so(no_houses: None) -> None:
    prices = {item["cells"][0] for item in grid(open_page("houses"), HELPED)["items"]}
    assert "over $500k" in prices
    assert "$500,001" not in prices


def test_two_clicks_lead_to_whom_a_proponent_helped(houses: Dataset) -> None:
    app = open_page("houses", house="1694")
    train = ids(app, HELPED)[1]
    app = click(app, HELPED, train)
    assert address(app) == {"house": "1694", "ring": str(train)}
    assert grid(app, HELPED)["selected"] == chart(app)["chosen"] == train
    assert f"+ house {train}" in html(app)
    next(button for button in app.button if "helped and hurt" in button.label).click().run()
    assert address(app) == {"house": "1694", "train": str(train)}
    assert f"Training house {train}" in texts(app)
    assert "House 1694 is number" in texts(app)
    reached = ids(app, HURT)[0]
    app = click(app, HURT, reached)
    assert address(app) == {"house": str(reached)}


def test_clicks_on_the_map_pick(houses: Dataset) -> None:
    app = open_page("houses", house="1694")
    mark = chart(app)["marks"][0]["id"]
    app = on_map(app, picked={"mark": mark})
    assert address(app) == {"house": "1694", "ring": str(mark)}
    app = on_map(app, picked={"dot": 12})
    assert address(app) == {"house": "12"}
    assert "Test house 12" in texts(app)
    assert chart(app)["dots"].endswith(".json")  # fetched once, by every session


def test_what_is_drawn_around_is_a_group(houses: Dataset) -> None:
    app = open_page("houses", house="1694")
    app = on_map(app, area=[[-122.169, 37.401], [-122.101, 37.401], [-122.101, 37.459], [-122.169, 37.459]])
    assert address(app)["area"].startswith("-122.169,37.401,")
    assert "11 houses that you drew around" in texts(app)
    assert "sums of the kept scores" in texts(app)
    assert len(chart(app)["area"]) == 4
    next(button for button in app.button if button.label == "Back to house 1694").click().run()
    assert address(app) == {"house": "1694"}


def test_features_stand_beside_those_of_the_strongest(houses: Dataset) -> None:
    said = html(open_page("houses", house="1694"))
    for part in ("How they compare", "Median income", "$52,375", "$35,536", "$41,513", "+ top helper", "− top hurter"):
        assert part in said


def test_without_the_data_set_the_comparison_says_why(no_houses: None) -> None:
    assert "the features of houses are in the data set" in texts(open_page("houses"))


def test_self_influence_lists_both_ends(no_houses: None) -> None:
    app = open_page("houses", show="Self-influence")
    assert not app.exception
    assert len(ids(app, "Highest self-influence")) == 100
    highest = [item["cells"][3] for item in grid(app, "Highest self-influence")["items"]]
    assert highest == sorted(highest, reverse=True)
    app.segmented_control(key="end").set_value("Lowest").run()
    assert max(item["cells"][3] for item in grid(app, "Lowest self-influence")["items"]) < min(highest)


def test_a_link_rings_a_training_house(no_houses: None) -> None:
    extreme = ids(open_page("houses", show="Self-influence"), "Highest self-influence")[0]
    app = open_page("houses", show="Self-influence", ring=str(extreme))
    assert warnings(app) == ""
    assert chart(app)["picked"][0]["said"] == f"Training house {extreme}"
    assert grid(app, "Highest self-influence")["selected"] == extreme
    assert "none is marked" in warnings(open_page("houses", show="Self-influence", ring=str(FIRST)))


def test_folds_are_worked_out_when_they_are_opened(no_houses: None) -> None:
    app = open_page("houses")
    assert len(app.get("plotly_chart")) == 0
    assert "explains" not in texts(app)
    app.session_state["fold-trust"] = True
    app.session_state["fold-spread"] = True
    app.run()
    assert len(app.get("plotly_chart")) == 2
    assert "trained with Adam" in texts(app)
    assert "predicted and measured changes agree at" in texts(app)


def test_with_the_data_set_every_house_is_there(houses: Dataset) -> None:
    app = open_page("houses", **{"from": "All test houses", "house": "12", "k": "50"})
    assert not app.exception
    assert "Test house 12" in texts(app)
    assert len(ids(app, HELPED)) == 50
    assert warnings(app) == ""
