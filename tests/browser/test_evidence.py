"""Quality, compare and outliers as people use them: by link, mouse, keyboard, in the dark, on a phone, offline."""

import io
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Locator, Page, expect

from influence import homes, results
from tests.browser.driving import Server, Visit, heading, in_every_look, pick_cell, settled, start_server, still
from tests.explorer import evidenced

DIGITS = homes.precomputed_home() / "digits"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """With a result that has evidence of every kind."""
    home = tmp_path_factory.mktemp("results")
    mine = Path(shutil.copytree(DIGITS / "datamodels", home / "mine"))
    evidenced.removal(mine, results.read(mine).targets.index[:12].to_numpy())
    server = start_server(home)
    yield server
    server.kill()


def grid(page: Page, label: str) -> Locator:
    return page.get_by_role("listbox", name=label, exact=True).get_by_role("option")


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=label).click()
    page.get_by_role("option", name=option, exact=True).click()
    settled(page)


def test_deep_links_open_on_a_fresh_server(fresh_server: Server, visit: Visit) -> None:
    for link, title in (
        ("quality?of=digits%2Ftracin", "digits/tracin"),
        ("compare?target=21&third=neighbours", "Test image 21, class 1"),
        ("outliers?example=746&fix=746,12", "Training image 746"),
    ):
        page = visit.open(f"{fresh_server.url}/{link}")
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(heading(page, title)).to_be_visible()
        expect(page.get_by_test_id("stAlert")).to_have_count(0)
        expect(page.get_by_role("link", name="Home")).to_be_visible()


def test_a_result_is_picked_in_the_table_by_mouse_and_keyboard(server: Server, visit: Visit) -> None:
    page = visit.open(f"{server.url}/quality")
    expect(heading(page, "cifar10/datamodels")).to_be_visible()  # of which most is known
    shipped = sorted(path.parent for path in homes.precomputed_home().glob("*/*/manifest.json"))
    row = shipped.index(homes.precomputed_home() / "digits" / "datamodels-lasso")
    pick_cell(page, row, 40, heading(page, "digits/datamodels-lasso").wait_for)
    page.wait_for_url("**/quality?of=digits%2Fdatamodels-lasso")
    expect(page.get_by_text("python -m influence evaluate removal precomputed/digits/datamodels-lasso")).to_be_visible()
    settled(page)
    page.keyboard.press("ArrowDown")
    expect(heading(page, "digits/tracin")).to_be_visible()
    still(page)
    page.go_back()
    expect(heading(page, "digits/datamodels-lasso")).to_be_visible()


def test_a_point_of_the_scatter_opens_its_target(server: Server, visit: Visit) -> None:
    page = visit.open(f"{server.url}/quality?of=mine&removed=10")
    plot = page.locator(".js-plotly-plot").filter(has_text="measured change (margin)").first
    plot.scroll_into_view_if_needed()
    still(page)
    box = plot.locator(".scatterlayer .trace").last.locator(".point").first.bounding_box()
    assert box is not None
    label, deadline = plot.locator(".hoverlayer"), time.monotonic() + 30
    while "test image" not in (label.text_content() or ""):  # until the chart knows what is below the pointer
        assert time.monotonic() < deadline, "nothing on the chart is below the pointer"
        page.mouse.move(box["x"], box["y"] + box["height"] / 2)
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.wait_for_timeout(100)
    target = re.search(r"test image (\d+)", label.text_content() or "")
    assert target is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(heading(page, f"Test image {target[1]}")).to_be_visible()
    expect(page).to_have_url(re.compile(rf"/images\?.*image={target[1]}"))
    expect(page.get_by_text("result “mine”")).to_be_visible()
    still(page)
    page.go_back()
    expect(heading(page, "mine")).to_be_visible()
    expect(page.get_by_text("24 removals")).to_be_visible()
    page.wait_for_url(re.compile(r"/quality\?.*of=mine"))
    settled(page)
    page.wait_for_timeout(1000)
    assert "/quality" in page.url  # the old click opens nothing again


