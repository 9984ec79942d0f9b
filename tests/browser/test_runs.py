"""Recomputing from the sidebar: progress, cancel, failure, a new result, and what a killed server leaves."""

import re
import subprocess
import time
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from influence.learners.regression import RegressionNetwork
from influence.methods.tracin import TracIn, TracInConfig
from tests.browser.driving import Server, Visit, open_form, settled, still


def set_number(page: Page, label: str, value: object) -> None:
    field = page.get_by_role("spinbutton", name=label, exact=True)
    field.fill(str(value))
    field.press("Tab")


def progress(page: Page) -> Locator:
    return page.get_by_test_id("stProgress")


def start(page: Page, **settings: object) -> None:
    open_form(page)
    for label, value in settings.items():
        set_number(page, label.replace("_", " "), value)
    page.get_by_role("button", name="Start run").click()


def test_cancel_leaves_nothing(fresh_server: Server, visit: Visit) -> None:
    page = visit.open(f"{fresh_server.url}/houses")
    start(page)
    expect(page.get_by_role("button", name="Cancel run")).to_be_visible()
    expect(progress(page)).to_contain_text(re.compile(r"about \d+ (s|min) left"), timeout=150_000)
    expect(page.get_by_role("button", name="Start run")).to_have_count(0)

    page.reload()  # the run goes on; a new session does not own it
    page.get_by_text("Another session started this run.").wait_for()
    page.get_by_role("link", name="Home").click()  # also on another page
    page.get_by_role("heading", name="Which training data made the model say that?").wait_for()
    settled(page)
    page.get_by_role("button", name="Cancel run").click()
    page.get_by_role("button", name="Cancel it all the same").click()
    page.get_by_role("button", name="Cancel run").wait_for(state="detached")
    page.get_by_text("Runs 1").click()
    expect(page.get_by_text(re.compile("tracin.* · cancelled"))).to_be_visible()
    assert list(fresh_server.results.iterdir()) == []


@pytest.fixture
def few(fresh_server: Server) -> Path:
    """A result of 200 training houses among the server's results."""
    learner = RegressionNetwork(epochs=2)
    config = TracInConfig(dataset="california-housing", learner=learner, train_size=200, checkpoint_every=1, k=5)
    return TracIn.run(config, fresh_server.results / "few")


def made(few: Path) -> list[Path]:
    """The results beside it."""
    return [path for path in few.parent.iterdir() if path != few]


def test_a_run_becomes_a_result_that_can_be_shown_renamed_and_deleted(
    fresh_server: Server, few: Path, visit: Visit
) -> None:
    page = visit.open(f"{fresh_server.url}/houses?result={few.name}")  # from whose settings the form starts
    start(page, Seed=7)
    expect(page.get_by_role("button", name="Cancel run")).to_be_visible()  # else leaving the page takes the click away
    page.get_by_role("link", name="Home").click()  # it can be shown from any page
    page.get_by_role("link", name="Show it").click(timeout=200_000)
    expect(page.get_by_text("2 checkpoints (epochs 1 to 2) · seed 7")).to_be_visible()
    (folder,) = made(few)
    assert folder.name == "tracin-seed-7-2-epochs"
    page.wait_for_url(re.compile(f"houses.*result={folder.name}"))
    expect(page.get_by_text("is done")).to_have_count(0)  # told once, where the reader was
    settled(page)

    page.get_by_role("button", name="Rename or delete").click()
    name = page.get_by_role("textbox", name="New name")
    name.fill("my run")
    name.press("Enter")
    expect(page.get_by_text("result “my run”")).to_be_visible()
    assert [path.name for path in made(few)] == ["my run"]
    assert not folder.exists()

    still(page)
    delete = page.get_by_role("button", name="Delete …")
    if not delete.is_visible():  # the menu may have stayed open
        page.get_by_role("button", name="Rename or delete").click()
    delete.click()
    expect(page.get_by_text("Delete my run for good?")).to_be_visible()
    assert (fresh_server.results / "my run").exists()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_text("result “shipped”")).to_be_visible()
    settled(page)
    assert made(few) == []


def test_a_failed_run_says_why_until_dismissed(fresh_server: Server, visit: Visit) -> None:
    page = visit.open(f"{fresh_server.url}/houses")
    start(page, Epochs=2, Checkpoint_every=4)
    failed = page.get_by_test_id("stAlert").filter(has_text="leaves no checkpoint")
    expect(failed).to_be_visible(timeout=150_000)
    settled(page)
    page.get_by_role("button", name="Dismiss").click()
    expect(failed).to_have_count(0)
    page.reload()
    page.get_by_text("Runs 1").click()
    expect(page.get_by_text("leaves no checkpoint")).to_be_visible()


def test_a_killed_server_takes_its_run_along(fresh_server: Server, visit: Visit) -> None:
    page = visit.open(f"{fresh_server.url}/houses")
    start(page)
    expect(progress(page)).to_contain_text("training", timeout=150_000)
    assert jobs_of(fresh_server.results)
    fresh_server.kill()
    visit.page.goto("about:blank")  # which would complain that its server is gone
    visit.complaints.clear()
    deadline = time.monotonic() + 60
    while jobs_of(fresh_server.results) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert jobs_of(fresh_server.results) == []
    assert list(fresh_server.results.iterdir()) == []


def jobs_of(results: Path) -> list[str]:
    """The jobs that are writing below a folder."""
    processes = subprocess.run(["ps", "-ww", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in processes.splitlines() if "--events" in line and str(results) in line]
