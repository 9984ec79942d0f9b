"""A real server and a real Chromium. Missing Chromium skips here; the CI script turns a skip into a failure."""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, expect, sync_playwright

from tests.browser.driving import CHROMIUM, Server, Visit, start_server

expect.set_options(timeout=60_000)  # a page on a busy machine is slow, not wrong

# Every page is shown without a network: no name is looked up, and nothing but the server is reached.
_ALONE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", _ALONE])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def context(chromium: Browser) -> Callable[..., BrowserContext]:
    """One context for each set of options: what it has fetched of a server, the next test need not fetch again."""
    made: dict[str, BrowserContext] = {}

    def context_of(**options: Any) -> BrowserContext:
        key = json.dumps(options, sort_keys=True)
        if key not in made:
            made[key] = chromium.new_context(**options)
        return made[key]

    return context_of


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of what ships. Tests that start runs or have results have one of their own."""
    server = start_server(tmp_path_factory.mktemp("results"))
    yield server
    server.kill()


@pytest.fixture
def fresh_server(tmp_path: Path) -> Iterator[Server]:
    """A server that no page has been asked of."""
    server = start_server(tmp_path / "results")
    yield server
    server.kill()


@pytest.fixture
def visit(context: Callable[..., BrowserContext], request: pytest.FixtureRequest) -> Iterator[Visit]:
    """A new page, on which nothing may go wrong, and from which nothing may be asked of another machine.

    ``@pytest.mark.parametrize("visit", [options], indirect=True)`` sets the context's options.
    """
    options = {"viewport": {"width": 1400, "height": 1000}, "color_scheme": "light"} | getattr(request, "param", {})
    page = context(**options).new_page()
    page.set_default_timeout(60_000)
    visit = Visit(page)
    page.on("console", visit.on_console)
    page.on("request", visit.on_request)
    page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    yield visit
    with suppress(Error):  # a page that shows no server has none
        page.evaluate("localStorage.clear()")  # the context goes on
    page.close()
    assert visit.outside == []
    assert visit.complaints == []
