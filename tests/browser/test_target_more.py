"""One target's page: duplicates, many failed uploads, groups, the light curve, receipts."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.conftest import Open, opener
from tests.browser.support.observatory import Observatory
from tests.browser.test_target_page import DROP, rows

pytestmark = pytest.mark.slow

WIDTHS = pytest.mark.parametrize(
    ("width", "scheme"), [pytest.param(360, "dark", marks=pytest.mark.long), (1280, "light")]
)
#: Without it, as on a plain HTTP page from another machine, no digest can be made beforehand.
NO_DIGESTS = "Object.defineProperty(Crypto.prototype, 'subtle', {value: undefined});"
#: A browser that may notify, with its window in the background.
LOOKS_ELSEWHERE = """
  window.told = [];
  window.Notification = class {
    static permission = 'granted';
    constructor(title, {body}) { window.told.push([title, body]); }
  };
  Object.defineProperty(document, 'hidden', {get: () => true});
"""
POINTS = [
    {"time": 58545 + n / 7, "magnitude": 11.0 + n % 5, "error": None, "filter": None, "process": 1}
    for n in range(20)
]


@WIDTHS
def test_a_duplicate_is_recognised_among_all_data_products(
    open_page: Open, observatory: Observatory, width: int, scheme: str
) -> None:
    target = observatory.make_target()
    observatory.upload(target, {"first.txt": b"x"} | {f"{n}.txt": b"yy" for n in range(50)})
    observatory.upload(target, {f"{n}.txt": b"yy" for n in range(50, 105)})
    page = open_page(f"/targets/{target}/", width=width, scheme=scheme)
    page.evaluate(DROP, ["again.txt"])  # its content is that of the oldest, which is not shown
    row = page.locator("#uploads li")
    expect(row).to_contain_text("Already here as first.txt")
    row.get_by_role("button", name="Upload anyway").click()
    expect(page.locator("#product-list")).to_contain_text("again.txt")


def test_without_digests_a_duplicate_is_recognised_once_it_is_stored(
    open_page: Open, observatory: Observatory
) -> None:
    target = observatory.make_target()
    observatory.upload(target, {"first.txt": b"x"})
    page = open_page(f"/targets/{target}/", script=NO_DIGESTS)
    page.evaluate(DROP, ["again.txt"])
    expect(page.locator("#uploads li")).to_contain_text("stored; the same as first.txt")


@WIDTHS
def test_all_uploads_that_failed_are_tried_again_at_once(
    open_page: Open, observatory: Observatory, width: int, scheme: str
) -> None:
    page = open_page(f"/targets/{observatory.make_target()}/", width=width, scheme=scheme)
    refuse = "**/api/targets/*/dataproducts/"
    page.route(refuse, lambda route: route.fulfill(status=200, json={"detail": "No room."}))
    page.evaluate(DROP, ["one.txt", "two.txt", "three.txt"])
    expect(page.locator('#uploads li[data-state="failed"]')).to_have_count(3)
    page.unroute(refuse)
    page.get_by_role("button", name="Try all that failed again").click()
    expect(page.locator("#product-list tbody tr")).to_have_count(3)
    expect(page.locator("#retry-failed")).to_be_hidden()


@WIDTHS
def test_chosen_products_are_added_to_a_group(
    open_page: Open, observatory: Observatory, width: int, scheme: str
) -> None:
    target = observatory.make_target()
    products = observatory.upload(target, rows(3))
    group = observatory.call("POST", "/api/groups/", {"name": "Night", "products": products[:1]})
    page = open_page(f"/targets/{target}/", width=width, scheme=scheme)
    page.get_by_label("Choose all").check()
    page.get_by_role("button", name="Group", exact=True).click()
    dialog = page.locator("#group-dialog")
    dialog.get_by_role("combobox").select_option(str(group["pk"]))
    expect(dialog.get_by_label("Name")).to_be_hidden()
    dialog.get_by_role("button", name="Group them").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Night")
    expect(page.locator(".piece")).to_have_count(3)


def test_a_group_without_a_name_is_not_made(open_page: Open, observatory: Observatory) -> None:
    target = observatory.make_target()
    observatory.upload(target, rows(1))
    page = open_page(f"/targets/{target}/")
    page.get_by_label("Choose all").check()
    page.get_by_role("button", name="Group", exact=True).click()
    dialog = page.locator("#group-dialog")
    dialog.get_by_role("button", name="Group them").click()
    expect(dialog.get_by_label("Name")).to_be_focused()
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()


def give_curve(page: Page, points: list[dict[str, float | None]]) -> None:
    """Let the server return this reduced data."""
    answer = {"lightcurve": points, "next": None}
    page.route(re.compile("/lightcurve/"), lambda route: route.fulfill(json=answer))


@WIDTHS
def test_a_target_with_magnitudes_has_a_light_curve(
    open_page: Open, observatory: Observatory, width: int, scheme: str
) -> None:
    page = open_page("/login", width=width, scheme=scheme)
    give_curve(page, POINTS)
    page.goto(f"/targets/{observatory.make_target()}/")
    expect(page.locator('#light-curve .plot[data-state="drawn"]')).to_be_visible()
    expect(page.locator("#light-curve [data-slot=words]")).to_contain_text("20 points")
    page.get_by_label("Period in days").fill("0,5")
    expect(page.locator("#light-curve [data-slot=words]")).to_contain_text("folded by 0.5 days")
    page.locator("#light-curve summary").click()
    expect(page.locator("#light-curve tbody tr")).to_have_count(20)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


TABLE = b"JD;Mag;Err\n2459000,5;12,5;0,01\n2459001,5;<14,2;\n2459002,5;;\n2459003,5;12,6;0,01\n"


@WIDTHS
def test_a_table_is_imported_on_the_page_of_a_target_and_twice_is_once(
    open_page: Open, observatory: Observatory, width: int, scheme: str
) -> None:
    page = open_page(f"/targets/{observatory.make_target()}/", width=width, scheme=scheme)
    files = [{"name": "night.csv", "mimeType": "text/csv", "buffer": TABLE}]
    page.locator("#curve-files").set_input_files(files)
    news = page.locator("#import-news")
    expect(news).to_contain_text("night.csv: 3 measurements imported.")
    expect(news).to_contain_text("Left out: no magnitude in 1 row (3).")
    words = page.locator("#light-curve [data-slot=words]")
    expect(words).to_contain_text("2 points and 1 non-detection")
    page.locator("#curve-files").set_input_files(files)
    expect(news).to_contain_text("0 measurements imported. 3 measurements in the light curve")
    expect(words).to_contain_text("2 points and 1 non-detection")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_table_that_cannot_be_imported_says_where_it_is_wrong(
    browser: Browser, own_observatory: Observatory
) -> None:
    bad = [{"name": "bad.csv", "mimeType": "text/csv", "buffer": b"JD,Mag\n2459000.5,bright\n"}]
    # The browser reports each request that is refused.
    for open_page in opener(browser, own_observatory, ("400",)):
        page = open_page(f"/targets/{own_observatory.make_target()}/")
        page.locator("#curve-files").set_input_files(bad)
        expect(page.locator("#import-problem")).to_contain_text(
            "bad.csv, row 1, column Mag: 'bright' is not a valid magnitude"
        )


@WIDTHS
def test_magnitudes_and_fluxes_are_drawn_apart(
    open_page: Open, observatory: Observatory, width: int, scheme: str
) -> None:
    page = open_page("/login", width=width, scheme=scheme)
    flux = [{**point, "flux": 1.5, "magnitude": None} for point in POINTS[:4]]
    give_curve(page, [*POINTS, *flux])
    page.goto(f"/targets/{observatory.make_target()}/")
    words = page.locator("#light-curve [data-slot=words]")
    expect(words.first).to_contain_text("20 points, from magnitude")
    expect(words.last).to_contain_text("4 points, from flux 1.5 to 1.5")


def test_a_target_without_magnitudes_loads_no_plot(
    open_page: Open, observatory: Observatory
) -> None:
    page = open_page("/login")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    give_curve(page, [])
    page.goto(f"/targets/{observatory.make_target()}/")
    page.wait_for_load_state("networkidle")
    expect(page.locator("#light-curve")).to_be_hidden()
    assert not [url for url in asked if "plot" in url]


@WIDTHS
def test_a_finished_process_flashes_and_notifies_who_looks_elsewhere(
    open_page: Open, observatory: Observatory, width: int, scheme: str
) -> None:
    target = observatory.make_target()
    page = open_page(f"/targets/{target}/", width=width, scheme=scheme, script=LOOKS_ELSEWHERE)
    process = observatory.submit(target, "Ticks", observatory.upload(target, rows(1)))
    row = page.locator("#processes tbody tr")
    expect(row).to_have_class("ended-now")
    identifier = observatory.ended(process)["identifier"]
    assert page.evaluate("window.told") == [[identifier, "Succeeded"]]
    expect(page.locator("#process-news")).to_have_text(f"{identifier}: Succeeded")


@pytest.mark.parametrize("wanted", ["Dummy", ""])
def test_the_end_of_a_process_that_is_not_shown_is_told_once(
    open_page: Open, observatory: Observatory, wanted: str
) -> None:
    target = observatory.make_target()
    products = observatory.upload(target, rows(1))
    page = open_page(f"/targets/{target}/", script=LOOKS_ELSEWHERE)
    page.get_by_label("Kind of the processes to show").select_option(wanted)
    ended = []
    for pipeline in ("Ticks", "Stages"):
        process = observatory.submit(target, pipeline, products)
        ended.append([observatory.ended(process)["identifier"], "Succeeded"])
        expect(page.locator("#process-news")).to_have_text(": ".join(ended[-1]))
    assert page.evaluate("window.told") == ended
    expect(page.locator("#processes tbody tr")).to_have_count(0 if wanted else 2)


def test_a_late_answer_does_not_undo_the_choice_of_processes(
    open_page: Open, observatory: Observatory
) -> None:
    target = observatory.make_target()
    products = observatory.upload(target, {"notes.txt": b"x"})
    for pipeline in ("Dummy", "Hostile"):
        observatory.ended(observatory.submit(target, pipeline, products))
    page = open_page("/login")
    late: list[Route] = []
    unfiltered = re.compile(r"/api/processes/\?target=\d+&limit=\d+$")
    page.route(unfiltered, lambda route: late.append(route))
    with page.expect_request(unfiltered):
        page.goto(f"/targets/{target}/")
    shown = page.locator("#processes tbody tr")
    expect(shown).to_have_count(2)
    page.get_by_label("State of the processes to show").select_option("failed")
    expect(shown).to_have_count(1)
    page.wait_for_timeout(500)
    assert late
    for route in late:
        route.continue_()
    page.wait_for_timeout(500)
    expect(shown).to_have_count(1)


@WIDTHS
def test_the_processes_shown_are_those_of_a_kind_and_a_state(
    open_page: Open, observatory: Observatory, width: int, scheme: str
) -> None:
    target = observatory.make_target()
    products = observatory.upload(target, {"notes.txt": b"x"})
    for pipeline in ("Dummy", "Stages", "Hostile"):
        observatory.ended(observatory.submit(target, pipeline, products))
    page = open_page(f"/targets/{target}/", width=width, scheme=scheme)
    shown = page.locator("#processes tbody tr")
    expect(shown).to_have_count(3)
    state = page.get_by_label("State of the processes to show")
    state.select_option("failed")
    expect(shown).to_have_count(1)
    expect(shown).to_contain_text("hostile")
    kind = page.get_by_label("Kind of the processes to show")
    kind.select_option("Dummy")
    expect(page.get_by_text("No process is like that.")).to_be_visible()
    state.select_option("")
    expect(shown).to_contain_text("dummy")
    observatory.ended(observatory.submit(target, "Stages", products))
    observatory.ended(observatory.submit(target, "Dummy", products))
    expect(shown).to_have_count(2)
    kind.select_option("")
    expect(shown).to_have_count(5)


@WIDTHS
def test_a_receipt_is_read_and_follows_the_run(
    open_page: Open, observatory: Observatory, width: int, scheme: str
) -> None:
    process = observatory.run("Ticks", files=False)
    page = open_page(f"/pipeline/{process}", width=width, scheme=scheme)
    page.get_by_role("link", name=re.compile("^Receipt")).click()
    expect(page.locator("#receipt")).to_contain_text("showing_pipelines.Ticks")
    expect(page.locator("#receipt")).to_contain_text("files false")
    expect(page.locator("#receipt")).to_contain_text("numpy")
    expect(page.locator("#receipt tbody th")).to_have_text(["notes.txt"])
    expect(page.locator("#receipt")).to_contain_text("Ended")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
