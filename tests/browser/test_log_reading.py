"""Reading a log: its errors and sections, lines that are long or not there yet, and on paper."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.support.observatory import Observatory
from tests.browser.test_log_page import numbers
from tests.browser.test_log_search import ready

pytestmark = pytest.mark.slow

#: Lines of the pipeline `Broken`: an error of one line, a traceback, and the last words.
ERROR, TRACEBACK, EXCEPTION, LAST_WORDS = 81, 182, 198, 200
#: Lines of the pipeline `Texts`: 300, one in pieces, and the last one.
TEXTS_LINES = 347
#: Scrolls up in steps of half a screen, and returns the lines that were in view.
SCROLL_UP = """async () => {
  const box = document.querySelector('#log');
  const seen = new Set();
  for (let step = 0; step < 1000 && !seen.has(1); step++) {
    const { top, bottom, height } = box.getBoundingClientRect();
    for (const line of document.querySelectorAll('.line')) {
      const at = line.getBoundingClientRect();
      if (at.bottom > top && at.top < bottom) seen.add(Number(line.dataset.number));
    }
    box.scrollTop -= height / 2;
    for (let frame = 0; frame < 3; frame++) await new Promise(requestAnimationFrame);
  }
  return [...seen];
}"""
FOLDED = "h3.section button[aria-expanded=false]"


@pytest.fixture(scope="module")
def broken(observatory: Observatory) -> int:
    """Run a process that fails in its third stage; return its PK."""
    process = observatory.run("Broken")
    observatory.ended(process)
    return process


@pytest.fixture(scope="module")
def texts(observatory: Observatory) -> int:
    """Run a process that writes lines of every length; return its PK."""
    process = observatory.run("Texts")
    assert observatory.ended(process)["log_lines"] == TEXTS_LINES
    return process


def here(page: Page) -> str:
    """Return the number of the line that was gone to last."""
    return page.locator(".line.here .no").inner_text()


def test_a_failed_run_opens_at_its_error(open_page: Open, observatory: Observatory) -> None:
    process = observatory.run("Broken", long=True)
    observatory.ended(process)
    page = open_page(f"/pipeline/{process}")
    failure = page.locator(".failure")
    expect(failure).to_have_text(re.compile("^ValueError: frame 3 has no exposure"))
    assert "\u202e" not in failure.inner_text()
    expect(page.locator("#failed-at")).to_have_text(
        re.compile(r"^An unexpected error occurred, line 10\u202f\d\d\d of the log$")
    )
    expect(page.locator(".line.here .text")).to_contain_text("ValueError: frame 3")
    expect(page.locator(".line.here")).to_be_in_viewport()
    expect(page.locator("#follow")).to_be_hidden()
    page.locator("#log").evaluate("box => box.scrollTop = 0")
    expect(page.locator(FOLDED)).to_have_count(2)
    expect(page.locator("h3.section")).to_have_count(3)
    page.locator("#failed-at a").click()
    expect(page.locator(".line.chosen .text")).to_contain_text("ValueError: frame 3")


def test_a_run_that_fails_while_one_looks_shows_why(
    open_page: Open, observatory: Observatory
) -> None:
    process = observatory.run("Broken", wait=True)
    page = open_page(f"/pipeline/{process}")
    expect(page.locator("#log")).to_contain_text("measuring frame 100")
    page.get_by_role("button", name="Fold all sections").click()
    expect(page.locator("h3.section").last.locator(".took")).to_have_text(
        re.compile(r"^(< 1|\d+) s$")
    )
    observatory.let_go_on(process)
    expect(page.locator(".failure")).to_have_text(re.compile("^ValueError: frame 3"))
    expect(page.locator(f"#failed-at a[href='#L{EXCEPTION}']")).to_be_visible()
    expect(page.locator(".line.here .no")).to_have_text(str(EXCEPTION))
    page.locator("#log").evaluate("box => box.scrollTop = 0")
    expect(page.locator(FOLDED)).to_have_count(2)
    expect(page.locator("h3.section .took").last).to_have_text(re.compile(r"^\d\.\d s$"))


def test_rows_that_change_do_not_take_back_who_has_just_scrolled(
    open_page: Open, broken: int
) -> None:
    page = ready(open_page(f"/pipeline/{broken}"))
    expect(page.locator(".line.here")).to_be_in_viewport()
    # Both before the next frame, with which the browser tells of the scroll.
    change = "box.scrollTop = 0; document.querySelector('#wrap').click();"
    page.locator("#log").evaluate(f"box => {{ {change} }}")
    expect(page.locator("h3.section")).to_have_count(3)
    expect(page.locator("h3.section").first).to_be_in_viewport()


def test_a_link_to_a_line_of_a_failed_run_opens_there(open_page: Open, broken: int) -> None:
    page = open_page(f"/pipeline/{broken}#L20")
    expect(page.locator(".line.chosen .no")).to_have_text("20")
    expect(page.locator(".line.chosen")).to_be_in_viewport()
    expect(page.locator(".line.here")).to_have_count(0)


def test_the_bar_above_the_log_takes_two_rows_on_a_phone(open_page: Open, broken: int) -> None:
    page = ready(open_page(f"/pipeline/{broken}#L20-L22", width=390))
    expect(page.locator("#error-count .word")).to_have_text("errors")
    expect(page.locator("#copy")).to_be_visible()
    tops = "bar => new Set([...bar.children].filter(e => e.checkVisibility() && e.offsetWidth > 1)"
    tops += ".map(e => Math.round((e.offsetTop + e.offsetHeight / 2) / 16))).size"
    assert page.locator(".log-bar").evaluate(tops) == 2
    fits = "bar => bar.scrollWidth <= bar.clientWidth"
    assert page.locator(".log-bar").evaluate(fits)


def test_keys_go_from_error_to_error(open_page: Open, broken: int) -> None:
    page = ready(open_page(f"/pipeline/{broken}"))
    expect(page.locator("#error-count")).to_have_text("20 errors")
    expect(page.locator("#level option").nth(3)).to_have_text("errors only (20)")
    for key, line in (
        ("e", LAST_WORDS),
        ("e", ERROR),  # from the last one to the first
        ("e", TRACEBACK),  # all its lines are one error
        ("e", LAST_WORDS),
        ("E", TRACEBACK),
        ("E", ERROR),
        ("E", LAST_WORDS),
    ):
        page.keyboard.press(key)
        expect(page.locator(".line.here .no")).to_have_text(str(line))
        expect(page.locator(".line.here")).to_be_in_viewport()
    page.locator("#find").fill("no stars")
    expect(page.locator("#hits")).to_have_text("1 of 1")
    page.locator("#find").press("e")
    expect(page.locator("#find")).to_have_value("no starse")


def test_sections_say_how_long_they_took(open_page: Open, observatory: Observatory) -> None:
    process = observatory.run("Stages")
    observatory.ended(process)
    page = open_page(f"/pipeline/{process}")
    page.get_by_role("button", name="Fold all sections").click()
    expect(page.locator("h3.section .took")).to_have_text([re.compile(r"^\d\.\d s$")] * 3)


def test_long_lines_are_wrapped_when_one_wishes(
    open_page: Open, texts: int, look: tuple[int, str]
) -> None:
    width, scheme = look
    page = ready(open_page(f"/pipeline/{texts}", width=width, scheme=scheme))
    expect(page.locator(".line").last).to_contain_text("the last one")
    button = page.get_by_role("button", name="Wrap long lines")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    box = page.locator("#log")
    box.evaluate("box => box.scrollIntoView()")
    expect(page.locator(".line").last).to_be_in_viewport()
    assert box.evaluate("box => box.scrollWidth <= box.clientWidth")
    heights = "() => [...document.querySelectorAll('.line')].map(line => line.offsetHeight)"
    assert max(page.evaluate(heights)) > 40
    seen = set(page.evaluate(SCROLL_UP))
    assert seen == set(range(1, TEXTS_LINES + 1)), "every line comes by"
    page.reload()
    expect(button).to_have_attribute("aria-pressed", "true")
    page.goto(f"/pipeline/{texts}#L150")
    box.evaluate("box => box.scrollIntoView()")
    expect(page.locator(".line.chosen")).to_be_in_viewport()
    button.click()
    box.evaluate("box => box.scrollIntoView()")
    expect(page.locator(".line.chosen")).to_be_in_viewport()
    assert set(page.evaluate(heights)) == {20}


def test_a_giant_line_costs_no_more_than_others(open_page: Open, texts: int) -> None:
    page = ready(open_page(f"/pipeline/{texts}"))
    page.get_by_role("button", name="Wrap long lines").click()
    giant = page.locator(".line", has_text="characters more").first
    expect(giant).to_be_visible()
    assert len(giant.inner_text()) < 3000
    page.locator("#find").fill("giant")
    expect(page.locator("#hits")).to_have_text("1 of 1")
    expect(page.locator(".line.here mark")).to_have_text("giant")


def test_a_line_that_is_not_there_yet_is_waited_for(
    open_page: Open, observatory: Observatory
) -> None:
    process = observatory.run("Growing")
    page = ready(open_page(f"/pipeline/{process}#L5000"))
    words = page.locator("#awaited")
    expect(words).to_have_text(
        "Line 5\u202f000 is not there yet: the log has 100 lines so far. It is shown when it comes."
    )
    expect(page.locator(".line.chosen")).to_have_count(0)
    observatory.let_go_on(process)
    expect(page.locator(".line.chosen .text")).to_have_text("line 5000")
    expect(page.locator(".line.chosen")).to_be_in_viewport()
    expect(words).to_be_hidden()


def test_a_line_that_never_comes_is_named(open_page: Open, broken: int) -> None:
    page = ready(open_page(f"/pipeline/{broken}#L5000-L5010"))
    words = "There is no line 5\u202f000: the log has 200 lines."
    expect(page.locator("#awaited")).to_have_text(words)
    page.locator('.line[data-number="190"] .no').click()
    expect(page.locator("#awaited")).to_be_hidden()
    page.go_back()
    expect(page.locator("#awaited")).to_be_visible()


def printed(page: Page) -> list[str]:
    """Return the paragraphs and lines that are printed when the button is pressed."""
    page.evaluate(
        """() => {
          delete document.body.dataset.printed;
          window.print = () => {
            const { children } = document.querySelector('#printed');
            window.paper = [...children].map(each => each.textContent);
            dispatchEvent(new Event('afterprint'));
            document.body.dataset.printed = 'true';
          };
        }"""
    )
    page.get_by_role("button", name="Print the log").click()
    expect(page.locator("body[data-printed]")).to_have_count(1)
    expect(page.locator("#printed")).to_be_empty()
    paper: list[str] = page.evaluate("window.paper")
    return paper


def test_printing_prints_the_log_up_to_a_bound(open_page: Open, observatory: Observatory) -> None:
    process = observatory.run("Flood")
    observatory.ended(process)
    page = ready(open_page(f"/pipeline/{process}"))
    first, *chunks, last = printed(page)
    assert first == last
    assert first.startswith(
        "The first 20\u202f000 of 30\u202f000 lines; download the rest: "
        f"{observatory.url}/api/processes/{process}/logs.txt"
    )
    lines = "\n".join(chunks).split("\n")
    assert len(lines) == 20_000
    assert re.fullmatch(r" +1  \d\d:\d\d:\d\d  line 1 of many", lines[0])
    assert lines[-1].endswith("ERROR flood: milestone 20000")
    page.get_by_label("Levels to show").select_option("error")
    expect(page.locator("#hits")).to_have_text("3 lines")
    first, *chunks, last = printed(page)
    assert first.startswith("The 3 lines of level error and up, of 30\u202f000 lines.")


def test_what_the_browser_prints_has_the_whole_log(
    open_page: Open, broken: int, tmp_path: Path
) -> None:
    page = ready(open_page(f"/pipeline/{broken}"))
    page.evaluate("addEventListener('afterprint', () => { window.done = true; })")
    page.evaluate(
        """addEventListener('beforeprint', () => {
          window.paper = document.querySelector('#printed').textContent;
        })"""
    )
    paper = page.pdf()
    assert paper.startswith(b"%PDF")
    assert page.evaluate("window.paper").startswith("All 200 lines.")
    assert "measuring frame 100" in page.evaluate("window.paper")
    page.emulate_media(media="print")
    expect(page.locator("#log")).to_be_hidden()
    expect(page.locator(".failure")).to_be_visible()


def test_numbers_stay_right_when_a_filter_comes_and_goes_while_wrapped(
    open_page: Open, observatory: Observatory
) -> None:
    process = observatory.run("Flood")
    observatory.ended(process)
    page = ready(open_page(f"/pipeline/{process}#L20000"))
    page.get_by_role("button", name="Wrap long lines").click()
    page.get_by_label("Levels to show").select_option("error")
    expect(page.locator("#hits")).to_have_text("3 lines")
    page.get_by_label("Levels to show").select_option("")
    expect(page.locator(".line.chosen")).to_be_in_viewport()
    drawn = numbers(page)
    assert drawn == list(range(drawn[0], drawn[-1] + 1))


def test_counts_are_those_of_the_log(
    open_page: Open, observatory: Observatory, run_long: Callable[..., int]
) -> None:
    process = run_long("Ticks", long=True)
    page = ready(open_page(f"/pipeline/{process}"))
    expect(page.locator("#log")).to_contain_text("tick 40")
    observatory.call("POST", f"/api/processes/{process}/cancel/")
    expect(page.locator("#process")).to_have_attribute("data-state", "cancelled")
    total = observatory.ended(process)["log_lines"]
    expect(page.locator("#level option").first).to_have_text(f"all levels ({total})")
