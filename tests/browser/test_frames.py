"""Frames as an observer sorts them: nights, facets, order, what cannot be read, undoing."""

from __future__ import annotations

import io
import re
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Open
from tests.browser.support.accessibility import violations
from tests.browser.support.observatory import Observatory
from tests.browser.test_accessibility import axe  # noqa: F401  # a fixture

pytestmark = pytest.mark.slow

WIDTHS = pytest.mark.parametrize(
    ("width", "scheme"), [pytest.param(360, "dark", marks=pytest.mark.long), (1280, "light")]
)
ROWS = "#product-list tbody tr[data-pk]"
#: As a page has it that comes by plain HTTP from another machine.
UNTRUSTED = "Object.defineProperty(navigator, 'clipboard', {value: undefined});"
#: How many controls in tables the Tab key leads to.
REACHABLE = """() => [...document.querySelectorAll('tbody a[href], tbody button')]
  .filter((control) => control.tabIndex >= 0 && control.checkVisibility()).length"""
TAB_STOPS = """() => [...document.querySelectorAll(
    'a[href], button, input, select, textarea, summary, [tabindex]')].filter(
  each => each.tabIndex >= 0 && !each.disabled && each.checkVisibility()).findIndex(
  each => document.querySelector('#run').contains(each))"""
FRAMES_A_SECOND = """async () => {
  const times = [];
  let last = performance.now();
  for (let frame = 0; frame < 100; frame++) {
    scrollBy(0, 400);
    await new Promise(requestAnimationFrame);
    times.push(performance.now() - last);
    last = performance.now();
  }
  return document.querySelectorAll('#product-list tbody tr[data-pk]').length;
}"""


def a_frame(stamp: str, band: str, side: int = 32) -> bytes:
    """Return a FITS file taken then, through this filter."""
    image = fits.PrimaryHDU(np.arange(side * side, dtype=np.int16).reshape(side, side))
    image.header["DATE-OBS"] = stamp
    image.header["FILTER"] = band
    image.header["EXPTIME"] = 60.0
    file = io.BytesIO()
    image.writeto(file)
    return file.getvalue()


def two_nights() -> dict[str, bytes]:
    """Return frames of two nights, the later ones first, and one that is cut short."""
    frames = {
        f"{band}_{night}_{number}.fits": a_frame(f"2017-12-{night}T0{number}:00:00", band)
        for night in (21, 20)
        for band in "VR"
        for number in range(1, 4)
    }
    return frames | {"V_cut.fits": a_frame("2017-12-20T05:00:00", "V")[:3000]}


def names(page: Page) -> list[str]:
    """Return the names of the data products as shown."""
    return page.locator(f"{ROWS} th > a").all_inner_texts()


@pytest.fixture
def target(observatory: Observatory) -> int:
    """Return a target with two nights and an output."""
    target = observatory.make_target()
    products = observatory.upload(target, two_nights() | {"notes.txt": b"x"})
    observatory.ended(observatory.submit(target, "Ticks", products[-1:]))
    return target


def at_once(page: Page) -> None:
    """Wait until all data products are known."""
    expect(page.locator("table.frames")).to_have_attribute("aria-rowcount", re.compile(r"\d+"))


@WIDTHS
def test_one_click_chooses_the_frames_of_a_night_through_a_filter(
    open_page: Open,
    observatory: Observatory,
    target: int,
    axe: str,  # noqa: F811
    width: int,
    scheme: str,
) -> None:
    page = open_page(f"/targets/{target}/", width=width, scheme=scheme)
    at_once(page)
    page.get_by_role("link", name="R 3 frames of 2017-12-20").click()
    expect(page.locator("#chosen")).to_have_text("3 data products chosen")
    assert names(page) == [f"R_20_{number}.fits" for number in (1, 2, 3)]
    assert page.url.endswith("?night=2017-12-20&filter=R")
    if width == 360:  # where the form is far away, Run is at hand
        expect(page.locator("#chosen-bar").get_by_role("button", name="Run")).to_be_in_viewport()
    page.reload()
    at_once(page)
    assert len(names(page)) == 3
    page.locator('[data-facet="night"] summary').click()
    page.get_by_label("2017-12-21").check()
    expect(page.locator(ROWS)).to_have_count(6)
    assert violations(page, axe) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Show all").click()
    expect(page.locator("#shown")).to_have_text("14 of 15 shown")
    page.go_back()
    expect(page.locator(ROWS)).to_have_count(6)


