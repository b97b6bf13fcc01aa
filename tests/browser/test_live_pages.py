"""Every open page shows what changes: from runs, other tabs, people; also without websockets."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.browser.conftest import Open, opener
from tests.browser.support.observatory import Observatory
from tests.browser.test_connection import REFUSE
from tests.browser.test_looks import SHIFTS

pytestmark = pytest.mark.slow

CURVE = b"mjd,magnitude,error\n58107.5,12.25,0.02\n58107.6,12.35,0.02\n"
ROUTES = pytest.mark.parametrize("script", ["", REFUSE], ids=["pushed", "polled"])
#: Drops this many small FITS files at once, the last taken first; one of them is empty.
DROP_FRAMES = """count => {
  const card = text => text.padEnd(80);
  const dropped = new DataTransfer();
  for (let number = count; number > 0; number--) {
    const date = new Date(Date.UTC(2017, 11, 20) + number * 60000).toISOString().slice(0, 19);
    const cards = [
      `SIMPLE  = ${'T'.padStart(20)}`, `BITPIX  = ${'8'.padStart(20)}`,
      `NAXIS   = ${'2'.padStart(20)}`, `NAXIS1  = ${'8'.padStart(20)}`,
      `NAXIS2  = ${'8'.padStart(20)}`, `DATE-OBS= '${date}'`,
      `EXPTIME = ${'30'.padStart(20)}`, 'END',
    ];
    const header = cards.map(card).join('').padEnd(2880);
    const pixels = new Uint8Array(2880).fill(number % 256, 0, 64);
    const name = `frame ${(number * 7919) % 10007}.fits`;
    dropped.items.add(new File(number === 250 ? [] : [header, pixels], name));
  }
  for (const kind of ['dragenter', 'dragover', 'drop']) {
    const event = new DragEvent(kind, {dataTransfer: dropped, bubbles: true, cancelable: true});
    document.body.dispatchEvent(event);
  }
}"""


@pytest.fixture
def open_doomed(browser: Browser, observatory: Observatory) -> Iterator[Open]:
    """Yield a function that opens pages of what will be deleted or refused."""
    yield from opener(browser, observatory, ("404", "400", "ERR_"))


@ROUTES
def test_the_outputs_of_a_run_appear_in_both_tabs(
    open_page: Open, observatory: Observatory, script: str
) -> None:
    target = observatory.make_target()
    inputs = observatory.upload(target, {"notes.txt": b"x"})
    tabs = [open_page(f"/targets/{target}/", script=script) for _ in range(2)]
    for tab in tabs:
        expect(tab.locator("#product-list")).to_contain_text("notes.txt")
    process = observatory.submit(target, "Ticks", inputs)
    observatory.ended(process)
    for tab in tabs:
        expect(tab.locator("#processes tbody tr")).to_have_attribute("data-state", "succeeded")
        expect(tab.locator("#processes").get_by_role("link", name="Outputs")).to_be_visible()
        expect(tab.locator("#film")).to_contain_text(re.compile("ticks.*csv"))


@ROUTES
def test_what_others_do_with_a_target_is_shown(
    open_doomed: Open, observatory: Observatory, script: str
) -> None:
    target = observatory.make_target("Before")
    page = open_doomed(f"/targets/{target}/", script=script)
    (product,) = observatory.upload(target, {"curve.csv": CURVE})
    expect(page.locator("#product-list")).to_contain_text("curve.csv")
    observatory.call("POST", f"/api/targets/{target}/lightcurve/", {"product": product})
    expect(page.locator("#light-curve")).to_be_visible()
    observatory.call("PATCH", f"/api/targets/{target}/", {"name": "After", "ra": 10.5})
    expect(page.locator("h1")).to_have_text("After")
    expect(page.locator("#target-facts")).to_contain_text("10.5")
    expect(page).to_have_title("After · Heliograph")
    observatory.call("DELETE", f"/api/dataproducts/{product}/")
    expect(page.locator("#product-list")).not_to_contain_text("curve.csv")
    expect(page.locator("#light-curve")).to_be_hidden()
    observatory.call("DELETE", f"/api/targets/{target}/?force=true")
    expect(page.locator("#connection")).to_have_text("This has been deleted.")


@ROUTES
def test_the_list_of_targets_follows_them(
    open_page: Open, observatory: Observatory, script: str
) -> None:
    page = open_page("/", script=script)
    target = observatory.make_target("Made elsewhere")
    row = page.locator(f'#targets tr[data-pk="{target}"]')
    expect(row).to_contain_text("Made elsewhere")
    inputs = observatory.upload(target, {"a.txt": b"x", "b.txt": b"y"})
    counts = row.locator("td.count")
    expect(counts.first).to_have_text("2")
    observatory.ended(observatory.submit(target, "Ticks", inputs[:1]))
    expect(counts.nth(1)).to_have_text("1")
    expect(counts.first).to_have_text("3")
    observatory.call("PATCH", f"/api/targets/{target}/", {"name": "Named anew"})
    expect(row).to_contain_text("Named anew")
    observatory.call("DELETE", f"/api/targets/{target}/?force=true")
    expect(row).to_have_count(0)


@ROUTES
def test_pages_of_a_run_s_outputs_follow_them(
    open_doomed: Open, observatory: Observatory, script: str
) -> None:
    process = observatory.run("Ticks")
    record = observatory.ended(process)
    (output,) = record["outputs"]
    other = observatory.upload(record["target"], {"other.txt": b"y"})
    body = {"name": "Mine", "products": [*other, output]}
    mine = observatory.call("POST", "/api/groups/", body)["pk"]
    group = open_doomed(f"/dataproducts/data/group/{mine}/", script=script)
    product = open_doomed(f"/dataproducts/{output}/", script=script)
    page = open_doomed(f"/processes/{process}", script=script)
    expect(page.locator("#outputs")).to_contain_text("ticks.csv")
    expect(group.locator(".piece")).to_have_count(2)
    (more,) = observatory.upload(record["target"], {"more.txt": b"z"})
    observatory.call("POST", f"/api/groups/{mine}/products/", {"products": [more]})
    expect(group.locator(".piece")).to_have_count(3)
    expect(group.locator("#group-facts")).to_contain_text("3 data products")
    observatory.call("POST", "/api/groups/", {"name": "Another", "products": [output]})
    expect(product.locator("#product-facts .facts-line a")).to_have_count(4)
    observatory.call("DELETE", f"/api/dataproducts/{output}/")
    expect(group.locator(".piece")).to_have_count(2)
    expect(product.locator("#connection")).to_have_text("This has been deleted.")
    expect(page.locator("#outputs")).not_to_contain_text("ticks.csv")
    observatory.call("DELETE", f"/api/groups/{mine}/")
    expect(group.locator("#connection")).to_have_text("This has been deleted.")


@pytest.mark.parametrize(
    ("width", "scheme"), [pytest.param(360, "dark", marks=pytest.mark.long), (1280, "light")]
)
def test_five_hundred_uploads_are_one_line(
    open_doomed: Open, observatory: Observatory, width: int, scheme: str
) -> None:
    target = observatory.make_target()
    page = open_doomed(f"/targets/{target}/", width=width, scheme=scheme, script=SHIFTS)
    expect(page.locator("#product-list")).to_contain_text("No data product yet")
    before = page.evaluate("window.shifts")
    page.evaluate(DROP_FRAMES, 500)
    line = page.locator("#upload-line")
    expect(line).to_contain_text(re.compile(r"\d of 500, \d\.\d of 2\.9 MB"))
    # Rows come while the rest is still being sent.
    expect(page.locator("#product-list tbody tr").first).to_be_visible()
    expect(line).to_contain_text("499 files stored, 1 failed.", timeout=90_000)
    expect(page.locator("#uploads li")).to_have_count(1)
    expect(page.locator("#uploads li")).to_contain_text("is empty")
    products = observatory.call("GET", f"/api/targets/{target}/dataproducts/?limit=1000")
    taken = [each["fits"]["date"] for each in reversed(products["dataproducts"])]
    assert len(taken) == 499
    # Several requests go side by side: a file is at most some requests away from its place.
    places = {date: place for place, date in enumerate(sorted(taken))}
    assert max(abs(places[date] - place) for place, date in enumerate(taken)) <= 128
    assert page.evaluate("window.shifts") - before < 0.1


def test_uploads_are_stopped(open_page: Open, observatory: Observatory) -> None:
    target = observatory.make_target()
    page = open_page(f"/targets/{target}/")
    page.route("**/api/targets/*/dataproducts/", lambda route: None)  # never answered
    page.evaluate(DROP_FRAMES, 40)
    line = page.locator("#upload-line")
    expect(line).to_contain_text("0 of 40")
    line.get_by_role("button", name="Stop").click()
    expect(line.locator('[data-slot="words"]')).to_have_text("")
    expect(line.get_by_role("button", name="Stop")).to_be_hidden()


@pytest.mark.long
@ROUTES
def test_two_runs_side_by_side_are_kept_current(
    open_page: Open, observatory: Observatory, script: str
) -> None:
    target = observatory.make_target()
    inputs = observatory.upload(target, {"notes.txt": b"x"})
    one = observatory.submit(target, "Results", inputs)
    observatory.ended(one)
    other = observatory.submit(target, "Results", inputs, wait=True)
    page = open_page(f"/processes/{one}/compare/{other}/", script=script)
    expect(page.locator(f"#run-{other}")).to_contain_text("running")
    expect(page.locator(".pair .screen img")).to_have_count(1)
    observatory.let_go_on(other)
    expect(page.locator(f"#run-{other}")).to_contain_text("Succeeded")
    expect(page.locator(".pair .screen img")).to_have_count(2)


@pytest.mark.long
def test_what_could_not_be_drawn_at_once_is_drawn_later(
    open_doomed: Open, observatory: Observatory
) -> None:
    target = observatory.make_target("Before")
    [pk] = observatory.upload(target, {"a.txt": b"x"})
    page = open_doomed(f"/dataproducts/{pk}/")
    page.wait_for_load_state("networkidle")
    tries = []

    def refuse_once(route: Route) -> None:
        tries.append(route)
        if len(tries) == 1:
            route.abort("connectionfailed")
        else:
            route.continue_()

    page.route(f"{observatory.url}/dataproducts/{pk}/", refuse_once)
    group = observatory.call("POST", "/api/groups/", {"name": "Kept", "products": [pk]})
    expect(page.locator("#product-facts")).to_contain_text(f"group {group['pk']}")
    assert len(tries) >= 2
