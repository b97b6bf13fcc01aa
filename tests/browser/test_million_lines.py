"""A log of a million lines: smooth to scroll, cheap to hold, and all of it within reach."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest
from playwright.sync_api import CDPSession, Page, expect

from tests.browser.conftest import Open
from tests.browser.support.observatory import Observatory

LINES = 1_000_000
RUN_SECONDS = 180
#: What a log may cost, however long it is.
ROWS, HEAP_GROWTH_MB = 150, 25
#: During a long task the browser does not respond; frames come every 16.7 ms.
LONG_TASK_MS, FRAME_MS = 250, 100
WATCH = """
  window.frames = []; window.tasks = [];
  new PerformanceObserver(list => {
    for (const entry of list.getEntries()) window.tasks.push(entry.duration);
  }).observe({type: 'longtask', buffered: true});
  let last = performance.now();
  requestAnimationFrame(function note(now) {
    window.frames.push(now - last);
    last = now;
    requestAnimationFrame(note);
  });
"""


@dataclass
class Smoothness:
    """How the page did while it was scrolled; times in milliseconds."""

    frames: list[float]
    tasks: list[float]

    def __str__(self) -> str:
        middle, high = (self.quantile(share) for share in (0.5, 0.95))
        return (
            f"{len(self.frames)} frames, median {middle:.1f} ms, 95 % within {high:.1f} ms,"
            f" longest {max(self.frames):.1f} ms; {len(self.tasks)} long tasks,"
            f" longest {max(self.tasks, default=0):.0f} ms"
        )

    def quantile(self, share: float) -> float:
        """Return the time within which this share of the frames came."""
        return sorted(self.frames)[int(len(self.frames) * share)]


def measured(page: Page) -> Smoothness:
    """Return what happened since the last call."""
    return Smoothness(*page.evaluate("[window.frames.splice(0), window.tasks.splice(0)]"))


def heap_mb(session: CDPSession) -> float:
    """Return the heap of the page's scripts after a collection, in megabytes."""
    session.send("HeapProfiler.collectGarbage")
    metrics = session.send("Performance.getMetrics")["metrics"]
    return float(next(each["value"] for each in metrics if each["name"] == "JSHeapUsedSize")) / 1e6


def scroll_to(page: Page, share: float) -> None:
    """Scroll to this share of the log, as by dragging the scroll bar."""
    page.locator("#log").evaluate(
        "(box, share) => box.scrollTop = share * (box.scrollHeight - box.clientHeight)", share
    )


@pytest.fixture(scope="module")
def million(observatory: Observatory) -> int:
    """Run a process that writes a million lines; return its PK."""
    process = observatory.run("Flood", million=True)
    deadline = time.monotonic() + RUN_SECONDS
    while observatory.call("GET", f"/api/processes/{process}/")["terminal_timestamp"] is None:
        assert time.monotonic() < deadline, "the flood did not end in time"
        time.sleep(0.5)
    return process


@pytest.mark.long
@pytest.mark.timeout(RUN_SECONDS + 120)
def test_a_million_lines_scroll_smoothly_in_constant_memory(
    open_page: Open, million: int, capsys: pytest.CaptureFixture[str]
) -> None:
    page = open_page(f"/pipeline/{million}", script=WATCH)
    expect(page.locator("#log")).to_contain_text(f"milestone {LINES}")
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    before = heap_mb(session)
    page.locator("#log").hover()
    measured(page)
    for turn in range(200):
        page.mouse.wheel(0, -600 if turn < 100 else 500)
        page.wait_for_timeout(16)
    wheel = measured(page)
    for step in range(100):
        scroll_to(page, step / 100)
        page.wait_for_timeout(30)
        assert page.locator(".line").count() <= ROWS
    for step in range(300):
        scroll_to(page, (step * 7919 % 1000) / 1000)
        page.wait_for_timeout(30)
    thumb = measured(page)
    after = heap_mb(session)
    with capsys.disabled():
        print(f"\nwheel: {wheel}\nthumb: {thumb}\nheap: {before:.1f} MB before, {after:.1f} after")
    assert wheel.quantile(0.95) < FRAME_MS
    assert thumb.quantile(0.95) < FRAME_MS
    assert max(wheel.tasks + thumb.tasks, default=0) < LONG_TASK_MS
    assert after - before < HEAP_GROWTH_MB
    scroll_to(page, 1)
    expect(page.locator("#follow")).to_be_hidden()
    expect(page.locator("#log")).to_contain_text(f"milestone {LINES}")


@pytest.mark.long
@pytest.mark.timeout(RUN_SECONDS + 120)
@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (2560, "light")])
def test_every_one_of_a_million_lines_is_within_reach(
    open_page: Open, million: int, width: int, scheme: str
) -> None:
    page = open_page(f"/pipeline/{million}#L654321-L654330", width=width, scheme=scheme)
    expect(page.locator(".line.chosen")).to_have_count(10)
    first = page.locator('.line[data-number="654321"] .text')
    expect(first).to_have_text("line 654321 of many")
    expect(first).to_be_in_viewport()
    page.get_by_label("Search the log").fill("milestone 990000")
    expect(page.locator("#hits")).to_have_text("1 of 1", timeout=30_000)
    expect(page.locator(".line.here .no")).to_have_text("990000")
    page.get_by_label("Search the log").fill("")
    page.get_by_label("Levels to show").select_option("error")
    expect(page.locator("#hits")).to_have_text("100 lines", timeout=30_000)
    page.get_by_label("Levels to show").select_option("")
    page.goto(f"/pipeline/{million}#L1")
    expect(page.locator('.line[data-number="1"] .text')).to_have_text("line 1 of many")
