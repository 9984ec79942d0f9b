"""The houses page as people use it: by link, mouse, keyboard, in the dark, on a phone, without a network or WebGL."""

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from influence import datasets, homes, results
from influence.explorer.houses.dots import Dots, at
from influence.explorer.houses.records import Houses
from influence.explorer.parts.maps import Place
from tests.browser.driving import Server, Visit, in_every_look, map_point, settled, start_server, still

FIRST, HOUSE = 17136, 1694


@pytest.fixture(scope="module")
def seen() -> Dots:
    shipped = results.read(homes.precomputed_home() / "california-housing" / "tracin", "shipped")
    return Dots(Houses(shipped, datasets.load("california-housing")))


@pytest.fixture
def without_data(tmp_path: Path) -> Iterator[Server]:
    """A fresh server, where nothing was downloaded."""
    server = start_server(tmp_path / "results", INFLUENCE_DATA_DIR=str(tmp_path / "no-data"))
    yield server
    server.kill()


def chart(page: Page) -> Locator:
    return page.locator(".map canvas")


def title(page: Page, text: str) -> Locator:
    """What is picked, above its verdict."""
    return page.get_by_test_id("stCaptionContainer").filter(has_text=re.compile(rf"^{text}\b"))


def rows_of(page: Page, name: str) -> Locator:
    return page.get_by_role("listbox", name=name, exact=True).get_by_role("option")


def downloaded(page: Page) -> pd.DataFrame:
    still(page)  # a button that is drawn anew loses the click
    with page.expect_download() as download:
        page.get_by_role("button", name="Download these as CSV").click()
    return pd.read_csv(io.BytesIO(Path(download.value.path()).read_bytes()))


def loneliest(dots: pd.DataFrame, box: tuple[float, float, float, float]) -> int:
    """Of the houses in a box (west, south, east, north), the one that is farthest from all others."""
    west, south, east, north = box
    near = dots[dots["longitude"].between(west, east) & dots["latitude"].between(south, north)]
    apart = {}
    for house, row in near.iterrows():
        squares = (dots["longitude"] - row["longitude"]) ** 2 + (dots["latitude"] - row["latitude"]) ** 2
        apart[house] = squares.nsmallest(2).iloc[1]
    return max(apart, key=lambda house: apart[house])  # type: ignore[return-value]


def click_at(page: Page, place: Place) -> None:
    x, y = map_point(page, place)
    page.mouse.move(x, y)
    expect(page.locator(".map .tip")).to_be_visible()
    page.mouse.click(x, y)


def test_a_deep_link_opens_on_a_fresh_server_where_nothing_was_downloaded(without_data: Server, visit: Visit) -> None:
    page = visit.open(f"{without_data.url}/houses?from=All+test+houses&house=12&k=20")
    expect(title(page, "Test house 12")).to_be_visible()
    expect(page.get_by_role("link", name="Home")).to_be_visible()  # the frame is there too
    assert len(downloaded(page)) == 40
    page.get_by_role("radio", name="Self-influence").click()
    expect(page.get_by_text("100 highest")).to_be_visible()


def test_houses_are_picked_on_the_map_and_back_takes_one_step(server: Server, visit: Visit, seen: Dots) -> None:
    page = visit.open(f"{server.url}/houses?house={HOUSE}")
    west, south, east, north = (-122.6, 37.4, -121.9, 37.95)
    other = loneliest(seen.test.drop(HOUSE), (west, south, east, north))
    click_at(page, at(seen.test, other))
    expect(title(page, f"Test house {other}")).to_be_visible()
    page.wait_for_url(re.compile(f"house={other}$"))
    assert page.get_by_role("spinbutton", name="Number of a test house").input_value() == str(other)
    still(page)
    page.go_back()
    expect(title(page, f"Test house {HOUSE}")).to_be_visible()
    still(page)
    page.go_forward()
    expect(title(page, f"Test house {other}")).to_be_visible()


def test_houses_of_one_spot_can_each_be_picked(server: Server, visit: Visit, seen: Dots) -> None:
    together = seen.houses.test.loc[seen.houses.members]
    pair = together[together.duplicated(["latitude", "longitude"], keep=False)].index[:2]
    page = visit.open(f"{server.url}/houses?zoom=Palo+Alto&house={HOUSE}")
    for house in map(int, pair):
        click_at(page, at(seen.test, house))
        expect(title(page, f"Test house {house}")).to_be_visible()
        settled(page)


def test_two_clicks_lead_to_whom_a_helper_helped(server: Server, visit: Visit) -> None:
    page = visit.open(f"{server.url}/houses?house={HOUSE}")
    second = rows_of(page, "Helped").nth(1)
    second.click()
    expect(second).to_have_attribute("aria-selected", "true")
    page.wait_for_url(re.compile(r"ring=\d+"))
    train = re.search(r"ring=(\d+)", page.url)[1]  # type: ignore[index]
    expect(page.get_by_role("columnheader", name=f"+ house {train}")).to_be_visible()
    settled(page)
    page.get_by_role("button", name=f"See whom {train} helped and hurt").click()
    expect(title(page, f"Training house {train}")).to_be_visible()
    expect(page.get_by_text(f"House {HOUSE} is number")).to_be_visible()
    settled(page)
    page.get_by_role("button", name=f"Back to house {HOUSE}").click()
    expect(title(page, f"Test house {HOUSE}")).to_be_visible()


