"""axe-core on every page: what keeps readers with a screen reader, or without sharp eyes, from using it."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.driving import Server, Visit, still

PAGES = (
    "",
    *("images?data=digits", "images?data=digits&view=confusion", "images?data=digits&view=map"),
    *("houses", "outliers", "quality", "compare"),
)
GRAVE = ("serious", "critical")


@pytest.mark.parametrize("link", PAGES)
def test_nothing_serious_is_found(link: str, server: Server, visit: Visit) -> None:
    page = visit.open(f"{server.url}/{link}")
    still(page)
    expect(page.locator("[role=listbox]:not([aria-label])")).to_have_count(0)  # components have their data
    found = Axe().run(page).response["violations"]
    grave = {each["id"]: [node["html"] for node in each["nodes"]] for each in found if each["impact"] in GRAVE}
    assert grave == {}
