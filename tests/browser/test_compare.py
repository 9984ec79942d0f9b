"""The compare page as people use it."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.driving import Server, Visit, heading, in_every_look, inspected, settled


def grid(page: Page, label: str) -> Locator:
    return page.get_by_role("listbox", name=label, exact=True).get_by_role("option")


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=label).click()
    page.get_by_role("option", name=option, exact=True).click()
    settled(page)


def test_rankings_side_by_side(server: Server, visit: Visit) -> None:
    page = visit.open(f"{server.url}/compare?target=21")
    choose(page, "Third", "Neighbours")
    expect(page.get_by_text("Most alike")).to_be_visible()
    page.wait_for_url(re.compile("third=neighbours(&|$)"))
    first = grid(page, "Helped, by digits/tracin").first
    train = first.get_attribute("data-id")
    first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(rf"example={train}(&|$)"))
    expect(grid(page, "Helped, by digits/tracin").first).to_have_attribute("aria-selected", "true")
    page.get_by_role("link", name="Open it").click()
    expect(inspected(page, f"Training image {train}")).to_be_visible()
    settled(page)
    page.get_by_role("link", name="Compare").click()
    expect(heading(page, "Test image 21, class 1")).to_be_visible()
    expect(page.get_by_text("Most alike")).to_be_visible()
    settled(page)
    choose(page, "Data set", "California housing")
    expect(heading(page, "House 17136")).to_be_visible()
    settled(page)
    expect(page).not_to_have_url(re.compile("target|example"))
    expect(page.get_by_test_id("stAlert").filter(has_text="The link asks")).to_have_count(0)


@in_every_look
def test_screenshots(server: Server, visit: Visit, request: pytest.FixtureRequest) -> None:
    visit.open(f"{server.url}/compare?third=neighbours")
    visit.picture(f"compare-{request.node.callspec.id}")
