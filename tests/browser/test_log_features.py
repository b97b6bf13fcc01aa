"""What can be done with a log, on a phone and on a desktop, by day and at night."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.support.observatory import Observatory
from tests.browser.test_log_page import numbers

pytestmark = pytest.mark.slow

OpenLog = Callable[..., Page]

#: The lines at which the pipeline `Stages` names its stages.
STAGES = ((2, "Calibrating"), (44, "Aligning"), (86, "Measuring"))
LAST_LINE = 127
WORDS_OF_SPEECH = """
  window.spoken = [];
  addEventListener('DOMContentLoaded', () => {
    const place = document.querySelector('#spoken');
    new MutationObserver(() => spoken.push(place.textContent)).observe(place, {childList: true});
  });
"""


@pytest.fixture
def open_log(open_page: Open, look: tuple[int, str]) -> OpenLog:
    """Return a function that opens a process's page in this look, and waits until it is drawn."""

    def open_it(process: int, place: str = "") -> Page:
        width, scheme = look
        page = open_page(f"/pipeline/{process}{place}", width=width, scheme=scheme)
        expect(page.locator("a.no").first).to_be_visible()
        return page

    return open_it


@pytest.fixture(scope="module")
def stages(observatory: Observatory) -> int:
    """Run a process through three stages to its end; return its PK."""
    process = observatory.run("Stages")
    observatory.ended(process)
    return process


@pytest.fixture(scope="module")
def flood(observatory: Observatory) -> int:
    """Run a process that writes 30,000 lines; return its PK."""
    process = observatory.run("Flood")
    observatory.ended(process)
    return process


def test_only_lines_of_the_chosen_levels_are_shown(open_log: OpenLog, stages: int) -> None:
    page = open_log(stages)
    level = page.get_by_label("Levels to show")
    level.select_option("warning")
    expect(page.locator("#hits")).to_have_text("3 lines")
    expect(page.locator(".line")).to_have_count(3)
    assert numbers(page) == [43, 85, 127]
    with page.expect_download() as download:
        page.locator("#download").click()
    assert len(download.value.path().read_text().splitlines()) == 3
    level.select_option("error")
    expect(page.get_by_text("No line is like that.")).to_be_visible()
    level.select_option("")
    expect(page.locator(f'.line[data-number="{LAST_LINE}"]')).to_be_visible()
    expect(page.locator("#hits")).to_be_empty()


def test_what_is_looked_at_stays_when_the_filter_goes(open_log: OpenLog, flood: int) -> None:
    page = open_log(flood)
    page.get_by_label("Levels to show").select_option("error")
    expect(page.locator("#hits")).to_have_text("3 lines")
    page.locator('.line[data-number="20000"] .no').click()
    page.get_by_label("Levels to show").select_option("")
    expect(page.locator(".line.chosen .text")).to_have_text("flood: milestone 20000")
    expect(page.locator('.line[data-number="20001"]')).to_be_visible()


def test_only_lines_with_hits_are_shown(open_log: OpenLog, flood: int) -> None:
    page = open_log(flood)
    page.locator("#find").fill("line 1500")
    expect(page.locator("#hits")).to_have_text(re.compile("of 11$"))
    page.get_by_role("button", name="Show only the lines with hits").click()
    expect(page.locator(".line")).to_have_count(11)
    assert numbers(page) == [1500, *range(15_000, 15_010)]
    expect(page.locator("#download")).to_have_attribute("href", re.compile(r"\?q=line\+1500$"))


def test_hits_come_while_the_log_grows(open_log: OpenLog, run_long: Callable[..., int]) -> None:
    page = open_log(run_long("Stages", stay=True))
    page.locator("#find").fill("clear sky")
    hits = page.locator("#hits")
    expect(hits).to_have_text(re.compile(r"of \d+$"))
    seen = hits.inner_text()
    expect(hits).not_to_have_text(seen)
    assert int(hits.inner_text().split()[-1].rstrip("+")) > int(seen.split()[-1])
    page.locator("#find").press("Enter")
    page.get_by_role("button", name="Show only the lines with hits").click()
    expect(page.locator(".line", has_text="measuring")).to_have_count(0)
    expect(page.locator(".line", has_text="clear sky").nth(20)).to_be_attached()
    assert min(numbers(page)) > LAST_LINE