def test_a_target_of_the_scatter_is_found_by_keyboard(server: Server, visit: Visit) -> None:
    page = visit.open(f"{server.url}/quality?of=mine")
    target = int(results.read(server.results / "mine").targets.index[4])
    field = page.get_by_role("combobox", name="Test image to find")
    field.focus()
    page.keyboard.type(str(target))
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(rf"find={target}(&|$)"))
    link = page.get_by_role("link", name=f"Open test image {target}")
    link.focus()
    page.keyboard.press("Enter")
    expect(heading(page, f"Test image {target}")).to_be_visible()
    expect(page.get_by_text("result “mine”")).to_be_visible()


def test_rankings_side_by_side(server: Server, visit: Visit) -> None:
    page = visit.open(f"{server.url}/compare?target=21")
    choose(page, "Third", "neighbours")
    expect(heading(page, "neighbours")).to_be_visible()
    page.wait_for_url(re.compile("third=neighbours(&|$)"))
    first = grid(page, "Most positive by digits/tracin").first
    train = first.get_attribute("data-id")
    first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(rf"example={train}(&|$)"))
    expect(grid(page, "Most positive by digits/tracin").first).to_have_attribute("aria-selected", "true")
    page.get_by_role("link", name="Open it").click()
    expect(heading(page, f"Training image {train}")).to_be_visible()
    settled(page)
    page.get_by_role("link", name="Compare").click()
    expect(heading(page, "Test image 21, class 1")).to_be_visible()
    expect(heading(page, "neighbours")).to_be_visible()
    settled(page)
    page.get_by_text("california-housing", exact=True).click()
    expect(heading(page, "House 17136")).to_be_visible()
    settled(page)
    expect(page).not_to_have_url(re.compile("target|example"))
    expect(page.get_by_test_id("stAlert").filter(has_text="The link asks")).to_have_count(0)


def test_a_fix_list_is_made_by_clicks_shared_and_downloaded(server: Server, visit: Visit) -> None:
    page = visit.open(f"{server.url}/outliers?label=8")
    page.get_by_text("A click puts it on the fix list").click()
    settled(page)
    cells = grid(page, "Training images that stand out")
    chosen = []
    for place in (0, 3):
        chosen.append(cells.nth(place).get_attribute("data-id"))
        cells.nth(place).click()
        expect(cells.nth(place)).to_contain_text("✓ listed")
        settled(page)
    page.wait_for_url(re.compile(rf"fix={chosen[0]}(,|%2C){chosen[1]}(&|$)"))
    page = visit.open(page.url)  # as another would, who is sent the link
    with page.expect_download() as download:
        page.get_by_role("button", name="Download these 2 as CSV").click()
    frame = pd.read_csv(io.BytesIO(Path(download.value.path()).read_bytes()))
    assert list(frame) == ["index", "label", "suggested_label", "score", "reason"]
    assert frame["index"].tolist() == [int(str(each)) for each in chosen]
    assert set(frame["label"]) == {8}


def test_houses_are_ticked(server: Server, visit: Visit) -> None:
    page = visit.open(f"{server.url}/outliers?of=california-housing%2Ftracin")
    add = page.get_by_role("button", name="Add the 1 ticked")
    pick_cell(page, 1, 14, add.wait_for)
    settled(page)
    add.click()
    expect(page.get_by_role("button", name="Download these 1 as CSV")).to_be_visible()
    page.wait_for_url(re.compile(r"fix=\d+(&|$)"))


@in_every_look
def test_screenshots(server: Server, visit: Visit, request: pytest.FixtureRequest) -> None:
    name = request.node.callspec.id
    for part, link in (
        ("quality", "quality?of=mine"),
        ("compare", "compare?third=neighbours"),
        ("outliers", "outliers?fix=1658,5"),
    ):
        visit.open(f"{server.url}/{link}")
        visit.picture(f"{part}-{name}")
