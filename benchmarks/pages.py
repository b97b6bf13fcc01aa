"""Pages in Chromium: how soon each is painted, how much it loads, and how smoothly lists scroll.

The floor of a first paint is a page of one line, answered by the browser itself; that of a scrolled
list is a plain page as long, of lines of text alone. Frames come 60 times a second at most.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from benchmarks.tables import against, arguments, head
from tests.browser.support.observatory import Observatory

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FILES, UPLOAD = 2_000, 100
PAINT_MS, FRAMES = 400, 50
FLOOR = "http://127.0.0.1:1/floor"
PAINTED = """() => new Promise(done => {
  const found = () => performance.getEntriesByName('first-contentful-paint')[0]?.startTime;
  if (found()) done(found());
  else new PerformanceObserver(() => found() && done(found())).observe({type: 'paint'});
})"""
#: Scrolls by a quarter of a screen with each frame, there and back, for two seconds.
SCROLL = """box => new Promise(done => {
  box ??= document.scrollingElement;
  const step = Math.round(box.clientHeight / 4);
  const began = performance.now();
  let [frames, way] = [0, 1];
  requestAnimationFrame(function next(now) {
    if (now - began > 2000) return done(frames / (now - began) * 1000);
    frames++;
    const before = box.scrollTop;
    box.scrollTop += way * step;
    if (box.scrollTop === before) way = -way;
    requestAnimationFrame(next);
  });
})"""


def main() -> None:
    """Measure, and print the tables."""
    options = arguments(__doc__, rounds=7).parse_args()
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        observatory = Observatory(Path(folder) / "data")
        observatory.start()
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            target, process = filled(observatory)
            paints(browser, observatory, target, process, options.rounds)
            scrolls(browser, observatory, target, process, options.rounds)
        finally:
            browser.close()
            observatory.stop()


def filled(observatory: Observatory) -> tuple[int, int]:
    """Store a target of many files and a log of a million lines; return both PKs."""
    target = observatory.make_target()
    for start in range(0, FILES, UPLOAD):
        names = range(start, start + UPLOAD)
        products = observatory.upload(target, {f"frame {n:04}.txt": b"x" for n in names})
    process = observatory.submit(target, "Flood", products[:1], million=True)
    observatory.ended(process, seconds=300)
    return target, process


def opened(browser: Browser, url: str) -> Page:
    """Open a page that nothing is known of yet; the floors are answered here."""
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    lines = "".join(f"<p>line {number}" for number in range(FILES))
    page.route("**/floor", lambda route: route.fulfill(body="<p>one", content_type="text/html"))
    page.route("**/lines", lambda route: route.fulfill(body=lines, content_type="text/html"))
    page.goto(url)
    return page


def paints(
    browser: Browser, observatory: Observatory, target: int, process: int, rounds: int
) -> None:
    """Print when pages are first painted, in milliseconds after they were asked for."""
    head("first paint, 1280 x 800", "floor, ms", "ours, ms", "ratio", "bar, ms")
    paths = ("/", "/now", "/processes/", f"/targets/{target}/", f"/pipeline/{process}")
    for path in paths:
        floors, ours = [], []
        for _ in range(rounds):
            floors.append(painted(browser, FLOOR))
            ours.append(painted(browser, observatory.url + path))
        against(path, floors, ours, str(PAINT_MS))


def painted(browser: Browser, url: str) -> float:
    """Return when a page is first painted, in milliseconds."""
    page = opened(browser, url)
    milliseconds = float(page.evaluate(PAINTED))
    page.context.close()
    return milliseconds


def scrolls(
    browser: Browser, observatory: Observatory, target: int, process: int, rounds: int
) -> None:
    """Print how many frames a second are drawn while lists are scrolled."""
    head("scrolled, frames a second", "floor", "ours", "ratio", "bar")
    floors = [rate(opened(browser, FLOOR.replace("floor", "lines"))) for _ in range(rounds)]
    tables = [rate(frames_shown(browser, observatory, target)) for _ in range(rounds)]
    against(f"table of {FILES:,} files", floors, tables, str(FRAMES))
    logs = [rate(log_shown(browser, observatory, process), "#log") for _ in range(rounds)]
    against("log of 1,000,000 lines", floors, logs, str(FRAMES))


def frames_shown(browser: Browser, observatory: Observatory, target: int) -> Page:
    """Open the page of a target, and wait until all of its files have rows."""
    page = opened(browser, f"{observatory.url}/targets/{target}/")
    digits = "document.querySelector('#shown').textContent.replace(/[^0-9]/g, '')"
    page.wait_for_function(f"{digits} === '{FILES}{FILES}'")
    return page


def log_shown(browser: Browser, observatory: Observatory, process: int) -> Page:
    """Open the page of a process, and wait until its log has been taken over."""
    page = opened(browser, f"{observatory.url}/pipeline/{process}")
    page.wait_for_selector("#log .window .line")
    return page


def rate(page: Page, box: str | None = None) -> float:
    """Return how many frames a second are drawn while a page or a box in it is scrolled."""
    element: Any = page.query_selector(box) if box else None
    rate = float(page.evaluate(SCROLL, element))
    page.context.close()
    return rate


if __name__ == "__main__":
    main()
