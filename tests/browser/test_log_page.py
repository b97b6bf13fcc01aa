"""The live log viewer."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from runners.synthetic import synthesise_series
from tests.browser.conftest import Open, opener
from tests.browser.support.observatory import Observatory
from tests.browser.support.showing_pipelines import HOSTILE

LINES = 30_000


def line(page: Page, number: int) -> str:
    """Return the text of a line that is drawn."""
    return page.locator(f'.line[data-number="{number}"] .text').inner_text()


def numbers(page: Page) -> list[int]:
    """Return the numbers of the lines drawn, all at one moment."""
    found: list[int] = page.evaluate(
        "[...document.querySelectorAll('.line .no')].map(link => Number(link.textContent))"
    )
    return found


def at_the_end(page: Page) -> bool:
    """Return whether the log is scrolled to its end."""
    return bool(
        page.locator("#log").evaluate("b => b.scrollTop + b.clientHeight >= b.scrollHeight - 2")
    )


def test_the_log_grows_while_one_looks(open_page: Open, observatory: Observatory) -> None:
    process = observatory.run("Ticks")
    page = open_page(f"/pipeline/{process}")
    expect(page.locator("#log")).to_contain_text("tick 5")
    expect(page.locator("#process")).to_have_attribute("data-state", "succeeded")
    expect(page.locator(".line .no")).to_have_count(20)
    assert numbers(page) == list(range(1, 21))
    expect(page.locator("#outputs")).to_contain_text("ticks.csv")
    expect(page.get_by_role("button", name="Run again").first).to_be_visible()


def test_the_first_paint_has_the_log_already(open_page: Open, observatory: Observatory) -> None:
    process = observatory.run("Ticks")
    observatory.ended(process)
    page = open_page("/")
    html = page.request.get(f"/pipeline/{process}").text()
    assert "tick 20" in html
    assert "Loading" not in html


@pytest.mark.slow
def test_following_stops_when_one_scrolls_up(
    open_page: Open, observatory: Observatory, run_long: Callable[..., int]
) -> None:
    process = run_long("Ticks", long=True)
    page = open_page(f"/pipeline/{process}", width=360)
    expect(page.locator("#log")).to_contain_text("tick 50")
    expect(page.locator("[data-slot=share]")).to_have_text(re.compile(r"\d+ / 1\u202f200"))
    expect(page.locator("[data-slot=left]")).to_have_text(re.compile(r"^\d+ (s|min)\b"))
    page.locator("#log").hover()
    page.mouse.wheel(0, -300)
    follow = page.locator("#follow")
    expect(follow).to_have_text(re.compile(r"\d+ new lines"))
    place = page.locator("#log").evaluate("box => box.scrollTop")
    page.wait_for_timeout(500)
    assert page.locator("#log").evaluate("box => box.scrollTop") == place
    follow.click()
    expect(follow).to_be_hidden()
    page.wait_for_timeout(300)
    assert at_the_end(page)
    observatory.call("POST", f"/api/processes/{process}/cancel/")
    expect(page.locator("#process")).to_have_attribute("data-state", "cancelled")


def test_a_long_log_costs_a_screenful(open_page: Open, observatory: Observatory) -> None:
    process = observatory.run("Flood")
    observatory.ended(process)
    page = open_page(f"/pipeline/{process}#L15000-L15002")
    expect(page.locator(".line.chosen")).to_have_count(3)
    expect(page.locator(".line.chosen .text").first).to_have_text("line 15000 of many")
    for share in (0, 0.33, 0.8, 1):
        page.locator("#log").evaluate("(box, share) => box.scrollTop = share * 1e9 * share", share)
        page.wait_for_timeout(100)
        assert page.locator(".line").count() < 120
    expect(page.locator("#log")).to_contain_text("milestone 30000")
    drawn = numbers(page)
    assert drawn == list(range(drawn[0], LINES + 1))


@pytest.mark.slow
def test_hits_are_found_in_the_whole_log(open_page: Open, observatory: Observatory) -> None:
    process = observatory.run("Flood")
    observatory.ended(process)
    page = open_page(f"/pipeline/{process}")
    page.locator("#find").fill("MILESTONE")
    expect(page.locator("#hits")).to_have_text("3 of 3")
    page.keyboard.press("Enter")
    expect(page.locator("#hits")).to_have_text("1 of 3")
    expect(page.locator(".line.here mark")).to_have_text("milestone")
    expect(page.locator(".line.here .no")).to_have_text("10000")
    page.get_by_role("button", name="Previous hit").click()
    expect(page.locator(".line.here .no")).to_have_text("30000")
    page.locator("#find").fill("")
    expect(page.locator("#download")).to_have_attribute("href", re.compile(r"logs\.txt$"))


def test_lines_are_linked_to_and_copied_without_numbers(
    open_page: Open, observatory: Observatory
) -> None:
    process = observatory.run("Flood")
    observatory.ended(process)
    page = open_page(f"/pipeline/{process}#L100")
    page.locator('.line[data-number="102"] .no').click(modifiers=["Shift"])
    expect(page).to_have_url(re.compile("#L100-L102$"))
    page.locator("#copy").click()
    expect(page.locator("#chosen-lines")).to_have_text("3 lines copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == "line 100 of many\nline 101 of many\nline 102 of many\n"


def test_what_a_pipeline_writes_stays_text(open_page: Open, observatory: Observatory) -> None:
    process = observatory.run("Hostile")
    observatory.ended(process)
    page = open_page(f"/pipeline/{process}")
    expect(page.locator('.line[data-number="5"] .text')).to_contain_text("NUL")  # all are drawn
    assert line(page, 1) == HOSTILE
    assert line(page, 2) == "red and green <b>bold</b>"
    assert page.locator(".line .f1").inner_text() == "red"
    assert line(page, 3) == "100 %"
    assert line(page, 4).endswith("characters more")
    assert line(page, 5) == "NUL \u2400 and bell \u2407"
    expect(page.locator(".failure")).to_have_text(HOSTILE)
    assert page.title() != "taken"


def test_a_timelapse_has_a_log_page_but_no_pipeline_page(
    open_page: Open, observatory: Observatory
) -> None:
    target = observatory.make_target()
    process = observatory.submit(
        target, "Timelapse", observatory.upload(target, {"a.fits": b"no image"})
    )
    record = observatory.ended(process)
    page = open_page(f"/processes/{process}")
    expect(page.locator(".failure")).to_have_text(record["failure_message"])
    assert page.request.get(f"/pipeline/{process}").status == 404


#: Records which images of a running timelapse the page has shown.
NOTE_FRAMES = """
window.framesShown = [];
new MutationObserver(() => {
  const frame = document.querySelector("#frame");
  if (frame?.naturalWidth && !frame.hidden) window.framesShown.push(frame.src);
}).observe(document, { childList: true, subtree: true });
"""


@pytest.mark.slow
def test_a_timelapse_shows_its_last_finished_frame_while_it_runs(
    browser: Browser, observatory: Observatory, tmp_path: Path
) -> None:
    frames = {path.name: path.read_bytes() for path in synthesise_series(tmp_path, 30, (256, 256))}
    target = observatory.make_target()
    products = observatory.upload(target, frames)
    for _ in range(2):  # both slots are taken for long enough to open the page
        observatory.submit(target, "Ticks", products[:1])
    process = observatory.submit(target, "Timelapse", products)
    # The run may end between a change and the request for its picture, which is 404 then.
    for open_page in opener(browser, observatory, ("/preview.png",)):
        page = open_page(f"/processes/{process}", script=NOTE_FRAMES)
        expect(page.locator("#frame")).to_be_hidden()
        expect(page.locator("#stage video")).to_be_visible()
        shown = page.evaluate("window.framesShown")
        assert any(f"/processes/{process}/preview.png" in source for source in shown)
        expect(page.locator("#frame")).to_have_count(0)
