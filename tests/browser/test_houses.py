"""The houses page as people use it: by link, mouse, keyboard, in the dark, on a phone, without a network."""

import io
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Page, expect

from influence import datasets
from influence.explorer.maps import VIEWS
from tests.browser.driving import Server, Visit, heading, in_every_look, pick_on_map, settled, start_server

FIRST, OTHER, THIRD = 17136, 18232, 18303  # of Palo Alto's eleven


def pick_cell(page: Page, row: int) -> None:
    """Click the house number in a row of the first table, as a hand does: the pointer arrives before it presses."""
    table, place = page.get_by_test_id("stDataFrame").first, {"x": 40, "y": 35 * (row + 1) + 17}
    table.hover(position=place)
    page.wait_for_timeout(400)
    table.click(position=place)


def influence_rows(page: Page) -> int:
    """How many training houses the page offers for download."""
    with page.expect_download() as download:
        page.get_by_role("button", name="Download these as CSV").click()
    return len(pd.read_csv(io.BytesIO(Path(download.value.path()).read_bytes())))


def test_a_deep_link_opens_on_a_fresh_server(fresh_server: Server, visit: Visit) -> None:
    page = visit.open(f"{fresh_server.url}/houses?house={OTHER}&k=3")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_text("Page not found")).to_have_count(0)
    expect(heading(page, f"House {OTHER}")).to_be_visible()
    expect(page.get_by_role("link", name="Home")).to_be_visible()  # the frame is there too
    assert influence_rows(page) == 6
    assert visit.complaints == []


def test_clicking_a_house_on_the_map_shows_its_influences(server: Server, visit: Visit) -> None:
    page = visit.open(f"{server.url}/houses")
    expect(heading(page, f"House {FIRST}")).to_be_visible()
    view = VIEWS["Palo Alto"]
    chart = page.get_by_test_id("stDeckGlJsonChart").first
    page.wait_for_timeout(1000)  # the first frame of WebGL
    pick_on_map(
        page, chart, -122.11, 37.41, (view.longitude, view.latitude, view.zoom), heading(page, f"House {OTHER}")
    )
    page.wait_for_url(f"**/houses?house={OTHER}")
    page.go_back()
    expect(heading(page, f"House {FIRST}")).to_be_visible()
    page.go_forward()
    expect(heading(page, f"House {OTHER}")).to_be_visible()
    assert visit.complaints == []


def test_any_house_can_be_picked_by_table_and_keyboard(server: Server, visit: Visit) -> None:
    page = visit.open(f"{server.url}/houses")
    pick_cell(page, 0)
    page.keyboard.press("ArrowDown")
    expect(heading(page, f"House {OTHER}")).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(heading(page, f"House {THIRD}")).to_be_visible()
    settled(page)
    expect(page.get_by_test_id("stAlert")).to_have_count(0)

    number = page.get_by_role("spinbutton", name="House number")
    number.fill("12")
    number.press("Enter")
    expect(heading(page, "House 12")).to_be_visible()

    number.fill("5")
    number.press("Enter")
    expect(page.get_by_text("House 5 is a training house")).to_be_visible()
    expect(heading(page, f"House {FIRST}")).to_be_visible()


def test_the_eleven_together(server: Server, visit: Visit) -> None:
    page = visit.open(f"{server.url}/houses")
    toggle = page.get_by_role("switch", name="All of Palo Alto’s eleven together")
    toggle.focus()
    page.keyboard.press("Space")
    expect(heading(page, "The eleven Palo Alto houses together")).to_be_visible()
    page.wait_for_url("**/houses?together=true")


def test_a_house_of_all_can_be_clicked(server: Server, visit: Visit) -> None:
    page = visit.open(f"{server.url}/houses?from=All+test+houses")
    page.wait_for_timeout(2000)
    view = VIEWS["California"]
    chart = page.get_by_test_id("stDeckGlJsonChart").first
    house, longitude, latitude = loneliest_house()
    pick_on_map(
        page, chart, longitude, latitude, (view.longitude, view.latitude, view.zoom), heading(page, f"House {house}")
    )


