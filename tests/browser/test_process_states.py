"""What pages show of a process: waiting, running, being stopped, retried, ended."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Open, opener
from tests.browser.support.observatory import Observatory

pytestmark = pytest.mark.slow

STOPPED_MS = 15_000


@pytest.fixture
def show(open_page: Open, look: tuple[int, str]) -> Callable[[str], Page]:
    """Return a function that opens a page of the shared server in this look."""
    return lambda path: open_page(path, width=look[0], scheme=look[1])


@pytest.fixture
def show_own(
    browser: Browser, own_observatory: Observatory, look: tuple[int, str]
) -> Iterator[Callable[[str], Page]]:
    """Yield a function that opens a page of the test's own server in this look."""
    opening = opener(browser, own_observatory)
    open_page = next(opening)
    yield lambda path: open_page(path, width=look[0], scheme=look[1])
    for _ in opening:
        raise AssertionError("it opens pages for one test only")


def state_is(page: Page, state: str) -> None:
    """Wait until the page of a process shows this state."""
    expect(page.locator("#process")).to_have_attribute("data-state", state, timeout=STOPPED_MS)


def test_a_process_that_waits_says_why_and_moves_up(
    show_own: Callable[[str], Page], own_observatory: Observatory
) -> None:
    busy = [own_observatory.run("Ticks", long=True) for _ in range(2)]
    first, second = own_observatory.run("Ticks"), own_observatory.run("Ticks")
    page = show_own(f"/pipeline/{second}")
    note = page.locator(".standing [data-slot=note]")
    expect(note).to_have_text(re.compile("^Number 2 in the queue; the slots are held by ticks_"))
    expect(page.locator(".log-empty").first).to_contain_text(re.compile("^Number 2 in the queue"))
    expect(page.locator("[data-slot=started]")).to_have_text("not yet")
    own_observatory.call("POST", f"/api/processes/{first}/cancel/")
    expect(note).to_have_text(re.compile("^Number 1 in the queue"))
    page.get_by_role("button", name="Cancel").click()
    state_is(page, "cancelled")
    expect(note).to_be_hidden()
    expect(page.locator(".log-empty").first).to_have_text("It wrote nothing into its log.")
    for process in busy:
        own_observatory.call("POST", f"/api/processes/{process}/cancel/")


def test_a_process_that_is_stopped_says_so(
    show: Callable[[str], Page], run_long: Callable[..., int]
) -> None:
    page = show(f"/pipeline/{run_long('Stubborn')}")
    expect(page.locator("#log")).to_contain_text("I stay")
    cancel = page.get_by_role("button", name="Cancel")
    cancel.click()
    expect(page.locator(".standing [data-slot=note]")).to_have_text("Stopping…")
    expect(cancel).to_be_disabled()
    page.reload()
    expect(page.locator(".standing [data-slot=note]")).to_have_text("Stopping…")
    state_is(page, "cancelled")
    expect(cancel).to_be_hidden()
    expect(page.get_by_role("button", name="Run again").first).to_be_visible()
    expect(page.locator(".failure")).to_be_hidden()


def test_a_row_tells_that_its_process_is_stopped(
    show: Callable[[str], Page], observatory: Observatory, run_long: Callable[..., int]
) -> None:
    process = run_long("Stubborn")
    target = observatory.call("GET", f"/api/processes/{process}/")["target"]
    page = show(f"/targets/{target}/")
    row = page.locator("#processes tbody tr")
    expect(row).to_have_attribute("data-state", "running")
    row.get_by_role("button", name="Cancel").click()
    expect(row).to_contain_text("Stopping…")
    expect(row.get_by_role("button", name="Cancel")).to_be_disabled()
    expect(row).to_have_attribute("data-state", "cancelled", timeout=STOPPED_MS)
    expect(row.get_by_role("button", name="Run again")).to_be_visible()


def test_a_second_attempt_is_followed(
    show: Callable[[str], Page], observatory: Observatory
) -> None:
    page = show(f"/pipeline/{observatory.run('SecondTime')}")
    expect(page.locator("#log")).to_contain_text("It will be tried again")
    state_is(page, "succeeded")
    expect(page.locator("[data-slot=attempt]")).to_have_text(re.compile("^[2-9]$"))
    expect(page.locator("#log")).to_contain_text("second")
    expect(page.locator("[data-slot=resources]")).to_have_text(re.compile(r"\d s CPU · \d"))


def test_a_failure_is_said_in_words(show: Callable[[str], Page], observatory: Observatory) -> None:
    target = observatory.make_target()
    products = observatory.upload(target, {"notes.txt": b"x"})
    process = observatory.submit(target, "Hostile", products)
    page = show(f"/pipeline/{process}")
    state_is(page, "failed")
    record = observatory.ended(process)
    expect(page.locator(".failure")).to_have_text(record["failure_message"])
    page.goto(f"/targets/{target}/")
    expect(page.locator("#processes tbody tr")).to_contain_text(record["failure_message"])


def test_a_process_is_run_again_with_other_flags(
    show: Callable[[str], Page], observatory: Observatory
) -> None:
    process = observatory.run("Ticks")
    page = show(f"/pipeline/{process}")
    state_is(page, "succeeded")
    page.get_by_text("Run again with other flags").click()
    page.locator("#rerun").get_by_label("Write what was counted into a file").uncheck()
    page.locator("#rerun").get_by_role("button", name="Run again").click()
    expect(page).not_to_have_url(re.compile(f"/pipeline/{process}$"))
    expect(page.locator("[data-fact=flags]")).to_have_text(re.compile(r"Flags\s*none"))
    state_is(page, "succeeded")
    expect(page.locator("#outputs")).to_contain_text("None.")
