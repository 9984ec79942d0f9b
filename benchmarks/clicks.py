"""How fast the explorer's pages come up and answer a click, alone and with eight readers, and what memory it takes.

    python -m benchmarks.clicks                     all pages, eight readers, memory: some minutes
    python -m benchmarks.clicks --only houses home  some pages
    python -m benchmarks.clicks --readers 0         without the eight readers

One server and one headless Chromium. A page is opened three times, each time in a context of its own, which has nothing
of it yet; the first time the server has not read what the page shows either, and that is told apart ("cold"). Times are
taken inside the browser. "First content" is when the title stands in the page, "complete" when the script has run,
nothing is a placeholder, and nothing has changed for half a second (which is not counted). A click's time is from its
own event until what the page says has changed ("answer"), and until nothing on it is out of date ("whole page"). What
is clicked: see `CLICKED`. Memory is the server's resident size (Linux's VmRSS) after everything was visited, CIFAR-10
on every page that shows it, and its peak (VmHWM). Nothing here passes or fails.
"""

import argparse
import os
import platform
import statistics
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, Error, Locator, Page, sync_playwright
from rich.console import Console
from rich.table import Table

from influence.explorer.menu import PAGES
from tests.browser.driving import CHROMIUM, Server, settled, start_server

LOADS, CLICKS = 3, 10
MAIN = "[data-testid=stMain]"


def _pictures(page: Page) -> Locator:
    """Pictures or lines of the first list of examples."""
    return page.locator(MAIN).get_by_role("listbox").first.get_by_role("option")


def _choices(page: Page) -> Locator:
    """What is not chosen yet among the first segments."""
    return page.locator(MAIN).get_by_role("radio", checked=False)


def _tour(page: Page) -> Locator:
    return page.get_by_role("button", name="Next")


# For each page, what is clicked in turn.
CLICKED: dict[str, Callable[[Page], Locator]] = {
    "home": _tour,
    "images": _pictures,
    "houses": _pictures,
    "outliers": _pictures,
    "quality": _choices,
    "compare": _pictures,
}
_OF_A_METHOD, _METHODS = ("images", "outliers", "quality"), ("datamodels", "tracin")
# What is visited before memory is looked at: all that ships on CIFAR-10, and the other data sets.
VISITED = (
    "",
    *(f"{page}?data=cifar10&method={method}" for page in _OF_A_METHOD for method in _METHODS),
    "images?data=cifar10&view=map",
    "images?data=cifar10&view=confusion",
    "compare?on=cifar10",
    "houses",
    "outliers?data=california-housing",
    "images?data=digits",
    "compare",
)

_LOAD = """() => {
  const times = window.times = { first: null, changed: 0 };
  const look = () => {
    const main = document.querySelector('[data-testid=stMain]');
    if (times.first === null && main?.querySelector('h1')) times.first = performance.now();
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
  new MutationObserver(() => { times.changed = performance.now(); })
    .observe(document, { childList: true, subtree: true, characterData: true });
}"""
_IS_COMPLETE = """() => {
  const app = document.querySelector('[data-testid=stApp]');
  return window.times.first !== null && app?.dataset.testScriptState === 'notRunning'
    && !document.querySelector('[data-stale=true], [data-testid=stSkeleton], [data-testid=stSpinner]')
    && [...document.images].every(image => image.complete) && performance.now() - window.times.changed > 500;
}"""
_WATCH = """() => {
  const said = node => node.nodeType === Node.TEXT_NODE ? node.data
    : (node.shadowRoot ? said(node.shadowRoot) : '') + [...node.childNodes].map(said).join('|');
  const app = document.querySelector('[data-testid=stApp]');
  const main = document.querySelector('[data-testid=stMain]');
  const before = said(main);
  window.clicked = new Promise((resolve) => {
    let started, answered;
    document.addEventListener('click', (event) => { started = event.timeStamp; }, { capture: true, once: true });
    const look = () => {
      if (started !== undefined && answered === undefined && said(main) !== before) answered = performance.now();
      if (answered !== undefined && app.dataset.testScriptState === 'notRunning'
          && !document.querySelector('[data-stale=true]')) {
        return resolve([answered - started, performance.now() - started]);
      }
      requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  });
}"""


@dataclass
class Line:
    """What was measured of a page, in seconds."""

    page: str
    first: list[float] = field(default_factory=list)
    complete: list[float] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)


def load(page: Page, url: str) -> tuple[float, float]:
    """Open an address; seconds until its first content, and until it is complete."""
    page.add_init_script(f"({_LOAD})()")
    page.goto(url)
    page.wait_for_function(_IS_COMPLETE, polling=50)
    times = page.evaluate("window.times")
    return times["first"] / 1e3, times["changed"] / 1e3


