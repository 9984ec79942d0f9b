"""A real server and a real Chromium. Missing Chromium skips here; the CI script turns a skip into a failure."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.driving import CHROMIUM, Server, Visit, start_server

expect.set_options(timeout=30_000)  # a page on a busy machine is slow, not wrong


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.browser)
            # A click that comes while a busy machine redraws is lost, as a hand's would be: it gets another try.
            item.add_marker(pytest.mark.flaky(reruns=2))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
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
def visit(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """A new page; ``@pytest.mark.parametrize("visit", [options], indirect=True)`` sets the context's options."""
    options = {"viewport": {"width": 1400, "height": 1000}, "color_scheme": "light"} | getattr(request, "param", {})
    context = chromium.new_context(**options)
    page = context.new_page()
    page.set_default_timeout(30_000)
    visit = Visit(page)
    page.on("console", visit.on_console)
    page.on("request", visit.on_request)
    page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    yield visit
    context.close()
