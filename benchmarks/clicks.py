"""How long the images page takes to answer a click, to start, and how much memory its server holds.

    python -m benchmarks.clicks                  digits and CIFAR-10, 30 clicks each: a minute or two
    python -m benchmarks.clicks --only digits
    python -m benchmarks.clicks --results DIR    where a result on CIFAR-10 is, if none ships

Each data set has a server and a headless Chromium of its own. A click's time is taken inside the browser, from the
click's own event until the heading and the strongest training image are those of the clicked image ("answer"), and
until nothing on the page is out of date ("whole page"): medians, with the tenth and the ninetieth percentile. No image
is clicked twice. Beside them, in means, the processor time that a click costs the server and the page's own process in
the browser: that says more on a machine that does other work too. Memory is the server's resident size (Linux's VmRSS)
after the last click, and its peak (VmHWM). Nothing here passes or fails.
"""

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, CDPSession, Page, sync_playwright
from rich.console import Console
from rich.table import Table

from influence import homes, library, results
from tests.browser.driving import CHROMIUM, Server, settled, start_server

DATASETS = ("digits", "cifar10")
PER_PAGE = 10  # clicks on one page of the gallery, which shows 30

# Watches for the answer from inside, frame by frame: asking from outside would add its own tenths of seconds.
_WATCH = """
([target, strongest, grid]) => {
  const app = document.querySelector('[data-testid=stApp]');
  window.clicked = new Promise((resolve) => {
    let started, answered;
    document.addEventListener('click', (event) => { started = event.timeStamp; }, { capture: true, once: true });
    const look = () => {
      if (started !== undefined && answered === undefined) {
        const named = [...document.querySelectorAll('h4')].some((h) => h.textContent.trim() === `Test image ${target}`);
        if (named && grid.firstElementChild?.dataset.id === String(strongest)) answered = performance.now();
      } else if (answered !== undefined && app.dataset.testScriptState === 'notRunning'
          && !document.querySelector('[data-stale=true]')) {
        return resolve([answered - started, performance.now() - started]);
      }
      requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  });
}
"""


@dataclass(frozen=True)
class Line:
    """What was measured for a data set: times in seconds, memory in bytes."""

    dataset: str
    targets: int
    server_start: float
    first_page: float
    answers: list[float]
    whole: list[float]
    server_work: list[float]
    browser_work: list[float]
    resident: int
    peak: int


def measure(browser: Browser, dataset: str, folder: Path, clicks: int) -> Line:
    entry = library.of_method(dataset, "datamodels")[0][0]
    result = results.read(entry.path)
    started = time.perf_counter()
    server = start_server(folder)
    try:
        up = time.perf_counter()
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(60_000)
        page.goto(f"{server.url}/images?data={dataset}&result={entry.name}")
        gallery = page.get_by_role("listbox", name="Gallery of test images").get_by_role("option")
        gallery.first.wait_for()
        settled(page)
        shown = time.perf_counter()
        devtools = page.context.new_cdp_session(page)
        devtools.send("Performance.enable")
        times = []
        for place in range(clicks):
            if place and place % PER_PAGE == 0:
                turn(page)
            cell = gallery.nth(1 + place % PER_PAGE)
            target = int(cell.get_attribute("data-id") or -1)
            strongest = int(result.of(target).set_index("rank").loc[1, "train"])
            cell.scroll_into_view_if_needed()
            page.wait_for_timeout(300)
            grid = page.get_by_role("listbox", name="Most positive training images").element_handle()
            page.evaluate(_WATCH, [target, strongest, grid])
            before = worked(server, devtools)
            cell.click()
            answer, whole = page.evaluate("window.clicked")
            after = worked(server, devtools)
            times.append((answer / 1e3, whole / 1e3, after[0] - before[0], after[1] - before[1]))
        columns = map(list, zip(*times, strict=True))
        return Line(dataset, len(result.targets), up - started, shown - up, *columns, *memory(server))
    finally:
        server.kill()


def turn(page: Page) -> None:
    """To the gallery's next page."""
    gallery = page.get_by_role("listbox", name="Gallery of test images").get_by_role("option")
    first = gallery.first.get_attribute("data-id")
    page.get_by_role("button", name="Next page").click()
    page.wait_for_function(
        "([cell, first]) => cell.dataset.id !== first || !cell.isConnected", arg=[gallery.first.element_handle(), first]
    )
    settled(page)


def worked(server: Server, devtools: CDPSession) -> tuple[float, float]:
    """Processor time so far, in seconds: of the server, and of the page's process."""
    user, system = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    metrics = {each["name"]: each["value"] for each in devtools.send("Performance.getMetrics")["metrics"]}
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK"), metrics["ProcessTime"]


def memory(server: Server) -> tuple[int, int]:
    """Resident size and its peak, in bytes."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    sizes = dict(line.split(":", 1) for line in status.splitlines())
    return tuple(1024 * int(sizes[name].split()[0]) for name in ("VmRSS", "VmHWM"))  # type: ignore[return-value]


def spread(times: list[float]) -> str:
    tenths = statistics.quantiles(times, n=10)
    return f"{statistics.median(times):.2f} ({tenths[0]:.2f} to {tenths[-1]:.2f})"


def table(lines: list[Line]) -> Table:
    shown = Table(title="The images page: seconds, from a click to its answer")
    for column in ("", *(line.dataset for line in lines)):
        shown.add_column(column, justify="right" if column else "left")
    rows: dict[str, Callable[[Line], str]] = {
        "targets": lambda line: f"{line.targets:,}",
        "clicks": lambda line: str(len(line.answers)),
        "answer": lambda line: spread(line.answers),
        "whole page": lambda line: spread(line.whole),
        "processor time, server": lambda line: f"{statistics.mean(line.server_work):.3f}",
        "processor time, page": lambda line: f"{statistics.mean(line.browser_work):.3f}",
        "server's start": lambda line: f"{line.server_start:.1f}",
        "first page on a fresh server": lambda line: f"{line.first_page:.1f}",
        "server's memory, MB": lambda line: f"{line.resident / 1e6:.0f}",
        "at its peak, MB": lambda line: f"{line.peak / 1e6:.0f}",
    }
    for name, cell in rows.items():
        shown.add_row(name, *map(cell, lines))
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=DATASETS)
    parser.add_argument("--clicks", type=int, default=30)
    parser.add_argument("--results", type=Path, help="where results of one's own are (default: INFLUENCE_RESULTS_DIR)")
    options = parser.parse_args()
    console = Console()
    if CHROMIUM is None:
        raise SystemExit("Chromium is not installed.")
    if options.results:
        os.environ["INFLUENCE_RESULTS_DIR"] = str(options.results)
    lines = []
    with sync_playwright() as playwright:
        for dataset in (options.only,) if options.only else DATASETS:
            if not library.of_method(dataset, "datamodels")[0]:
                console.print(f"There is no result on {dataset}: left out.")
                continue
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            lines.append(measure(browser, dataset, homes.results_home(), options.clicks))
            browser.close()
    load = "/".join(f"{value:.1f}" for value in os.getloadavg())
    console.print(table(lines))
    console.print(f"{platform.machine()}, {os.cpu_count()} cores; load averages at the end {load}")


if __name__ == "__main__":
    main()
