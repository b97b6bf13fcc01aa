"""What pages do without one of their modules: a blip, a server that freezes as they load."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Open, opener
from tests.browser.support.failing import AWAY, RELOAD, Held, fail_once
from tests.browser.support.observatory import Observatory
from tests.browser.test_target_loading import HASTE

pytestmark = pytest.mark.slow

CONNECTION = "#connection"
#: The first line that is seen of a log, and how many pixels of it are above.
FIRST_LINE = """() => {
  const top = document.querySelector('#log').getBoundingClientRect().top;
  const place = line => line.getBoundingClientRect();
  const first = [...document.querySelectorAll('#log .line')]
    .filter(line => place(line).bottom > top + 1)
    .sort((one, other) => place(one).top - place(other).top)[0];
  return [first.querySelector('.no').textContent, Math.round(place(first).top - top)];
}"""


@pytest.fixture
def open_cut_off(browser: Browser, observatory: Observatory) -> Iterator[Open]:
    """Yield a function that opens pages for which some requests fail."""
    yield from opener(browser, observatory, ("ERR_",))


def is_live(page: Page) -> None:
    """Wait until a page is live and says nothing."""
    expect(page.locator(CONNECTION)).to_have_attribute("data-state", re.compile("live|ended"))
    expect(page.locator(CONNECTION)).to_be_hidden()


@pytest.mark.parametrize(
    "module",
    [
        "log.js",
        "log_tools.js",
        *(
            pytest.param(each, marks=pytest.mark.long)
            for each in ("result.js", "stage.js", "view.js")
        ),
    ],
)
def test_a_process_asks_for_what_it_is_not_whole_without(
    open_cut_off: Open, observatory: Observatory, module: str
) -> None:
    process = observatory.run("Texts")
    observatory.ended(process)
    page = open_cut_off("/login")
    asked = fail_once(page, module)
    page.goto(f"/pipeline/{process}")
    expect(page.locator(CONNECTION)).to_have_text(AWAY)
    expect(page.locator(CONNECTION)).to_be_hidden()
    assert len(asked) == 2
    expect(page.locator("#log.still")).to_have_count(0)
    page.locator("#log").evaluate("box => box.scrollTop = 0")
    expect(page.locator('.line[data-number="1"]')).to_be_in_viewport()


def test_a_module_that_is_long_in_coming_is_said_and_used_when_it_is_there(
    open_cut_off: Open, run_long: Callable[..., int]
) -> None:
    process = run_long("Ticks", long=True)
    page = open_cut_off("/login")
    held = Held(page, "/process/log.js")
    page.goto(f"/pipeline/{process}")
    expect(page.locator(CONNECTION)).to_have_text(AWAY)
    held.let_go()
    is_live(page)
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#process")).to_have_attribute("data-state", "cancelled")


@pytest.mark.parametrize("pipeline", ["Flood", "Broken"])
def test_who_scrolls_before_the_log_is_live_stays_there(
    open_page: Open, observatory: Observatory, pipeline: str
) -> None:
    process = observatory.run(pipeline)
    observatory.ended(process)
    page = open_page("/login")
    held = Held(page, "/process/log.js")
    page.goto(f"/pipeline/{process}")
    page.locator("#log.still").evaluate("box => box.scrollTop = -210")
    number, above = page.evaluate(FIRST_LINE)
    held.let_go()
    expect(page.locator("#log.still")).to_have_count(0)
    expect(page.locator("#level option").first).to_contain_text("(")
    assert page.evaluate(FIRST_LINE) == [number, pytest.approx(above, abs=1)]
    expect(page.locator("#follow")).to_be_visible()


def test_who_comes_back_to_the_end_before_the_log_is_live_follows_it(
    open_page: Open, observatory: Observatory
) -> None:
    process = observatory.run("Flood")
    observatory.ended(process)
    page = open_page("/login")
    held = Held(page, "/logs/?after=29500&limit=500")
    page.goto(f"/pipeline/{process}")
    held.wait()
    still = page.locator("#log.still")
    still.evaluate("box => box.scrollTop = -60")
    expect(page.locator("#follow")).to_be_visible()
    still.evaluate("box => box.scrollTop = 0")
    expect(page.locator("#follow")).to_be_hidden()
    held.let_go()
    expect(still).to_have_count(0)
    expect(page.locator("#follow")).to_be_hidden()
    expect(page.locator('.line[data-number="30000"]')).to_be_in_viewport()


def test_a_run_that_ends_while_its_result_cannot_be_shown_shows_it_later(
    open_page: Open, observatory: Observatory
) -> None:
    process = observatory.run("Results", wait=True)
    page = open_page("/login")
    held = Held(page, "/process/result.js")
    page.goto(f"/pipeline/{process}")
    held.wait()
    observatory.let_go_on(process)
    expect(page.locator("#process")).to_have_attribute("data-state", "succeeded")
    expect(page.locator("#outputs")).to_contain_text("light.png")
    held.let_go()
    page.locator("#show-result").click()
    expect(page.locator("#stage")).to_be_visible()


def test_a_module_that_never_comes_is_given_up_with_advice(
    open_cut_off: Open, observatory: Observatory
) -> None:
    process = observatory.run("Texts")
    observatory.ended(process)
    page = open_cut_off("/login", script=HASTE)
    page.route("**/log_tools.js", lambda route: route.abort("connectionrefused"))
    page.goto(f"/pipeline/{process}")
    expect(page.locator(CONNECTION)).to_have_text(RELOAD)


@pytest.mark.parametrize(
    ("module", "opened"),
    [
        ("header/search.js", "Control+k"),
        pytest.param("keys/key_list.js", "?", marks=pytest.mark.long),
        pytest.param("process/sharing.js", "", marks=pytest.mark.long),
    ],
)
def test_what_is_asked_for_and_does_not_come_is_said_and_can_be_asked_for_again(
    open_cut_off: Open, observatory: Observatory, module: str, opened: str
) -> None:
    process = observatory.run("Texts")
    page = open_cut_off(f"/pipeline/{process}")
    is_live(page)
    fail_once(page, module)

    def ask() -> None:
        page.keyboard.press(opened) if opened else page.locator("#share").click()

    ask()
    expect(page.locator(CONNECTION)).to_have_text(AWAY)
    expect(page.locator(CONNECTION)).to_be_hidden()
    ask()
    expect(page.locator("dialog[open]")).to_be_visible()


def test_a_server_that_freezes_while_a_page_is_loaded_is_said(
    browser: Browser, own_observatory: Observatory
) -> None:
    pages = opener(browser, own_observatory, ("ERR_", "WebSocket connection", "503"))
    open_own = next(pages)
    process = own_observatory.run("Ticks", long=True)
    page = open_own("/login")
    held = Held(page, "/process/log.js")
    page.goto(f"/pipeline/{process}")
    held.wait()
    server = own_observatory.process
    assert server is not None
    server.send_signal(signal.SIGSTOP)
    try:
        held.let_go()
        expect(page.locator(CONNECTION)).to_have_text(AWAY)
    finally:
        server.send_signal(signal.SIGCONT)
    is_live(page)
    before = own_observatory.call("GET", f"/api/processes/{process}/")["log_lines"]
    expect(page.locator(f'.line[data-number="{before + 2}"]')).to_be_visible()
    own_observatory.call("POST", f"/api/processes/{process}/cancel/")
    next(pages, None)