def test_sections_fold(open_log: OpenLog, observatory: Observatory, stages: int) -> None:
    kept = observatory.call("GET", f"/api/processes/{stages}/sections/")["sections"]
    assert [(line, status) for line, _, status in kept] == list(STAGES)
    page = open_log(stages)
    headings = page.locator("h3.section button")
    expect(headings.filter(has_text="Measuring")).to_have_attribute("aria-expanded", "true")
    page.get_by_role("button", name="Fold all sections").click()
    expect(headings).to_have_count(3)
    expect(headings.nth(1)).to_contain_text("42 lines")
    assert numbers(page) == [1]
    headings.nth(1).focus()
    page.keyboard.press("Enter")
    expect(page.locator('.line[data-number="44"]')).to_be_visible()
    assert numbers(page)[:2] == [1, 44]
    page.locator("#find").fill("calibrating frame 7")
    expect(page.locator(".line.here .no")).to_have_text("8")
    expect(headings.first).to_have_attribute("aria-expanded", "true")


def test_the_times_are_those_that_one_wishes(open_log: OpenLog, stages: int) -> None:
    page = open_log(stages)
    at = page.locator(f'.line[data-number="{LAST_LINE}"] .at')
    clock = page.get_by_label("Time of each line")
    clock.select_option("utc")
    expect(at).to_have_text(re.compile(r"^\d\d:\d\d:\d\d$"))
    utc = at.inner_text()
    expect(at).to_have_attribute("title", re.compile(f"{utc} UTC$"))
    clock.select_option("start")
    expect(at).to_have_text(re.compile(r"^00:\d\d\.\d$"))
    clock.select_option("none")
    expect(at).to_be_hidden()
    page.reload()
    expect(clock).to_have_value("none")


def test_lines_are_chosen_and_copied_by_keys(open_log: OpenLog, flood: int) -> None:
    page = open_log(flood, "#L200")
    expect(page.locator(".line.chosen")).to_have_count(1)
    page.locator("#log").focus()
    page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Shift+ArrowDown")
    expect(page).to_have_url(re.compile("#L200-L202$"))
    page.keyboard.press("Control+c")
    expect(page.locator("#chosen-lines")).to_have_text("3 lines copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == "".join(f"line {number} of many\n" for number in range(200, 203))
    page.keyboard.press("Escape")
    expect(page.locator(".line.chosen")).to_have_count(0)
    expect(page).to_have_url(re.compile(r"/pipeline/\d+$"))


def test_selected_text_is_copied_without_numbers(open_log: OpenLog, flood: int) -> None:
    page = open_log(flood, "#L300")
    expect(page.locator('.line[data-number="302"] .text')).to_have_text("line 302 of many")
    page.evaluate(
        """() => {
          const text = number => document.querySelector(`.line[data-number="${number}"] .text`);
          getSelection().setBaseAndExtent(text(300), 0, text(302), 1);
        }"""
    )
    page.keyboard.press("Control+c")
    copied = page.evaluate("navigator.clipboard.readText()")
    lines = [line for line in copied.splitlines() if line]
    assert lines == [f"line {number} of many" for number in range(300, 303)]


def test_keys_go_from_hit_to_hit(open_log: OpenLog, flood: int) -> None:
    page = open_log(flood)
    page.keyboard.press("/")
    expect(page.locator("#find")).to_be_focused()
    page.locator("#find").fill("milestone")
    expect(page.locator("#hits")).to_have_text("3 of 3")
    page.locator("#log").focus()
    page.keyboard.press("n")
    expect(page.locator("#hits")).to_have_text("1 of 3")
    page.keyboard.press("Shift+N")
    expect(page.locator("#hits")).to_have_text("3 of 3")
    page.keyboard.press("Home")
    expect(page.locator('.line[data-number="1"]')).to_be_visible()
    page.keyboard.press("End")
    expect(page.locator("#follow")).to_be_hidden()


def test_a_screen_reader_is_told_of_a_log_but_not_all_of_it(
    open_page: Open, run_long: Callable[..., int]
) -> None:
    page = open_page(f"/pipeline/{run_long('Ticks', long=True)}", script=WORDS_OF_SPEECH)
    log = page.get_by_role("log", name=re.compile("^Log of "))
    expect(log).to_have_attribute("tabindex", "0")
    expect(log).to_have_accessible_description(re.compile("Shift with the arrow keys"))
    expect(page.locator("#log")).to_contain_text("tick 90", timeout=20_000)
    spoken = page.evaluate("spoken")
    assert 1 <= len(spoken) <= 3, spoken
    assert re.fullmatch(r"\d+ new lines\. The last one: tick \d+", spoken[-1])
