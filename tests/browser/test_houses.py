"""The houses page as people use it: by link, mouse, keyboard, in the dark, on a phone, without a network."""

import io
import re
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Page, expect

from influence import datasets
from influence.explorer.parts.maps import VIEWS
from tests.browser.driving import (
    Server,
    Visit,
    heading,
    in_every_look,
    pick_cell,
    pick_on_map,
    settled,
    start_server,
    still,
)

FIRST, OTHER, THIRD = 17136, 18232, 18303  # of Palo Alto's eleven


def influence_rows(page: Page) -> int:
    """How many training houses the page offers for download."""
    with page.expect_download() as download:
        page.get_by_role("button", name="Download these as CSV").click()
    return len(pd.read_csv(io.BytesIO(Path(download.value.path()).read_bytes())))


@pytest.fixture
def without_data(tmp_path: Path) -> Iterator[Server]:
    """A fresh server, where nothing was downloaded."""
    server = start_server(tmp_path / "results", INFLUENCE_DATA_DIR=str(tmp_path / "no-data"))
    yield server
    server.kill()


def test_a_deep_link_opens_on_a_fresh_server_where_nothing_was_downloaded(without_data: Server, visit: Visit) -> None:
    page = visit.open(f"{without_data.url}/houses?from=All+test+houses&house=12&k=20")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_text("Page not found")).to_have_count(0)
    expect(heading(page, "House 12")).to_be_visible()
    expect(page.get_by_role("link", name="Home")).to_be_visible()  # the frame is there too
    assert influence_rows(page) == 40
    expect(page.get_by_role("button", name="Start run")).to_be_enabled()
    page.get_by_role("radio", name="Self-influence").click()
    expect(heading(page, "100 lowest")).to_be_visible()


def test_a_house_is_picked_on_the_map_and_again_after_another(server: Server, visit: Visit) -> None:
    page = visit.open(f"{server.url}/houses?k=3")
    expect(heading(page, f"House {FIRST}")).to_be_visible()
    assert influence_rows(page) == 6
    number = page.get_by_role("spinbutton", name="House number")
    for _ in range(2):
        pick_cell(page, 1, 40, heading(page, f"House {OTHER}").wait_for)
        settled(page)
        number.fill(str(FIRST))
        number.press("Enter")
        expect(heading(page, f"House {FIRST}")).to_be_visible()
        settled(page)

    view = VIEWS["Palo Alto"]
    chart = page.get_by_test_id("stDeckGlJsonChart").first
    for _ in range(2):
        pick_on_map(
            page, chart, -122.11, 37.41, (view.longitude, view.latitude, view.zoom), heading(page, f"House {OTHER}")
        )
        page.wait_for_url(re.compile(f"house={OTHER}"))
        settled(page)
        pick_cell(page, 0, 40, heading(page, f"House {FIRST}").wait_for)
        still(page)
    page.go_back()
    expect(heading(page, f"House {OTHER}")).to_be_visible()
    still(page)
    page.go_forward()
    expect(heading(page, f"House {FIRST}")).to_be_visible()


def test_any_house_can_be_picked_by_table_and_keyboard_or_the_eleven_together(server: Server, visit: Visit) -> None:
    page = visit.open(f"{server.url}/houses")
    pick_cell(page, 1, 40, heading(page, f"House {OTHER}").wait_for)
    for key, house in (("ArrowUp", FIRST), ("ArrowDown", OTHER), ("ArrowDown", THIRD)):
        settled(page)
        page.keyboard.press(key)
        expect(heading(page, f"House {house}")).to_be_visible()
    settled(page)
    expect(page.get_by_test_id("stAlert")).to_have_count(0)

    number = page.get_by_role("spinbutton", name="House number")
    number.fill("12")
    number.press("Enter")
    expect(heading(page, "House 12")).to_be_visible()
    settled(page)

    number.fill("5")
    number.press("Enter")
    expect(page.get_by_text("House 5 is a training house")).to_be_visible()
    expect(heading(page, f"House {FIRST}")).to_be_visible()
    settled(page)

    toggle = page.get_by_role("switch", name="All of Palo Alto’s eleven together")
    toggle.focus()
    page.keyboard.press("Space")
    expect(heading(page, "The eleven Palo Alto houses together")).to_be_visible()
    page.wait_for_url(re.compile(r"/houses\?.*together=true"))


def test_a_house_of_all_can_be_clicked(server: Server, visit: Visit) -> None:
    page = visit.open(f"{server.url}/houses?from=All+test+houses")
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


def test_self_influence_and_its_table(server: Server, visit: Visit) -> None:
    page = visit.open(f"{server.url}/houses")
    page.get_by_role("radio", name="Self-influence").click()
    expect(heading(page, "100 highest")).to_be_visible()
    page.wait_for_url("**/houses?show=Self-influence")
    chart = page.get_by_test_id("stDeckGlJsonChart").first
    still(page)
    chart.screenshot()  # which waits until the map is drawn
    before = chart.screenshot()
    pick_cell(page, 0, 40, partial(page.wait_for_url, re.compile("ring=")))
    deadline = time.monotonic() + 30
    while chart.screenshot() == before:  # until it has moved to the house
        assert time.monotonic() < deadline, "the map stays where it was"
        page.wait_for_timeout(200)


@in_every_look
def test_screenshots(server: Server, visit: Visit, request: pytest.FixtureRequest) -> None:
    name = request.node.callspec.id
    page = visit.open(f"{server.url}/houses")
    visit.picture(f"houses-influence-{name}")
    page.get_by_role("radio", name="Self-influence").click()
    expect(heading(page, "100 highest")).to_be_visible()
    visit.picture(f"houses-self-influence-{name}")
