"""Searching and filtering a log: what comes first, what the address says, what is called off."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, Request, Route, expect

from tests.browser.conftest import Open, opener
from tests.browser.support.observatory import Observatory
from tests.browser.test_log_page import numbers

pytestmark = pytest.mark.slow

LOGS = re.compile(r"/api/processes/\d+/logs/\?")
HOSTILE = "<img src=x onerror=\"document.title='taken'\">&q=%00#L1"
#: Notes which lines are drawn at every moment, so that none is missed.
NOTE_LINES = """
  window.drawn = new Set();
  const note = () => {
    for (const text of document.querySelectorAll('.line .text')) drawn.add(text.textContent);
  };
  addEventListener('DOMContentLoaded', () => {
    const log = document.querySelector('#log');
    new MutationObserver(note).observe(log, {childList: true, subtree: true, characterData: true});
  });
"""


@pytest.fixture(scope="module")
def flood(observatory: Observatory) -> int:
    """Run a process that writes 30,000 lines; return its PK."""
    process = observatory.run("Flood")
    observatory.ended(process)
    return process


@pytest.fixture
def open_offline(browser: Browser, observatory: Observatory) -> Iterator[Open]:
    """Yield a function that opens pages whose requests may fail."""
    yield from opener(browser, observatory, ("net::ERR_",))


def query_of(request: Request) -> dict[str, str]:
    """Return the query of a request, each name once."""
    return {name: values[0] for name, values in parse_qs(urlsplit(request.url).query).items()}


def ready(page: Page) -> Page:
    """Wait until the tools of a log are loaded."""
    expect(page.locator("#level option").first).to_have_text(re.compile(r"\("))
    return page


def test_a_filter_shows_the_newest_lines_first_and_never_others(
    open_page: Open, flood: int
) -> None:
    page = ready(open_page(f"/pipeline/{flood}", script=NOTE_LINES))
    expect(page.locator("#log")).to_contain_text("milestone 30000")
    held: list[Route] = []
    holding = [True]
    page.route(LOGS, lambda route: held.append(route) if holding[0] else route.continue_())
    page.get_by_label("Levels to show").select_option("error")
    expect(page.locator(".line")).to_have_count(0)
    expect(page.locator("#searching")).to_have_text(
        re.compile(r"^Searching … 0 of 30\u202f000 lines$")
    )
    expect(page.locator("#searching")).to_be_visible()
    page.evaluate("drawn.clear()")
    assert query_of(held[0].request)["before"] == "30001"
    holding[0] = False
    for route in held:
        route.continue_()
    expect(page.locator("#hits")).to_have_text("3 lines")
    expect(page.locator(".line")).to_have_count(3)
    assert numbers(page) == [10_000, 20_000, 30_000]
    expect(page.locator("#searching")).to_be_hidden()
    assert all("milestone" in text for text in page.evaluate("[...drawn]"))


def test_many_matches_stay_in_place_while_earlier_ones_are_found(
    open_page: Open, flood: int
) -> None:
    page = ready(open_page(f"/pipeline/{flood}?level=info"))
    expect(page.locator("#hits")).to_have_text(re.compile("lines$"))
    expect(page.locator('.line[data-number="30000"] .text')).to_be_in_viewport()
    page.locator("#log").hover()
    for _ in range(30):
        page.mouse.wheel(0, -2000)
        page.wait_for_timeout(20)  # as fast as a reader turns the wheel
    drawn = numbers(page)
    assert drawn == list(range(drawn[0], drawn[-1] + 1))
    assert drawn[0] < 28_000


def test_from_the_middle_matches_are_found_around_the_line_in_view(
    open_page: Open, flood: int
) -> None:
    page = ready(open_page(f"/pipeline/{flood}#L19990"))
    asked: list[dict[str, str]] = []
    page.on("request", lambda each: asked.append(query_of(each)) if LOGS.search(each.url) else None)
    page.get_by_label("Levels to show").select_option("error")
    expect(page.locator("#hits")).to_have_text("3 lines")
    expect(page.locator(".line")).to_have_count(3)
    assert numbers(page) == [10_000, 20_000, 30_000]
    searched = [each for each in asked if each.get("level") == "error"]
    assert int(searched[0]["after"]) > 19_000
    assert int(searched[1]["before"]) == int(searched[0]["after"]) + 1


def test_a_search_that_is_given_up_is_called_off(open_page: Open, flood: int) -> None:
    page = ready(open_page(f"/pipeline/{flood}"))
    failed: list[Request] = []
    page.on("requestfailed", lambda each: failed.append(each))
    held: list[Route] = []
    page.route(re.compile("q=milestone"), lambda route: held.append(route))
    page.locator("#find").fill("milestone")
    expect(page.locator("#hits")).to_have_text("searching…")
    with page.expect_event("requestfailed"):
        page.locator("#find").fill("line 777 of")
    expect(page.locator("#hits")).to_have_text("1 of 1")
    expect(page.locator(".line.here .no")).to_have_text("777")
    assert held
    assert all("milestone" in each.url for each in failed)


def test_the_address_says_what_is_looked_for(open_page: Open, flood: int) -> None:
    page = ready(open_page(f"/pipeline/{flood}?token=x"))
    page.get_by_label("Levels to show").select_option("error")
    expect(page).to_have_url(re.compile(r"\?token=x&level=error$"))
    page.locator("#find").fill("milestone 2")
    expect(page).to_have_url(re.compile(r"\?token=x&q=milestone\+2&level=error$"))
    page.locator("#find").fill("milestone 20000")
    expect(page).to_have_url(re.compile(r"q=milestone\+20000&level=error$"))
    page.get_by_role("button", name="Show only the lines with hits").click()
    expect(page.locator(".line")).to_have_count(1)
    page.locator('.line[data-number="20000"] .no').click()
    expect(page).to_have_url(re.compile(r"q=milestone\+20000&level=error&only=1#L20000$"))
    shared = page.url
    page.go_back()  # the line
    page.go_back()  # only
    expect(page.locator(".line")).to_have_count(3)
    expect(page.locator("#find")).to_have_value("milestone 20000")
    page.go_back()  # what was typed in one go
    expect(page.locator("#find")).to_have_value("")
    expect(page.locator("#hits")).to_have_text("3 lines")
    page.go_back()
    expect(page.get_by_label("Levels to show")).to_have_value("")
    expect(page.locator("#hits")).to_be_empty()
    page.go_forward()
    expect(page.locator("#hits")).to_have_text("3 lines")
    other = ready(open_page(shared, script=NOTE_LINES))
    expect(other.locator(".line.chosen .text")).to_have_text("flood: milestone 20000")
    expect(other.locator("#find")).to_have_value("milestone 20000")
    assert other.evaluate("[...drawn]") == ["flood: milestone 20000"]


@pytest.mark.parametrize(
    "query",
    [
        "?q=" + "x" * 3000,
        "?level=bogus&only=1&q=",
        "?q=%3Cimg%20src%3Dx%20onerror%3D%22document.title%3D'taken'%22%3E&only=1",
        "?q=%E2%80%AE%00%ff&level=error&level=info#L0-L999999999999999999",
        "?level=__proto__&q=constructor#L-1",
    ],
)
def test_nothing_in_the_address_does_harm(open_page: Open, flood: int, query: str) -> None:
    page = ready(open_page(f"/pipeline/{flood}{query}"))
    expect(page.locator("#hits")).not_to_have_text("searching…")
    assert page.title() != "taken"
    page.get_by_label("Levels to show").select_option("error")
    page.locator("#find").fill("")
    expect(page.locator(".line").first).to_contain_text("milestone")


def test_hostile_text_is_looked_for_as_text(open_page: Open, observatory: Observatory) -> None:
    process = observatory.run("Hostile")
    observatory.ended(process)
    page = ready(open_page(f"/pipeline/{process}"))
    page.locator("#find").fill(HOSTILE.partition("&")[0])
    expect(page.locator("#hits")).to_have_text("2 of 2")
    page.locator("#find").fill(HOSTILE)
    expect(page.locator("#hits")).to_have_text("no hit")
    page.reload()
    expect(page.locator("#find")).to_have_value(HOSTILE)
    expect(page.locator("#hits")).to_have_text("no hit")
    assert page.title() != "taken"


def test_a_search_goes_on_when_the_network_is_back(open_offline: Open, flood: int) -> None:
    page = ready(open_offline(f"/pipeline/{flood}"))
    page.route(LOGS, lambda route: route.abort())
    page.locator("#find").fill("milestone")
    words = page.locator("#searching")
    expect(words).to_have_text("The search stopped: The server cannot be reached. Trying again …")
    page.unroute(LOGS)
    expect(page.locator("#hits")).to_have_text("3 of 3")
    expect(words).to_be_hidden()


def test_a_live_log_is_filtered_as_it_grows(open_page: Open, run_long: Callable[..., int]) -> None:
    page = ready(open_page(f"/pipeline/{run_long('Stages', stay=True)}"))
    options = page.locator("#level option")
    expect(options.nth(3)).to_have_text("errors only (0)")
    expect(options.nth(2)).to_have_text("warnings and up (3)")
    expect(page.locator("#errors")).to_be_hidden()
    page.get_by_label("Levels to show").select_option("info")
    expect(page.locator("#log")).to_contain_text("waiting for clear sky")
    before = page.locator(".line").count()
    text = options.nth(1).inner_text()
    expect(options.nth(1)).not_to_have_text(text)
    expect(page.locator("#hits")).to_have_text(re.compile(r"^\d+ lines$"))
    assert before > 0
    assert page.locator(".line .text").last.inner_text() == "waiting for clear sky"


def test_an_empty_log_has_nothing_to_find(open_page: Open, observatory: Observatory) -> None:
    process = observatory.run("Texts", empty=True)
    observatory.ended(process)
    page = ready(open_page(f"/pipeline/{process}"))
    expect(page.get_by_text("It wrote nothing into its log.")).to_be_visible()
    page.locator("#find").fill("anything")
    expect(page.locator("#hits")).to_have_text("no hit")
    expect(page.locator("#searching")).to_be_hidden()
    page.keyboard.press("Escape")
    page.locator("#log").focus()
    for key in ("e", "E", "n", "w"):
        page.keyboard.press(key)
    expect(page.locator("#error-count")).to_be_hidden()
