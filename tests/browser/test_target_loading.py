"""What the page of a target loads only when it is wanted, and what is done before it has come."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import APIResponse, Browser, Page, Route, expect

from handlers.pages.target.page import newest_film, newest_outputs
from tests.browser.conftest import Open, opener
from tests.browser.support.failing import AWAY, RELOAD, fail_once
from tests.browser.support.observatory import Observatory
from tests.browser.test_frames import ROWS, at_once, two_nights
from tests.browser.test_target_page import DROP, rows

pytestmark = pytest.mark.slow

#: A browser in which the reader has chosen the gallery before.
LIKES_GALLERIES = "localStorage.setItem('heliograph.gallery', 'true');"
#: Passes the seconds between tries in tenths of them.
HASTE = """const inTime = setTimeout;
window.setTimeout = (act, ms, ...rest) => inTime(act, (ms ?? 0) / 10, ...rest);"""
#: What callers are told by six tries of three loaders: whose module does not come, whose module
#: lacks a name, and whose module is there but for a defect in what is made of it.
SIX_TRIES = """async () => {
  const { loader, LoadError } = await import('/static/server/api.js');
  const told = async (error, make) => {
    let tries = 0;
    const load = () => (tries++, error ? Promise.reject(error) : Promise.resolve({}));
    const wanted = loader(load, make);
    const texts = [];
    for (let each = 0; each < 6; each++) {
      await wanted().catch(error => texts.push(`${error.message} ${error instanceof LoadError}`));
    }
    const resting = tries;
    dispatchEvent(new Event('online'));
    await new Promise(resolve => setTimeout(resolve, 20));
    await wanted().catch(() => {});
    return [texts, resting, tries];
  };
  return [
    await told(new TypeError('Failed to fetch')),
    await told(new SyntaxError('no export')),
    await told(null, () => { throw new TypeError('null has no size'); }),
  ];
}"""


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


def test_uploads_and_the_targets_form_say_what_cannot_be_loaded_and_work_the_next_time(
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


def test_a_module_that_does_not_come_is_asked_for_a_few_times(open_page: Open) -> None:
    absent, older, defect = open_page("/").evaluate(SIX_TRIES)
    assert absent == [[f"{AWAY} true"] * 3 + [f"{RELOAD} true"] * 3, 4, 5]
    assert older == [["The server has been updated. Reload the page. true"] * 6, 1, 2]
    assert defect == [["null has no size false"] * 6, 1, 1]


def test_what_follows_changes_gives_up_and_fetches_nothing_for_it_meanwhile(
    open_cut_off: Open, observatory: Observatory
) -> None:
    target = observatory.make_target()
    page = open_cut_off("/login", script=HASTE)
    page.route("**/nights.js", lambda route: route.abort("connectionrefused"))
    page.goto(f"/targets/{target}/")
    at_once(page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    observatory.upload(target, two_nights())
    expect(page.locator("#connection")).to_have_text(RELOAD)
    kinds = [kind for url in asked for kind in ("nights.js", "frames/") if url.endswith(kind)]
    first = kinds.index("nights.js")
    assert kinds[first : first + 4] == ["nights.js"] * 4
    assert "nights.js" not in kinds[first + 4 :]
    observatory.upload(target, rows(1))
    page.get_by_role("radio", name="Inputs 13").check()  # the list goes on without them


@pytest.mark.parametrize("left", ["back", "sort", "filter", "row"])
def test_a_night_is_not_chosen_once_the_reader_has_gone_on(
    open_page: Open, observatory: Observatory, left: str
) -> None:
    target = observatory.make_target()
    observatory.upload(target, two_nights())
    page = open_page("/login")
    go_on = hold_frames(page)
    page.goto(f"/targets/{target}/")
    row = page.locator(f"{ROWS} input").last
    row.check()
    page.get_by_role("link", name="R 3 frames of 2017-12-20").click()
    expect(page.locator("#chosen")).to_have_text("0 data products chosen")
    match left:
        case "back":
            page.go_back()
        case "sort":
            page.locator("a.sort[data-sort=name]").click()
        case "filter":
            page.locator("#filter").fill("V_")
        case _:
            row.check()
    go_on()
    chosen = "1 data product chosen" if left == "row" else "0 data products chosen"
    expect(page.locator("#chosen")).to_have_text(chosen)


def test_a_filter_that_is_typed_drops_nothing_that_was_chosen(
    open_page: Open, observatory: Observatory
) -> None:
    target = observatory.make_target()
    observatory.upload(target, rows(45))
    page = open_page("/login")
    go_on = hold_frames(page)
    page.goto(f"/targets/{target}/")
    page.get_by_label("Choose all that are shown").check()
    page.locator("#filter").fill("file 1")
    go_on()
    expect(page.locator(ROWS)).to_have_count(11)
    expect(page.locator("#chosen")).to_have_text("40 data products chosen")


def test_new_outputs_are_drawn_although_their_module_failed_once(
    open_cut_off: Open, observatory: Observatory
) -> None:
    target = observatory.make_target()
    inputs = observatory.upload(target, rows(1))
    page = open_cut_off(f"/targets/{target}/")
    at_once(page)
    asked = fail_once(page, "results.js")
    observatory.ended(observatory.submit(target, "Results", inputs))
    expect(page.locator("#film")).to_be_visible()
    assert len(asked) == 2


def test_server_and_scripts_take_the_same_outputs_for_the_newest_film(open_page: Open) -> None:
    page = open_page("/login")
    types = (
        "video/webm",
        "video/mp4",
        "video/ogg",
        "image/gif",
        "image/png",
        "image/jpeg",
        "text/plain",
    )
    for name in ("timelapse_m13", "other"):
        for number, kind in enumerate(types):
            plain = {"kind": "output", "content_type": "text/plain", "fits": None, "name": "log"}
            found = [plain | {"pk": pk} for pk in range(9, 2, -1)]
            found.insert(number, plain | {"pk": 1, "name": name, "content_type": kind})
            found.insert(0, plain | {"pk": 2, "kind": "input", "content_type": "video/mp4"})
            film, outputs = newest_film(found), newest_outputs(found)
            ours = [film["pk"] if film else "", *[each["pk"] for each in outputs]]
            theirs = page.evaluate(
                """async text => (await import('/static/draw/target/frame_list.js')).newestOf(
                  JSON.parse(text))""",
                json.dumps(found),
            )
            assert theirs == ",".join(map(str, ours)), (name, kind)


def test_a_light_curve_that_comes_back_as_it_was_is_shown_again(
    open_page: Open, observatory: Observatory
) -> None:
    target = observatory.make_target()
    page = open_page(f"/targets/{target}/")
    at_once(page)
    section = page.locator("#light-curve")
    curves = {f"{n}.csv": b"mjd,magnitude,error\n58107.%d,12.25,0.02\n" % n for n in range(1, 4)}
    products = observatory.upload(target, curves)
    answers: list[APIResponse] = []
    gone = False

    def answer(route: Route) -> None:
        if not answers:
            answers.append(route.fetch())
        if gone:
            route.fulfill(json={"lightcurve": [], "next": None}, headers={"ETag": '"none"'})
        else:
            route.fulfill(response=answers[0])

    page.route("**/lightcurve/?numbers*", answer)
    for product, gone in zip(products, (False, True, False), strict=True):
        observatory.call("POST", f"/api/targets/{target}/lightcurve/", {"product": product})
        expect(section).to_be_visible(visible=not gone)