def loneliest_house() -> tuple[int, float, float]:
    """The test house that is farthest from its nearest neighbour, so that a click can mean no other."""
    test = datasets.load("california-housing").test
    places = test.inputs[:, [7, 6]]
    distance = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    row = int(distance.min(axis=1).argmax())
    return int(test.index[row]), *places[row]


def test_bad_links_fall_back_with_a_message(server: Server, visit: Visit) -> None:
    page = visit.open(f"{server.url}/houses?house=99999&k=500&result=gone&show=nothing")
    expect(heading(page, f"House {FIRST}")).to_be_visible()
    expect(page.get_by_text("There is no house 99999")).to_be_visible()
    for asked in ("k=500", "result=gone", "show=nothing"):
        expect(page.get_by_text(f"The link asks for {asked}")).to_be_visible()


def test_self_influence_and_its_table(server: Server, visit: Visit) -> None:
    page = visit.open(f"{server.url}/houses")
    page.get_by_role("radio", name="Self-influence").click()
    expect(heading(page, "100 highest")).to_be_visible()
    page.wait_for_url("**/houses?show=Self-influence")
    chart = page.get_by_test_id("stDeckGlJsonChart").first
    page.wait_for_timeout(2000)
    before = chart.screenshot()
    pick_cell(page, 0)
    page.wait_for_url(re.compile("ring="))
    page.wait_for_timeout(2000)
    assert chart.screenshot() != before  # it moved to the house
    assert visit.complaints == []


def test_nothing_is_asked_of_the_network(server: Server, visit: Visit) -> None:
    visit.cut_off(server)
    page = visit.open(f"{server.url}/houses")
    expect(heading(page, f"House {FIRST}")).to_be_visible()
    visit.check_asked_for_nothing(2000)


def test_where_nothing_was_downloaded_every_house_is_there(visit: Visit, tmp_path: Path) -> None:
    server = start_server(tmp_path / "results", INFLUENCE_DATA_DIR=str(tmp_path / "no-data"))
    try:
        page = visit.open(f"{server.url}/houses?from=All+test+houses&house=12&k=20")
        expect(heading(page, "House 12")).to_be_visible()
        assert influence_rows(page) == 40
        expect(page.get_by_role("button", name="Start run")).to_be_enabled()
        page.get_by_role("radio", name="Self-influence").click()
        expect(heading(page, "100 lowest")).to_be_visible()
        assert visit.complaints == []
    finally:
        server.kill()


@in_every_look
def test_screenshots(server: Server, visit: Visit, request: pytest.FixtureRequest) -> None:
    name = request.node.callspec.id
    for part in ("Influence on a house", "Self-influence"):
        visit.open(f"{server.url}/houses?show={part.replace(' ', '+')}")
        visit.picture(f"houses-{part.split()[0].lower()}-{name}", 3000)
    assert visit.complaints == []


def test_the_same_house_can_be_picked_again_after_another(server: Server, visit: Visit) -> None:
    page = visit.open(f"{server.url}/houses")

    number = page.get_by_role("spinbutton", name="House number")
    for _ in range(2):
        pick_cell(page, 1)
        expect(heading(page, f"House {OTHER}")).to_be_visible()
        settled(page)
        number.fill(str(FIRST))
        number.press("Enter")
        expect(heading(page, f"House {FIRST}")).to_be_visible()
        settled(page)
        page.wait_for_timeout(500)

    view = VIEWS["Palo Alto"]
    for _ in range(2):
        page.wait_for_timeout(1000)
        chart = page.get_by_test_id("stDeckGlJsonChart").first
        pick_on_map(
            page, chart, -122.11, 37.41, (view.longitude, view.latitude, view.zoom), heading(page, f"House {OTHER}")
        )
        settled(page)
        pick_cell(page, 0)
        expect(heading(page, f"House {FIRST}")).to_be_visible()
        settled(page)