def click(page: Page, name: str, place: int) -> tuple[float, float]:
    """Click on what a page has to click on; seconds until it answers, and until the whole page is up to date."""
    found = CLICKED[name](page)
    target = found.nth(1 + place % max(found.count() - 1, 1)) if found.count() > 1 else found.first
    target.scroll_into_view_if_needed()
    page.evaluate(_WATCH)
    target.click()
    answer, whole = page.evaluate("window.clicked")
    settled(page)
    return answer / 1e3, whole / 1e3


def new_page(browser: Browser) -> Page:
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.set_default_timeout(120_000)
    return page


def measure(browser: Browser, server: Server, name: str) -> Line:
    """Open a page some times, and click on it."""
    line = Line(name)
    for visit in range(LOADS):
        page = new_page(browser)
        first, complete = load(page, address(server, name))
        line.first.append(first)
        line.complete.append(complete)
        clicks = 1 if name == "home" else CLICKS
        for place in range(clicks if visit == LOADS - 1 else 0):
            answer, whole = click(page, name, place)
            line.answers.append(answer)
            line.whole.append(whole)
        page.context.close()
    return line


def address(server: Server, name: str) -> str:
    return f"{server.url}/{'' if name == 'home' else name}"


def together(server: Server, names: Sequence[str], readers: int) -> tuple[list[float], list[str]]:
    """So many readers who click at once, each with a browser of their own: all answers, and what went wrong."""
    answers: list[float] = []
    wrong: list[str] = []
    ready = threading.Barrier(readers)

    def read(name: str) -> None:
        try:
            with sync_playwright() as playwright:
                browser = launch(playwright.chromium.launch)
                page = new_page(browser)
                load(page, address(server, name))
                ready.wait(300)
                for place in range(CLICKS):
                    answers.append(click(page, name, place)[0])
                if page.get_by_test_id("stException").count():
                    wrong.append(f"{name}: an exception on the page")
                browser.close()
        except (Error, threading.BrokenBarrierError) as error:
            ready.abort()
            wrong.append(f"{name}: {error}")

    threads = [threading.Thread(target=read, args=(names[place % len(names)],)) for place in range(readers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers, wrong


def launch(start: Callable[..., Browser]) -> Browser:
    return start(executable_path=CHROMIUM, args=["--no-sandbox"])


def memory(server: Server) -> tuple[int, int]:
    """Resident size and its peak, in bytes."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    sizes = dict(line.split(":", 1) for line in status.splitlines())
    return tuple(1024 * int(sizes[name].split()[0]) for name in ("VmRSS", "VmHWM"))  # type: ignore[return-value]


def table(lines: Sequence[Line]) -> Table:
    shown = Table(title="Seconds, each page: medians, and the slowest")
    for column in ("", "first content", "complete", "cold", "answer", "whole page"):
        shown.add_column(column, justify="right" if column else "left")
    for line in lines:
        warm = [spread(times[1:]) for times in (line.first, line.complete)]
        shown.add_row(line.page, *warm, f"{line.complete[0]:.2f}", spread(line.answers), spread(line.whole))
    return shown


def spread(times: Sequence[float]) -> str:
    return f"{statistics.median(times):.2f} ({max(times):.2f})" if times else "–"


def told(answers: Sequence[float]) -> str:
    if len(answers) < 2:
        return "no click was answered"
    median, most = statistics.median(answers), statistics.quantiles(answers, n=20)[-1]
    return f"{len(answers)} clicks, answered in {median:.2f} s (median), 95 % within {most:.2f} s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=PAGES, default=list(PAGES))
    parser.add_argument("--readers", type=int, default=8)
    options = parser.parse_args()
    console = Console()
    if CHROMIUM is None:
        raise SystemExit("Chromium is not installed.")
    with tempfile.TemporaryDirectory() as results:
        server = start_server(Path(results))
        try:
            with sync_playwright() as playwright:
                browser = launch(playwright.chromium.launch)
                console.print(table([measure(browser, server, name) for name in options.only]))
                for link in VISITED:
                    page = new_page(browser)
                    load(page, f"{server.url}/{link}")
                    page.context.close()
                browser.close()
            resident, peak = memory(server)
            console.print(
                f"The server's memory after {len(VISITED)} visits: {resident / 1e6:.0f} MB, peak {peak / 1e6:.0f} MB"
            )
            if options.readers:
                clicking = [name for name in options.only if name != "home"]
                answers, wrong = together(server, clicking, options.readers)
                console.print(f"{options.readers} readers at once: {told(answers)}; {len(wrong)} went wrong")
                for each in wrong:
                    console.print(each)
                resident, peak = memory(server)
                console.print(f"Memory then: {resident / 1e6:.0f} MB, peak {peak / 1e6:.0f} MB")
        finally:
            server.kill()
    load_averages = "/".join(f"{value:.1f}" for value in os.getloadavg())
    console.print(f"{platform.machine()}, {os.cpu_count()} cores; load averages at the end {load_averages}")


if __name__ == "__main__":
    main()
