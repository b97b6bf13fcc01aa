"""What holds for every page: it fits its window, is small and stable, and its texts agree."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from handlers.pages import formatting
from runners.synthetic import synthesise_series
from tests.browser.conftest import Open
from tests.browser.support.observatory import Observatory

pytestmark = pytest.mark.slow

FIRST_PAINT_BYTES = 60_000
SHIFTS = """
  window.shifts = 0;
  new PerformanceObserver(list => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifts += entry.value;
  }).observe({type: 'layout-shift', buffered: true});
"""


def pages_of(observatory: Observatory) -> list[str]:
    """Make one page of each kind, with something on it; return their paths."""
    process = observatory.run("Ticks")
    record = observatory.ended(process)
    return [
        "/",
        "/now",
        "/processes/",
        f"/processes/?target={record['target']}&q=nothing",
        f"/targets/{record['target']}/",
        f"/targets/{observatory.make_target('An empty one')}/",
        f"/pipeline/{process}",
        f"/dataproducts/data/group/{record['group']}/",
        f"/dataproducts/{record['outputs'][0]}/",
        f"/processes/{process}/receipt/",
        "/api/docs/",
        "/login",
    ]


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        (360, "light"),
        (1280, "light"),
        pytest.param(2560, "light", marks=pytest.mark.long),
        # Colours do not affect the layout, so these run only with `long`.
        *[pytest.param(width, "dark", marks=pytest.mark.long) for width in (360, 1280, 2560)],
    ],
)
def test_pages_stay_within_the_window(
    open_page: Open, observatory: Observatory, width: int, scheme: str
) -> None:
    page = open_page("/", width=width, scheme=scheme)
    for path in pages_of(observatory):
        page.goto(path)
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(11, 16, 26)"
        assert dark == (scheme == "dark")


def test_the_first_paint_is_small_and_all_ours(open_page: Open, observatory: Observatory) -> None:
    target = observatory.make_target()
    products = observatory.upload(target, {f"file {n}.txt": b"x" for n in range(60)})
    process = observatory.submit(target, "Flood", products)
    observatory.ended(process)
    group = observatory.call("POST", "/api/groups/", {"name": "All", "products": products})
    pages = (
        "/",
        "/now",
        "/processes/",
        f"/targets/{target}/",
        f"/pipeline/{process}",
        f"/dataproducts/{products[0]}/",
    )
    for path in (*pages, f"/processes/{process}/receipt/", group["url"]):
        page = open_page("/login")
        sizes: dict[str, int] = {}
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        session.send("Network.setCacheDisabled", {"cacheDisabled": True})
        urls: dict[str, tuple[str, str]] = {}
        session.on(
            "Network.responseReceived",
            lambda event, urls=urls: urls.__setitem__(
                event["requestId"], (event["response"]["url"], event["type"])
            ),
        )
        session.on(
            "Network.loadingFinished",
            lambda event, sizes=sizes: sizes.__setitem__(
                event["requestId"], int(event["encodedDataLength"])
            ),
        )
        page.goto(path)
        page.wait_for_load_state("load")
        kinds = ("Document", "Stylesheet", "Script")
        # Requests from before we listened have no entry.
        answered = {key: size for key, size in sizes.items() if key in urls}
        counted = {urls[key][0]: size for key, size in answered.items() if urls[key][1] in kinds}
        assert sum(counted.values()) < FIRST_PAINT_BYTES, counted
        # The browser draws its own icon of a field for a date from such a URL.
        ours = (observatory.url, "data:")
        assert all(url.startswith(ours) for url, _ in urls.values())


def test_nothing_moves_when_live_data_comes(
    open_page: Open, observatory: Observatory, run_long: Callable[..., int]
) -> None:
    process = run_long("Ticks", long=True)
    target = observatory.call("GET", f"/api/processes/{process}/")["target"]
    for path, moving in ((f"/targets/{target}/", "#processes"), (f"/pipeline/{process}", "#log")):
        page = open_page(path, script=SHIFTS)
        expect(page.locator(f"{moving} progress, [data-slot=share]").first).to_be_visible()
        page.wait_for_timeout(2500)
        assert page.evaluate("window.shifts") < 0.01, path


def test_server_and_scripts_say_numbers_alike(open_page: Open) -> None:
    page = open_page("/")
    now = 1_800_000_000.0
    ages = [
        0,
        0.4,
        9.99,
        10,
        59.9,
        60,
        3599,
        3600,
        86_399,
        86_400,
        172_800,
        2_678_399,
        2_678_400,
        1e8,
    ]
    sizes = [0, 1, 999, 1000, 1049, 1050, 999_949, 999_950, 123_456_789, 5e12]
    numbers = [0, 7, 999, 1000, 1_234_567, 0.5, 1234.5]
    used: list[dict[str, object]] = [
        {"cpu_seconds": cpu, "peak_rss_bytes": rss, "exit": how}
        for cpu, rss, how in ((0.25, 1050, "exit code 0"), (None, None, "not started"))
    ]
    waits: dict[str, Any] = {
        "terminal_timestamp": None,
        "stopping": False,
        "waiting_for": "Number 1",
        "status": "pending",
    }
    ended: dict[str, Any] = {"terminal_timestamp": now, "stopping": False, "waiting_for": None}
    processes: list[dict[str, Any]] = [
        waits | {"state": "queued", "attempt": 0},
        waits | {"state": "queued", "attempt": 1},
        waits | {"state": "running", "attempt": 1, "stopping": True, "waiting_for": None},
        waits | {"state": "running", "attempt": 1, "waiting_for": None},
        ended | {"state": "failed", "status": "failed", "failure_message": "Timed out"},
        ended | {"state": "cancelled", "status": "cancelled", "failure_message": "Cancelled"},
        ended | {"state": "succeeded", "status": "created", "failure_message": None},
    ]
    given = {"now": now, "ages": ages, "sizes": sizes, "numbers": numbers}
    answer = words_of(page, given | {"used": used, "processes": processes})
    assert answer["resources"] == [formatting.resources(each) for each in used]
    assert answer["note"] == [formatting.note(process) for process in processes]
    assert answer["status"] == [formatting.status(process) for process in processes]
    assert answer["status"][-3:] == ["failed", "cancelled", "Succeeded"]
    assert answer["note"][1:3] == ["Attempt 2 waits. Number 1", "Stopping…"]
    assert answer["note"][4:] == ["Timed out", "", ""]
    assert answer["ago"] == [formatting.ago(now - age, now) for age in ages]
    assert answer["exact"] == [formatting.exact(now - age) for age in ages]
    assert answer["duration"] == [formatting.duration(age) for age in ages]
    assert answer["size"] == [formatting.size(size) for size in sizes]
    assert answer["number"] == [formatting.number(number) for number in numbers]
    assert answer["counted"] == [formatting.counted(number, "frame") for number in numbers]


def words_of(page: Page, values: dict[str, object]) -> dict[str, list[str]]:
    """Return the texts that the script's functions make of the values."""
    answer: dict[str, list[str]] = page.evaluate(
        """async text => {
          const given = JSON.parse(text);
          const words = await import('/static/draw/wording.js');
          return {
            ago: given.ages.map(age => words.ago(given.now - age, given.now)),
            exact: given.ages.map(age => words.exact(given.now - age)),
            duration: given.ages.map(words.duration),
            size: given.sizes.map(words.size),
            number: given.numbers.map(words.number),
            counted: given.numbers.map(number => words.counted(number, "frame")),
            resources: given.used.map(words.resources),
            note: given.processes.map(words.note),
            status: given.processes.map(words.statusOf),
          };
        }""",
        json.dumps(values),
    )
    return answer