def test_all_that_is_chosen_are_inputs_and_outputs_are_apart(open_page: Open, target: int) -> None:
    page = open_page(f"/targets/{target}/")
    at_once(page)
    page.get_by_label("Choose all that are shown").check()
    expect(page.locator("#chosen")).to_have_text("14 data products chosen")
    page.get_by_role("radio", name="Outputs").check(force=True)
    expect(page.locator(ROWS)).to_have_count(1)
    expect(page.locator("#hidden-chosen")).to_contain_text("14 of them are not shown now.")
    page.get_by_role("button", name="Choose only what is shown").click()
    expect(page.locator("#chosen")).to_have_text("0 data products chosen")


def test_rows_are_sorted_by_any_column_as_the_server_sorts_them(
    open_page: Open, target: int
) -> None:
    page = open_page(f"/targets/{target}/")
    before = names(page)
    at_once(page)
    assert names(page) == before
    assert before[0] == "V_20_1.fits"
    assert before[-1] == "notes.txt"
    for column in ("Name", "Filter", "Size", "Observed"):
        for order in ("ascending", "descending"):
            page.get_by_role("link", name=column, exact=True).click()
            heading = page.get_by_role("columnheader", name=column, exact=True)
            expect(heading).to_have_attribute("aria-sort", order)
            shown = names(page)
            page.reload()
            assert names(page) == shown  # by the server, as the address says
            at_once(page)
            assert names(page) == shown


@WIDTHS
def test_what_cannot_be_read_is_marked_and_named_before_a_run(
    open_page: Open, target: int, width: int, scheme: str
) -> None:
    page = open_page(f"/targets/{target}/?filter=V", width=width, scheme=scheme)
    row = page.locator(ROWS, has_text="V_cut.fits")
    expect(row).to_contain_text("Cannot be read: it is cut short")
    at_once(page)
    page.get_by_label("Choose all that are shown").check()
    page.get_by_role("combobox", name="Pipeline").select_option("Timelapse")
    expect(page.locator("#run-warnings")).to_contain_text("V_cut.fits cannot be read.")
    page.get_by_role("button", name="Leave these out").click()
    expect(page.locator("#chosen")).to_have_text("6 data products chosen")
    expect(page.locator("#run-warnings")).to_be_hidden()


@WIDTHS
def test_deleting_says_what_is_hidden_and_can_be_undone(
    open_page: Open, observatory: Observatory, target: int, width: int, scheme: str
) -> None:
    page = open_page(f"/targets/{target}/", width=width, scheme=scheme)
    at_once(page)
    page.get_by_role("link", name="V 3 frames of 2017-12-21").click()
    page.get_by_label("Filter the data products").fill("V_21_2")
    expect(page.locator(ROWS)).to_have_count(1)
    page.locator("#delete-chosen").click()
    question = page.locator("#question")
    expect(question).to_contain_text("Delete 3 data products? 2 of them are not shown now.")
    question.get_by_role("button", name="Delete").click()
    expect(page.locator("#undo")).to_contain_text("3 data products deleted.")
    expect(page.locator(ROWS)).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(ROWS)).to_have_count(1)
    expect(page.locator("#chosen")).to_have_text("3 data products chosen")
    assert len(observatory.call("GET", f"/api/targets/{target}/frames/")["frames"]) == 15


def test_what_is_deleted_is_so_once_the_page_is_left(
    open_page: Open, observatory: Observatory, target: int
) -> None:
    page = open_page(f"/targets/{target}/")
    at_once(page)
    page.get_by_label("Choose notes.txt").check()
    page.locator("#delete-chosen").click()
    page.locator("#question").get_by_role("button", name="Delete").click()
    expect(page.locator("#undo")).to_be_visible()
    assert len(observatory.call("GET", f"/api/targets/{target}/frames/")["frames"]) == 15
    page.goto("/")
    page.goto(f"/targets/{target}/")
    expect(page.locator("#product-list")).not_to_contain_text("notes.txt")


