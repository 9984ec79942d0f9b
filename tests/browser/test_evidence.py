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
from tests.browser.driving import Server, Visit, in_every_look, inspected, settled, start_server, still
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
    page.get_by_role("option", name=option).click()
    settled(page)


def test_deep_links_open_on_a_fresh_server(fresh_server: Server, visit: Visit) -> None:
    for link, title in (
        ("quality?of=digits%2Ftracin", "digits/tracin: "),
        ("outliers?example=746&fix=746,12", "Training image 746"),
    ):
        page = visit.open(f"{fresh_server.url}/{link}")
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(page.get_by_text(title)).to_be_visible()
        expect(page.get_by_test_id("stAlert")).to_have_count(0)
        expect(page.get_by_role("link", name="Home")).to_be_visible()


def test_a_result_is_picked_and_back_undoes_it(server: Server, visit: Visit) -> None:
    page = visit.open(f"{server.url}/quality")
    expect(page.get_by_text("cifar10/datamodels: ")).to_be_visible()  # of which most is known
    choose(page, "Data set", "Digits")
    choose(page, "Result", "lasso")
    expect(page.get_by_text("digits/datamodels-lasso: ")).to_be_visible()
    expect(page.get_by_text("python -m influence evaluate removal precomputed/digits/datamodels-lasso")).to_be_visible()
    settled(page)
    page.get_by_role("radio", name="TracIn").click()
    expect(page.get_by_text("digits/tracin: ")).to_be_visible()
    still(page)
    page.go_back()
    expect(page.get_by_text("digits/datamodels-lasso: ")).to_be_visible()
    expect(page.get_by_role("radio", name="Datamodels")).to_be_checked()


def test_a_point_of_the_scatter_finds_its_target(server: Server, visit: Visit) -> None:
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
    page.get_by_role("link", name=f"Open test image {target[1]}", exact=True).click()
    expect(inspected(page, f"Test image {target[1]}")).to_be_visible()
    expect(page).to_have_url(re.compile(rf"/images\?.*image={target[1]}"))
    expect(page.get_by_text("result “mine”")).to_be_visible()
    still(page)
    page.go_back()
    expect(page.get_by_text("mine: ")).to_be_visible()
    page.wait_for_url(re.compile(r"/quality\?.*of=mine"))


def test_a_target_of_the_scatter_is_found_by_keyboard(server: Server, visit: Visit) -> None:
    page = visit.open(f"{server.url}/quality?of=mine")
    target = int(results.read(server.results / "mine").targets.index[4])
    field = page.get_by_role("combobox", name="Test image to find")
    field.focus()
    page.keyboard.type(str(target))
    expect(page.get_by_role("option")).to_have_text([str(target)])  # the list has been narrowed down to it
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(rf"find={target}(&|$)"))
    settled(page)
    link = page.get_by_role("link", name=f"Open test image {target}")
    link.focus()
    page.keyboard.press("Enter")
    expect(inspected(page, f"Test image {target}")).to_be_visible()
    expect(page.get_by_text("result “mine”")).to_be_visible()


def test_a_fix_list_is_made_by_clicks_shared_and_downloaded(server: Server, visit: Visit) -> None:
    page = visit.open(f"{server.url}/outliers?data=digits&label=8")
    cells = grid(page, "Training images to look at")
    chosen = []
    for place in (0, 3):
        chosen.append(cells.nth(place).get_attribute("data-id"))
        cells.nth(place).locator(".tick").click()
        expect(cells.nth(place)).to_have_attribute("aria-checked", "true")
        settled(page)
    page.wait_for_url(re.compile(rf"fix={chosen[0]}(,|%2C){chosen[1]}(&|$)"))
    page = visit.open(page.url)  # as another would, who is sent the link
    with page.expect_download() as download:
        page.get_by_role("button", name="Fix list", exact=True).click()
    frame = pd.read_csv(io.BytesIO(Path(download.value.path()).read_bytes()))
    assert frame["index"].tolist() == [int(str(each)) for each in chosen]
    assert set(frame["label"]) == {8}


def test_houses_are_picked_and_listed(server: Server, visit: Visit) -> None:
    page = visit.open(f"{server.url}/outliers?data=california-housing")
    rows = grid(page, "Training houses to look at")
    house = rows.nth(2).get_attribute("data-id")
    rows.nth(2).click()
    expect(page.get_by_text(f"Training house {house}", exact=True)).to_be_visible()
    settled(page)
    page.get_by_role("button", name="Put on the fix list").click()
    page.wait_for_url(re.compile(rf"fix={house}(&|$)"))


@in_every_look
def test_screenshots(server: Server, visit: Visit, request: pytest.FixtureRequest) -> None:
    name = request.node.callspec.id
    for part, link in (("quality", "quality?of=mine"), ("outliers", "outliers?data=digits&fix=1658,5")):
        visit.open(f"{server.url}/{link}")
        visit.picture(f"{part}-{name}")