@pytest.mark.parametrize(
    "width", [pytest.param(360, marks=pytest.mark.long), 1280], ids=["phone", "desk"]
)
def test_nothing_moves_when_a_table_or_a_film_is_shown(
    open_page: Open, observatory: Observatory, tmp_path: Path, width: int
) -> None:
    frames = synthesise_series(tmp_path, 2, (48, 64))
    curve = "MJD,magnitude,filter\n" + "".join(f"{59000 + n},12.{n % 9},V\n" for n in range(50))
    target = observatory.make_target()
    *images, table = observatory.upload(
        target, {path.name: path.read_bytes() for path in frames} | {"curve.csv": curve.encode()}
    )
    [film] = observatory.ended(observatory.submit(target, "Timelapse", images))["outputs"]
    for product, shown in ((table, '.plot[data-state="drawn"]'), (film, "video")):
        page = open_page(f"/dataproducts/{product}/", width=width, script=SHIFTS)
        expect(page.locator(f".exhibit {shown}")).to_be_visible()
        page.wait_for_function("(document.querySelector('video')?.readyState ?? 4) >= 2")
        assert page.evaluate("window.shifts") < 0.02, shown


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_moves_when_a_process_starts_and_ends(
    open_page: Open, observatory: Observatory, run_long: Callable[..., int], width: int
) -> None:
    busy = [run_long("Ticks", long=True) for _ in range(2)]
    process = observatory.run("Ticks")
    page = open_page(f"/pipeline/{process}", script=SHIFTS, width=width)
    expect(page.locator("#process")).to_have_attribute("data-state", "queued")
    observatory.call("POST", f"/api/processes/{busy[0]}/cancel/")
    expect(page.locator("#process")).to_have_attribute("data-state", "succeeded", timeout=20_000)
    expect(page.locator("#outputs")).to_contain_text("ticks.csv")
    assert page.evaluate("window.shifts") < 0.02