def test_a_table_is_one_stop_of_the_tab_key_and_arrows_lead_through_it(
    open_page: Open, target: int
) -> None:
    page = open_page(f"/targets/{target}/")
    at_once(page)
    assert page.evaluate(TAB_STOPS) < 60
    assert page.get_by_role("link", name="Skip to running a pipeline").count() == 1
    page.get_by_label("Choose V_20_1.fits").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    expect(page.get_by_label("Choose R_20_1.fits")).to_be_checked()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("link", name="R_20_1.fits", exact=True)).to_be_focused()
    page.keyboard.press("End")
    expect(page.get_by_role("link", name="notes.txt", exact=True)).to_be_focused()
    page.keyboard.press("Home")
    expect(page.get_by_role("link", name="V_20_1.fits", exact=True)).to_be_focused()


def test_so_are_the_tables_of_all_targets_and_processes_also_after_they_were_drawn_anew(
    open_page: Open, observatory: Observatory
) -> None:
    ended = [observatory.run("Texts") for _ in range(3)]
    for each in ended:
        observatory.ended(each)
    page = open_page("/")
    row = page.locator("#targets tbody tr:nth-child(2)")
    page.locator("#targets tbody tr:nth-child(1) th a").focus()
    page.keyboard.press("ArrowDown")
    expect(row.locator("th a")).to_be_focused()
    assert page.evaluate(REACHABLE) == row.locator("a:visible, button:visible").count()
    page.goto("/processes/?pipeline=Texts")
    page.locator("#processes tbody tr:nth-child(1) th a").first.focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator(f'#processes tr[data-pk="{ended[1]}"] th a').first).to_be_focused()
    newer = observatory.run("Texts")
    row = page.locator(f'#processes tr[data-pk="{newer}"]')
    expect(row).to_have_attribute("data-state", "succeeded")  # the table was drawn anew
    row = page.locator(f'#processes tr[data-pk="{ended[1]}"]')
    expect(row.locator("th a").first).to_be_focused()
    assert page.evaluate(REACHABLE) == row.locator("a:visible, button:visible").count()


@WIDTHS
def test_of_thousands_of_rows_those_near_the_window_are_there(
    open_page: Open, observatory: Observatory, width: int, scheme: str
) -> None:
    target = observatory.make_target()
    [pk] = observatory.upload(target, {"a.fits": a_frame("2017-12-20T01:00:00", "V")})
    [frame] = observatory.call("GET", f"/api/targets/{target}/frames/")["frames"]
    frame["fits"]["width"] = None  # without a preview, as there is no such data product
    many = [frame | {"pk": pk + number, "name": f"f{number:04}.fits"} for number in range(2000)]

    def answer(route: Route) -> None:
        route.fulfill(json={"frames": many[::-1], "more": True})

    page = open_page("/", width=width, scheme=scheme)
    page.route("**/frames/", answer)
    page.goto(f"/targets/{target}/")
    expect(page.locator("#shown")).to_contain_text(", the newest, shown")
    assert page.evaluate(FRAMES_A_SECOND) < 400
    page.locator(f"{ROWS} th > a").first.focus()
    page.keyboard.press("End")
    expect(page.get_by_role("link", name="f1999.fits", exact=True)).to_be_focused()
    expect(page.get_by_role("link", name="f1999.fits", exact=True)).to_be_in_viewport()
    page.get_by_label("Choose all that are shown").check()
    expect(page.locator("#chosen")).to_have_text("2\u202f000 data products chosen")


@pytest.mark.parametrize("width", [1100, 1280])
def test_a_run_that_waits_leaves_the_others_their_room(
    open_page: Open, observatory: Observatory, target: int, width: int
) -> None:
    page = open_page(f"/targets/{target}/", width=width)

    def waiting(route: Route) -> None:
        body: dict[str, Any] = route.fetch().json()
        [record] = body["processes"][:1]
        waits = {
            "state": "queued",
            "status": "pending",
            "terminal_timestamp": None,
            "started": None,
        }
        because = {"waiting_for": "All slots of this server are taken by runs, and " * 6}
        body["processes"].insert(0, record | waits | because | {"pk": 10**6, "identifier": "waits"})
        route.fulfill(json=body)

    page.route("**/api/processes/?*", waiting)
    page.reload()
    row = page.locator("#processes tbody tr", has_text="waits")
    expect(row).to_be_visible()
    box = row.bounding_box()
    assert box is not None
    assert box["height"] < 100


