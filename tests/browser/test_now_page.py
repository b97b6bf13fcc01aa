"""What runs, waits and has failed; all processes by filters; the search of every page."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.support.accessibility import fetch_axe, violations
from tests.browser.support.observatory import Observatory
from tests.browser.test_connection import REFUSE

pytestmark = pytest.mark.slow

LOOKS = pytest.mark.parametrize(
    ("width", "scheme"), [pytest.param(360, "dark", marks=pytest.mark.long), (1280, "light")]
)


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    return fetch_axe(tmp_path_factory.mktemp("axe"))


@pytest.fixture
def busy(observatory: Observatory, run_long: Callable[..., int]) -> list[int]:
    """Have both slots taken by runs without an end; return these."""
    runs = [run_long("Stages", stay=True) for _ in range(2)]
    for pk in runs:
        until(lambda pk=pk: observatory.call("GET", f"/api/processes/{pk}/")["state"] == "running")
    return runs


def until(holds: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def fits(page: Page, width: int) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth") <= width)


@LOOKS
def test_the_night_is_on_one_page_and_stays_current(
    open_page: Open, observatory: Observatory, run_long: Callable[..., int], busy: list[int],
    axe: str, width: int, scheme: str,
) -> None:  # fmt: skip
    failed = observatory.run("Broken")
    page = open_page("/now", width=width, scheme=scheme)
    for pk in busy:
        expect(page.locator("#running").locator(f'li[data-pk="{pk}"]')).to_be_visible()
    waiting = page.locator("#waiting li")
    expect(page.locator(f'#waiting li[data-pk="{failed}"]')).to_contain_text("in the queue")
    first, second = (run_long("Ticks") for _ in range(2))
    expect(page.locator(f'#waiting li[data-pk="{second}"]')).to_be_visible(timeout=3000)
    expect(page).to_have_title(re.compile(r"^2 running, \d+ waiting"))
    order = waiting.evaluate_all("rows => rows.map(row => Number(row.dataset.pk))")
    assert order[-3:] == [failed, first, second]
    page.locator(f'#waiting li[data-pk="{second}"] [data-act="front"]').click()
    expect(waiting.first).to_have_attribute("data-pk", str(second))
    expect(page.locator("#now-news")).to_contain_text("first in the queue")
    expect(waiting.first).to_contain_text("Number 1 in the queue")
    assert fits(page, width)
    assert violations(page, axe) == []
    page.locator(f'#running li[data-pk="{busy[0]}"] [data-act="cancel"]').click()
    expect(page.locator(f'#running li[data-pk="{busy[0]}"]')).to_have_count(0)
    expect(page.locator(f'#running li[data-pk="{second}"]')).to_be_visible()


def test_a_failure_has_its_own_words_and_is_run_again(
    open_page: Open, observatory: Observatory
) -> None:
    failed = observatory.run("Broken")
    record = observatory.ended(failed)
    assert record["state"] == "failed"
    page = open_page("/now")
    row = page.locator(f'#failed li[data-pk="{failed}"]')
    assert record["failure_message"] == "An unexpected error occurred"
    expect(row.locator(".why")).to_have_text(re.compile(r"^\w*(Error|Exception)"))
    row.get_by_role("button", name="Run again").click()
    expect(page.locator("#now-news")).to_contain_text("runs again")
    [newest] = observatory.call("GET", f"/api/processes/?target={record['target']}&limit=1")[
        "processes"
    ]
    assert newest["pk"] > failed
    observatory.ended(newest["pk"])


def test_the_strip_the_title_and_the_icon_of_every_page_show_what_runs(
    open_page: Open, observatory: Observatory, busy: list[int]
) -> None:
    page = open_page("/")
    strip = page.locator("#strip")
    icon = page.locator('link[rel="icon"]')
    expect(strip).to_have_attribute("title", re.compile(r"^2 running, \d+ waiting$"))
    expect(page).to_have_title(re.compile(r"^\(\d+\) Targets"))
    expect(icon).to_have_attribute("href", re.compile("^data:image/svg"))
    for pk in busy:
        observatory.call("POST", f"/api/processes/{pk}/cancel/")
    expect(page).to_have_title("Targets · Heliograph")
    expect(strip).to_have_attribute("title", "0 running, 0 waiting")
    expect(icon).to_have_attribute("href", "/static/favicon.svg")
    strip.click()
    expect(page).to_have_url(re.compile("/now$"))


def test_the_strip_waits_to_be_told_where_there_is_a_websocket_and_asks_where_there_is_none(
    open_page: Open, observatory: Observatory, run_long: Callable[..., int]
) -> None:
    asked: list[str] = []
    page = open_page("/login")
    page.on("request", lambda request: asked.append(request.url))
    page.clock.install()
    page.goto("/processes/")
    strip, without = page.locator("#strip"), open_page("/", script=REFUSE).locator("#strip")
    expect(page.locator("#connection")).to_be_hidden()
    until(lambda: page.evaluate("1") and any("/api/status/" in url for url in asked))
    page.clock.run_for(3000)
    asked.clear()
    for _ in range(10):
        page.clock.run_for(2000)  # in all a time in which a poll would have asked ten times
    assert sum("/api/status/" in url for url in asked) <= 1
    process = run_long("Stages", stay=True)
    for shown in (strip, without):
        expect(shown).to_have_attribute("title", re.compile(r"^[1-9]\d* running, \d+ waiting$"))
    observatory.call("POST", f"/api/processes/{process}/cancel/")
    observatory.ended(process)
    for shown in (strip, without):
        expect(shown).to_have_attribute("title", re.compile(r"^0 running"))


@LOOKS
def test_processes_are_filtered_by_the_address_and_paged_to_the_first(
    open_page: Open, observatory: Observatory, axe: str, width: int, scheme: str
) -> None:
    target = observatory.make_target(f"Paged {secrets.token_hex(3)}")
    products = observatory.upload(target, {"notes.txt": b"x"})
    runs = [observatory.submit(target, "Stages", products, stay=True) for _ in range(52)]
    for pk in runs:
        observatory.call("POST", f"/api/processes/{pk}/cancel/")
    page = open_page(f"/targets/{target}/", width=width, scheme=scheme)
    page.locator("#all-processes").click()
    rows = page.locator("#processes tbody tr")
    expect(rows).to_have_count(50)
    expect(rows.first).to_have_attribute("data-pk", str(runs[-1]))
    page.locator("#older").click()
    expect(rows).to_have_count(2)
    expect(rows.last).to_have_attribute("data-pk", str(runs[0]))
    page.locator("#newest").click()
    expect(rows).to_have_count(50)
    page.wait_for_load_state("load")  # when the scripts have run
    page.locator("#filters [name=state]").select_option("failed")
    expect(page).to_have_url(re.compile(rf"\?state=failed&target={target}$"))
    expect(page.locator("#processes .empty")).to_contain_text("No process is like that")
    page.wait_for_load_state("load")
    page.locator("#filters [name=state]").select_option("")
    expect(rows).to_have_count(50)
    page.locator("#filters [name=q]").fill("no-such-words")
    page.locator("#filters [name=q]").press("Enter")
    expect(page.locator("#processes .empty")).to_be_visible()
    assert "q=no-such-words" in page.url
    page.go_back()
    expect(rows).to_have_count(50)
    page.wait_for_load_state("load")
    page.get_by_label("From").fill("2099-01-01T00:00:00")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page).to_have_url(re.compile(r"since=4\d{9}"))
    expect(page.get_by_label("From")).to_have_value("2099-01-01T00:00")
    expect(rows).to_have_count(0)
    assert fits(page, width)
    assert violations(page, axe) == []
    page.locator("#no-filters").click()
    expect(page).to_have_url(re.compile("/processes/$"))
    assert violations(page, axe) == []


@pytest.mark.parametrize("path", ["/processes/?target={}", "/targets/{}/"])
def test_rows_are_sorted_by_a_click_on_a_head_and_stay_so(
    open_page: Open, observatory: Observatory, path: str
) -> None:
    target = observatory.make_target(f"Sorted {secrets.token_hex(3)}")
    products = observatory.upload(target, {"notes.txt": b"x"})
    runs = [observatory.submit(target, name, products) for name in ("Texts", "Broken", "Texts")]
    for pk in runs:
        observatory.ended(pk)
    page = open_page(path.format(target))
    statuses = page.locator('#processes tbody [data-slot="status"]')
    head = page.get_by_role("button", name="Status")
    head.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#processes th[aria-sort=ascending]")).to_have_text("Status")
    expect(statuses.first).to_have_text("failed", ignore_case=True)
    page.keyboard.press("Enter")
    expect(page.locator("#processes th[aria-sort=descending]")).to_have_text("Status")
    expect(statuses.last).to_have_text("failed", ignore_case=True)
    expect(head).to_be_focused()
    failed = page.locator("#processes tbody tr").last.get_by_role("link").first
    failed.focus()
    observatory.ended(observatory.submit(target, "Texts", products))
    expect(page.locator("#processes tbody tr")).to_have_count(4)
    expect(statuses.last).to_have_text("failed", ignore_case=True)
    expect(failed).to_be_focused()


def test_the_last_active_target_is_first(open_page: Open, observatory: Observatory) -> None:
    names = [f"{name} {secrets.token_hex(3)}" for name in ("Early", "Late")]
    early, _ = (observatory.make_target(name) for name in names)
    page = open_page("/")
    shown = page.locator("#targets tbody th a")

    def order() -> list[str]:
        return [name for name in shown.all_inner_texts() if name in names]

    assert order() == names[::-1]
    observatory.upload(early, {"notes.txt": b"x"})
    expect(shown.filter(has_text=names[0])).to_be_visible()
    until(lambda: order() == names)
    page.get_by_role("button", name="Target", exact=True).click()
    expect(page.locator("th[aria-sort=ascending]")).to_have_text("Target")
    assert order() == sorted(names)


@LOOKS
def test_everything_is_found_from_everywhere(
    open_page: Open, observatory: Observatory, axe: str, width: int, scheme: str
) -> None:
    word = f"quasar{secrets.token_hex(3)}"
    target = observatory.make_target(f"The {word} 3C")
    [product] = observatory.upload(target, {f"{word}_01.txt": b"x"})
    process = observatory.submit(target, "Texts", [product])
    observatory.ended(process)
    page = open_page("/processes/", width=width, scheme=scheme)
    page.keyboard.press("Control+k")
    field = page.get_by_role("combobox", name="Search everything")
    expect(field).to_be_focused()
    options = page.locator("#everything").get_by_role("option")
    expect(options).not_to_have_count(0)
    field.fill(word)
    expect(options).to_have_count(3)
    expect(options.nth(0)).to_contain_text("Target")
    expect(options.nth(0)).to_have_attribute("aria-selected", "true")
    expect(options.nth(1)).to_contain_text("Process")
    expect(options.nth(2)).to_contain_text(f"{word}_01.txt")
    assert violations(page, axe) == []
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"/dataproducts/{product}/$"))
    page.wait_for_load_state("load")
    page.locator("#show-search").click()
    page.get_by_role("combobox").fill("zzzzzz")
    expect(page.locator("#everything")).to_contain_text("Nothing begins with")
    page.get_by_role("combobox").fill("what has failed")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("state=failed"))
    page.wait_for_load_state("load")
    page.keyboard.press("Control+k")
    expect(page.get_by_role("combobox", name="Search everything")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#everything")).to_have_count(0)
