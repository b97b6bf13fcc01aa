"""Pages survive restarts of the server and networks that refuse websockets."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import PATIENCE_MS, Open, opener
from tests.browser.support.observatory import Observatory
from tests.browser.test_log_page import numbers
from tests.browser.test_log_search import ready

pytestmark = pytest.mark.slow

#: Stands in for a proxy that lets no websocket through, until it is allowed to.
REFUSE = """
  window.sockets = 0;
  window.Open = window.WebSocket;
  window.WebSocket = function (url) {
    if (window.letThrough) return new window.Open(url);
    window.sockets++;
    setTimeout(() => this.onclose?.({code: 1006}), 5);
    this.close = () => {};
  };
"""


@pytest.fixture
def open_own(browser: Browser, own_observatory: Observatory) -> Iterator[Open]:
    """Yield a function that opens pages of a server that may stop; expect failed requests."""
    yield from opener(browser, own_observatory, ("net::ERR_", "WebSocket connection", "503"))


def test_a_log_goes_on_where_it_was_after_a_restart(
    open_own: Open, own_observatory: Observatory
) -> None:
    process = own_observatory.run("Ticks", long=True)
    page = open_own(f"/pipeline/{process}")
    expect(page.locator("#log")).to_contain_text("tick 10")
    own_observatory.stop()
    expect(page.locator("#connection")).to_contain_text("Connection lost")
    own_observatory.start()
    expect(page.locator("#connection")).to_have_text("Connected again.")
    expect(page.locator("#connection")).to_be_hidden()
    before = own_observatory.call("GET", f"/api/processes/{process}/")["log_lines"]
    expect(page.locator("#log")).to_contain_text(f"{before + 5}")
    drawn = numbers(page)
    assert drawn == list(range(drawn[0], drawn[-1] + 1))
    page.locator("#log").evaluate("box => box.scrollTop = 0")
    expect(page.locator('.line[data-number="1"] .text')).to_have_text("tick 1")
    own_observatory.call("POST", f"/api/processes/{process}/cancel/")
    expect(page.locator("#process")).to_have_attribute("data-state", "cancelled")


def test_the_list_says_that_the_connection_is_lost_and_found(
    open_own: Open, own_observatory: Observatory
) -> None:
    page = open_own("/")
    own_observatory.stop()
    expect(page.locator("#connection")).to_contain_text("Connection lost", timeout=PATIENCE_MS)
    own_observatory.start()
    expect(page.locator("#connection")).to_have_text("Connected again.", timeout=PATIENCE_MS)
    expect(page.locator("#connection")).to_be_hidden()


def test_a_target_goes_on_after_a_restart(open_own: Open, own_observatory: Observatory) -> None:
    target = own_observatory.make_target()
    products = own_observatory.upload(target, {"notes.txt": b"x"})
    page = open_own(f"/targets/{target}/")
    own_observatory.stop()
    expect(page.locator("#connection")).to_contain_text("Connection lost")
    own_observatory.start()
    own_observatory.submit(target, "Ticks", products)
    expect(page.locator("#processes tbody tr")).to_have_attribute("data-state", "succeeded")
    expect(page.locator("#connection")).to_be_hidden()


def frozen_within_ms(page: Page) -> float:
    """Return the milliseconds until the page says that the connection is lost."""
    begun = time.monotonic()
    expect(page.locator("#connection")).to_contain_text("Connection lost", timeout=30_000)
    return (time.monotonic() - begun) * 1000


def test_a_frozen_server_is_said_and_nothing_goes_on_counting(
    open_own: Open, own_observatory: Observatory
) -> None:
    process = own_observatory.run("Ticks", long=True)
    page = open_own(f"/pipeline/{process}")
    took = page.locator('[data-slot="took"]')
    expect(page.locator("#log")).to_contain_text("tick 5")
    expect(took).to_contain_text("s")
    ready(page)
    own_observatory.process.send_signal(signal.SIGSTOP)  # type: ignore[union-attr]
    try:
        assert frozen_within_ms(page) < 30_000
        held = took.inner_text()
        # Times are drawn once a second: nothing may have changed after several of them.
        page.evaluate("() => { window.heldFrom = Date.now() }")
        page.wait_for_function("() => Date.now() > window.heldFrom + 3500")
        assert took.inner_text() == held
        expect(page.locator("#connection")).to_contain_text("Connection lost")
    finally:
        own_observatory.process.send_signal(signal.SIGCONT)  # type: ignore[union-attr]
    expect(page.locator("#connection")).to_have_text("Connected again.", timeout=30_000)
    expect(page.locator("#connection")).to_be_hidden()
    expect(took).not_to_have_text(held)
    before = own_observatory.call("GET", f"/api/processes/{process}/")["log_lines"]
    expect(page.locator("#log")).to_contain_text(f"{before + 2}")
    own_observatory.call("POST", f"/api/processes/{process}/cancel/")


@pytest.mark.parametrize("path", [pytest.param("/", marks=pytest.mark.long), "/targets/1/"])
def test_a_frozen_server_is_said_on_every_page(
    open_own: Open, own_observatory: Observatory, path: str
) -> None:
    own_observatory.make_target()
    page = open_own(path)
    page.wait_for_load_state("networkidle")
    own_observatory.process.send_signal(signal.SIGSTOP)  # type: ignore[union-attr]
    try:
        assert frozen_within_ms(page) < 30_000
    finally:
        own_observatory.process.send_signal(signal.SIGCONT)  # type: ignore[union-attr]
    expect(page.locator("#connection")).to_be_hidden(timeout=30_000)


def test_without_websockets_a_page_polls_and_comes_back_to_them(
    open_page: Open, observatory: Observatory, run_long: Callable[..., int]
) -> None:
    process = run_long("Ticks", long=True)
    page = open_page(f"/pipeline/{process}", script=REFUSE)
    expect(page.locator("#connection")).to_contain_text("asking every second")
    expect(page.locator("#log")).to_contain_text("tick 40")
    assert page.evaluate("window.sockets") < 12
    page.evaluate("window.letThrough = true; dispatchEvent(new Event('online'))")
    expect(page.locator("#connection")).to_be_hidden()
    observatory.call("POST", f"/api/processes/{process}/cancel/")
    expect(page.locator("#process")).to_have_attribute("data-state", "cancelled")