def test_a_table_is_sorted_as_what_its_columns_hold(
    open_page: Open, observatory: Observatory
) -> None:
    table = (
        b"n,when,who,dec,zone\n"
        b"10,2026-03-01T00:00:00,b,-10:30:00,2026-01-01 01:00\n"
        b"9,2025-12-01T00:00:00,A,+05:00:00,2026-01-01T02:30+02:00\n"
        b",2026-01-01T00:00:00,c,-00:30:00.5,2026-01-01\n"
    )
    [pk] = observatory.upload(observatory.make_target(), {"t.csv": table})
    page = open_page(f"/dataproducts/{pk}/")
    first = page.locator(".peek tbody tr td:first-child")
    page.get_by_role("button", name="n", exact=True).click()
    expect(first).to_have_text(["9", "10", ""])  # as numbers; what is missing comes last
    page.get_by_role("button", name="n", exact=True).click()
    expect(first).to_have_text(["10", "9", ""])
    page.get_by_role("button", name="when", exact=True).click()
    expect(first).to_have_text(["9", "", "10"])
    page.get_by_role("button", name="who", exact=True).click()
    expect(first).to_have_text(["9", "10", ""])
    page.get_by_role("button", name="dec", exact=True).click()
    expect(first).to_have_text(["10", "", "9"])
    page.get_by_role("button", name="zone", exact=True).click()
    expect(first).to_have_text(["", "9", "10"])  # those without a zone are UTC


@WIDTHS
def test_a_group_is_sorted_by_kind(
    open_page: Open,
    observatory: Observatory,
    axe: str,  # noqa: F811
    width: int,
    scheme: str,
) -> None:
    files = {"log.log": b"x", "t.csv": b"a,b\n1,2\n", "f.fits": a_frame("2017-12-20T01:00:00", "V")}
    products = observatory.upload(observatory.make_target(), files)
    group = observatory.call("POST", "/api/groups/", {"name": "All", "products": products})
    page = open_page(group["url"], width=width, scheme=scheme)
    expect(page.locator(".shelf-title")).to_have_text(["Pictures 1", "Tables 1", "Texts 1"])
    assert violations(page, axe) == []


def test_coordinates_are_copied_as_programs_take_them(
    open_page: Open, observatory: Observatory
) -> None:
    target = observatory.make_target()
    observatory.call("PATCH", f"/api/targets/{target}/", {"ra": 31.0427, "dec": -0.5})
    page = open_page(f"/targets/{target}/")
    page.get_by_role("button", name="h m s").click()
    expect(page.locator("#copied")).to_have_text("02:04:10.25 -00:30:00.0 copied")
    page.get_by_role("button", name="degrees").click()
    expect(page.locator("#copied")).to_have_text("31.042700 -0.500000 copied")
    assert page.evaluate("navigator.clipboard.readText()") == "31.042700 -0.500000"
    remote = open_page(f"/targets/{target}/", script=UNTRUSTED)
    remote.get_by_role("button", name="h m s").click()
    expect(remote.locator("#copied")).to_have_text("02:04:10.25 -00:30:00.0 copied")
    remote.locator("#filter").click()
    remote.keyboard.press("Control+V")
    expect(remote.locator("#filter")).to_have_value("02:04:10.25 -00:30:00.0")


def test_all_that_is_wrong_with_a_target_is_said_at_once(
    open_page: Open, observatory: Observatory
) -> None:
    page = open_page(f"/targets/{observatory.make_target()}/#edit-target")
    form = page.locator("#edit-target")
    for label, text in (("Name", ""), ("Right ascension", "x"), ("Declination", "91")):
        form.locator("label", has_text=label).first.locator("input").fill(text)
    form.get_by_label("Further facts").fill(": 5\n: 6")
    form.get_by_role("button", name="Save").click()
    expect(form.locator(".problem:visible")).to_have_count(4)
    expect(form).to_contain_text("Give “: 6” a name.")
