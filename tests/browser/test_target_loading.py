"""What the page of a target loads only when it is wanted, and what is done before it has come."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.conftest import Open, opener
from tests.browser.support.observatory import Observatory
from tests.browser.test_frames import ROWS, at_once, two_nights
from tests.browser.test_target_page import DROP, rows

pytestmark = pytest.mark.slow

#: A browser in which the reader has chosen the gallery before.
LIKES_GALLERIES = "localStorage.setItem('heliograph.gallery', 'true');"
AWAY = "The server cannot be reached."


@pytest.fixture
def open_cut_off(browser: Browser, observatory: Observatory) -> Iterator[Open]:
    """Yield a function that opens pages for which some requests fail."""
    yield from opener(browser, observatory, ("ERR_",))


def hold_frames(page: Page) -> Callable[[], None]:
    """Let the list of frames wait; return a function that answers, and waits until it is known."""
    held: list[Route] = []
    going = False
    page.route("**/frames/", lambda route: route.continue_() if going else held.append(route))

    def go_on() -> None:
        nonlocal going
        going = True
        for route in held:
            route.continue_()
        at_once(page)

    return go_on


def fail_once(page: Page, module: str) -> list[str]:
    """Let the first request for a module fail; return the requests for it."""
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        if len(asked) == 1:
            route.abort("connectionrefused")
        else:
            route.continue_()

    page.route(re.compile(rf"/{module}\b"), answer)
    return asked


def test_a_visit_loads_nothing_that_it_does_not_want(
    open_page: Open, observatory: Observatory
) -> None:
    target = observatory.make_target()
    inputs = observatory.upload(target, rows(3))
    observatory.ended(observatory.submit(target, "Ticks", inputs))
    page = open_page("/login")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.rpartition("/")[2]))
    page.goto(f"/targets/{target}/")
    at_once(page)
    page.wait_for_load_state("networkidle")
    seldom = ("deleting", "undo", "results", "head", "curve", "gallery", "coordinates", "nights")
    assert not {f"{module}.js" for module in seldom} & {*asked}
    assert "run_warnings.js" not in asked
    with page.expect_request("**/run_warnings.js"):
        page.get_by_label("Choose file 1.txt").check()


def test_all_are_chosen_also_before_all_are_known(
    open_page: Open, observatory: Observatory
) -> None:
    target = observatory.make_target()
    observatory.upload(target, rows(45))
    page = open_page("/login")
    go_on = hold_frames(page)
    page.goto(f"/targets/{target}/")
    expect(page.locator(ROWS)).to_have_count(40)
    page.get_by_label("Choose all that are shown").check()
    expect(page.locator("#chosen")).to_have_text("40 data products chosen")
    go_on()
    expect(page.locator("#chosen")).to_have_text("45 data products chosen")


def test_what_is_chosen_one_by_one_stays_as_it_is_when_all_are_known(
    open_page: Open, observatory: Observatory
) -> None:
    target = observatory.make_target()
    observatory.upload(target, rows(45))
    page = open_page("/login")
    go_on = hold_frames(page)
    page.goto(f"/targets/{target}/")
    page.get_by_label("Choose all that are shown").check()
    page.locator(f"{ROWS} input").first.uncheck()
    go_on()
    expect(page.locator(ROWS)).to_have_count(45)
    expect(page.locator("#chosen")).to_have_text("39 data products chosen")


def test_a_night_is_chosen_also_before_all_are_known(
    open_page: Open, observatory: Observatory
) -> None:
    target = observatory.make_target()
    observatory.upload(target, two_nights())
    page = open_page("/login")
    go_on = hold_frames(page)
    page.goto(f"/targets/{target}/")
    page.get_by_role("link", name="R 3 frames of 2017-12-20").click()
    go_on()
    expect(page.locator(ROWS)).to_have_count(3)
    expect(page.locator("#chosen")).to_have_text("3 data products chosen")


def test_what_a_row_says_of_a_frame_is_enough_to_warn_of_it(
    open_page: Open, observatory: Observatory
) -> None:
    target = observatory.make_target()
    observatory.upload(target, two_nights())
    page = open_page("/login")
    go_on = hold_frames(page)
    page.goto(f"/targets/{target}/")
    page.get_by_label("Choose all that are shown").check()
    page.get_by_role("combobox", name="Pipeline").select_option("Timelapse")
    expect(page.locator("#run-warnings")).to_contain_text("V_cut.fits cannot be read.")
    page.get_by_role("button", name="Leave these out").click()
    expect(page.locator("#run-warnings")).to_be_hidden()
    go_on()
    expect(page.locator("#chosen")).to_have_text("12 data products chosen")


def test_what_cannot_be_loaded_is_said_and_done_with_the_next_click(
    open_cut_off: Open, observatory: Observatory
) -> None:
    target = observatory.make_target()
    observatory.upload(target, rows(2))
    page = open_cut_off(f"/targets/{target}/")
    at_once(page)
    asked = fail_once(page, "deleting.js")
    page.get_by_label("Choose file 1.txt").check()
    page.locator("#delete-chosen").click()
    expect(page.locator("#product-problem")).to_have_text(AWAY)
    page.locator("#delete-chosen").click()
    page.locator("#question").get_by_role("button", name="Delete").click()
    expect(page.locator("#product-list tbody tr")).to_have_count(1)
    assert len(asked) == 2


def test_so_it_is_with_uploads_and_with_the_form_of_the_target(
    open_cut_off: Open, observatory: Observatory
) -> None:
    page = open_cut_off(f"/targets/{observatory.make_target()}/#edit-target")
    fail_once(page, "upload_queue.js")
    page.evaluate(DROP, ["one.txt"])
    expect(page.locator("#product-problem")).to_have_text(AWAY)
    page.evaluate(DROP, ["two.txt"])
    expect(page.locator(ROWS)).to_contain_text("two.txt")
    fail_once(page, "editing.js")
    form = page.locator("#edit-target")
    form.locator("[name=name]").fill("Another name")
    form.get_by_role("button", name="Save").click()
    expect(form).to_contain_text(AWAY)
    form.get_by_role("button", name="Save").click()
    expect(page.locator("h1")).to_have_text("Another name")


def test_what_others_change_is_drawn_once_its_module_has_come(
    open_cut_off: Open, observatory: Observatory
) -> None:
    target = observatory.make_target("Before")
    page = open_cut_off(f"/targets/{target}/")
    at_once(page)
    asked = fail_once(page, "head.js")
    observatory.call("PATCH", f"/api/targets/{target}/", {"name": "After"})
    expect(page.locator("h1")).to_have_text("After")
    assert len(asked) == 2


def test_a_gallery_that_was_chosen_before_is_there_at_once(
    open_page: Open, observatory: Observatory
) -> None:
    target = observatory.make_target()
    observatory.upload(target, rows(6))
    page = open_page("/login", script=LIKES_GALLERIES)
    page.route("**/gallery.js", lambda route: None)  # never answered
    page.goto(f"/targets/{target}/")
    assert page.locator("#products.gallery").count() == 1
    at_once(page)
    page = open_page(f"/targets/{target}/", script=LIKES_GALLERIES)
    gallery = page.get_by_role("button", name="Gallery")
    expect(gallery).to_have_attribute("aria-pressed", "true")
    gallery.click()
    expect(gallery).to_have_attribute("aria-pressed", "false")
    expect(page.locator("#products.gallery")).to_have_count(0)
    kept = page.evaluate("JSON.stringify(Object.entries(localStorage))")
    assert ["heliograph.gallery", "false"] in json.loads(kept)


def test_the_first_nights_can_be_chosen_as_soon_as_they_are_shown(
    open_cut_off: Open, observatory: Observatory
) -> None:
    target = observatory.make_target()
    page = open_cut_off(f"/targets/{target}/")
    at_once(page)
    asked = fail_once(page, "nights.js")
    observatory.upload(target, two_nights())
    page.get_by_role("link", name="V 3 frames of 2017-12-21").click()
    expect(page.locator("#chosen")).to_have_text("3 data products chosen")
    assert len(asked) == 2


def test_the_first_points_of_a_light_curve_bring_what_shows_them(
    open_cut_off: Open, observatory: Observatory
) -> None:
    target = observatory.make_target()
    page = open_cut_off(f"/targets/{target}/")
    at_once(page)
    assert page.locator("#light-curve > *").count() == 0
    asked = [fail_once(page, module) for module in ("curve.js", "plot.js")]
    table = b"mjd,magnitude,error\n58107.5,12.25,0.02\n58107.6,12.35,0.02\n"
    [product] = observatory.upload(target, {"curve.csv": table})
    observatory.call("POST", f"/api/targets/{target}/lightcurve/", {"product": product})
    expect(page.locator("#light-curve [data-slot=words]")).to_contain_text("2 points")
    assert [len(each) for each in asked] == [2, 2]
    page.get_by_role("button", name="Export").click()
    expect(page.locator("#curve-export")).to_be_visible()