def test_discs_on_the_map_are_picked(server: Server, visit: Visit) -> None:
    page = visit.open(f"{server.url}/houses?house={HOUSE}")
    map_point(page, (0.0, 0.0))
    marks = json.loads(page.locator(".map").evaluate("root => JSON.stringify(root.chart.marks)"))
    box = chart(page).bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + marks[0]["spot"][0], box["y"] + marks[0]["spot"][1])
    page.wait_for_url(re.compile(f"ring={marks[0]['id']}$"))
    expect(page.locator("[role=option][aria-selected=true]")).to_have_count(1)


@pytest.mark.parametrize("how", ["lasso", "box"])
def test_a_group_is_drawn_around(server: Server, visit: Visit, how: str) -> None:
    page = visit.open(f"{server.url}/houses?zoom=Palo+Alto&house={HOUSE}")
    corners = [(-122.171, 37.401), (-122.101, 37.401), (-122.101, 37.459), (-122.171, 37.459)]
    points = [map_point(page, corner) for corner in corners]
    if how == "lasso":
        page.get_by_role("button", name="Draw around a group").click()
    else:
        page.keyboard.down("Shift")
        points = [points[0], points[2]]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=5)
    page.mouse.up()
    page.keyboard.up("Shift")
    expect(title(page, r"\d+ houses that you drew around")).to_be_visible()
    page.wait_for_url(re.compile(r"area="))
    expect(page.get_by_text("sums of the kept scores")).to_be_visible()
    still(page)
    page.reload()  # the address holds the group
    expect(title(page, r"\d+ houses that you drew around")).to_be_visible()


def test_focus_and_arrows_pick_nothing(server: Server, visit: Visit) -> None:
    page = visit.open(f"{server.url}/houses?house={HOUSE}")
    rows = rows_of(page, "Hurt")
    rows.first.focus()
    page.keyboard.press("ArrowDown")
    expect(rows.nth(1)).to_be_focused()
    settled(page)
    assert "ring" not in page.url
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"ring=\d+"))
    expect(rows.nth(1)).to_be_focused()


def test_any_house_is_picked_by_number_and_the_group_by_its_chip(server: Server, visit: Visit) -> None:
    page = visit.open(f"{server.url}/houses")
    number = page.get_by_role("spinbutton", name="Number of a test house")
    number.fill("12")
    number.press("Enter")
    expect(title(page, "Test house 12")).to_be_visible()
    settled(page)
    number.fill("5")
    number.press("Enter")
    expect(page.get_by_text("house 5 is a training house")).to_be_visible()
    expect(title(page, f"Test house {FIRST}")).to_be_visible()
    settled(page)
    page.get_by_text("All 11 of Palo Alto").click()
    expect(title(page, "The eleven Palo Alto houses together")).to_be_visible()
    page.wait_for_url(re.compile(r"/houses\?.*together=true"))


def test_a_number_that_is_none_is_answered_in_a_sentence(server: Server, visit: Visit) -> None:
    """Others are in tests/explorer."""
    page = visit.open(f"{server.url}/houses?house=1e999")
    expect(page.get_by_text("The link asks for house=1e999:")).to_be_visible()
    expect(title(page, f"Test house {FIRST}")).to_be_visible()


def test_it_all_stands_above_the_fold(server: Server, visit: Visit) -> None:
    visit.page.set_viewport_size({"width": 1440, "height": 900})
    page = visit.open(f"{server.url}/houses?house={HOUSE}")
    still(page)
    for part in (chart(page), rows_of(page, "Helped").nth(5), rows_of(page, "Hurt").nth(5)):
        box = part.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 900


@pytest.mark.parametrize("visit", [{"viewport": {"width": 390, "height": 844}}], indirect=True)
def test_on_a_phone_the_answer_follows_the_map(server: Server, visit: Visit) -> None:
    page = visit.open(f"{server.url}/houses?house={HOUSE}")
    still(page)
    order = [chart(page), title(page, f"Test house {HOUSE}"), page.get_by_role("radio", name="Self-influence")]
    tops = [(part.bounding_box() or {"y": -1.0})["y"] for part in order]
    assert tops == sorted(tops)
    assert tops[1] < 700


def test_the_map_and_the_lists_need_no_webgl(chromium: Browser, server: Server) -> None:
    page = chromium.new_page()
    page.add_init_script(
        "const made = HTMLCanvasElement.prototype.getContext;"
        "HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {"
        " return /webgl/.test(kind) ? null : made.call(this, kind, ...rest); };"
    )
    page.goto(f"{server.url}/houses?house={HOUSE}")
    expect(title(page, f"Test house {HOUSE}")).to_be_visible()
    map_point(page, (0.0, 0.0))  # it is drawn
    rows_of(page, "Helped").first.click()
    page.wait_for_url(re.compile(r"ring=\d+"))
    page.close()


def test_self_influence_marks_a_house_and_moves_the_map(server: Server, visit: Visit) -> None:
    page = visit.open(f"{server.url}/houses")
    page.get_by_role("radio", name="Self-influence").click()
    rows = rows_of(page, "Highest self-influence")
    expect(rows).to_have_count(100)
    map_point(page, (0.0, 0.0))
    before = page.locator(".map").get_attribute("data-view")
    rows.nth(2).click()
    page.wait_for_url(re.compile(r"ring=\d+"))
    expect(page.locator(".map")).not_to_have_attribute("data-view", before or "")
    assert len(downloaded(page)) == 200


@in_every_look
def test_screenshots(server: Server, visit: Visit, request: pytest.FixtureRequest) -> None:
    name = request.node.callspec.id
    page = visit.open(f"{server.url}/houses?house={HOUSE}")
    visit.picture(f"houses-influence-{name}")
    page.get_by_role("radio", name="Self-influence").click()
    expect(page.get_by_text("100 highest")).to_be_visible()
    visit.picture(f"houses-self-influence-{name}")
