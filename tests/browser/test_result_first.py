"""The result first: the stage, films by frame, two runs side by side, a sheet of a run."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from runners.synthetic import synthesise_series
from tests.browser.conftest import Open, opener
from tests.browser.support.accessibility import fetch_axe, violations
from tests.browser.support.observatory import Observatory
from tests.browser.test_looks import SHIFTS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

FRAMES = 12
#: How much of the first screen the result takes at least.
LEAST_SHARE = 0.6
HEIGHTS = {360: 740, 1280: 800}
STAGE = """() => {
  const box = document.querySelector('#stage').getBoundingClientRect();
  const across = box.left >= 0 && box.right <= innerWidth;
  const whole = across && box.top >= 0 && box.bottom <= innerHeight;
  return [whole, box.width * box.height / innerWidth / innerHeight];
}"""


@pytest.fixture(scope="module")
def night(observatory: Observatory, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return a target with frames, and two films of them of which one lacks the first frame."""
    folder = tmp_path_factory.mktemp("night")
    files = {path.name: path.read_bytes() for path in synthesise_series(folder, FRAMES, (96, 96))}
    target = observatory.make_target("Messier 13")
    products = observatory.upload(target, files)
    films = [
        observatory.submit(target, "Timelapse", products),
        observatory.submit(target, "Timelapse", products[1:], overlay=True),
    ]
    for film in films:
        assert observatory.ended(film)["state"] == "succeeded"
    return {"target": target, "products": products, "films": films}


@pytest.fixture
def show(open_page: Open, look: tuple[int, str]) -> Callable[[str], Page]:
    """Return a function that opens a page in this look, in the window of a phone or a laptop."""

    def show(path: str) -> Page:
        page = open_page("/login", width=look[0], scheme=look[1], script=SHIFTS)
        page.set_viewport_size({"width": look[0], "height": HEIGHTS[look[0]]})
        page.goto(path)
        page.wait_for_load_state("networkidle")
        return page

    return show


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the source of axe-core."""
    return fetch_axe(tmp_path_factory.mktemp("axe"))


def takes_the_first_screen(page: Page) -> None:
    """Check that the stage is whole in the window and takes most of it, and that nothing moved."""
    whole, share = page.evaluate(STAGE)
    assert whole
    assert share >= LEAST_SHARE
    assert page.evaluate("window.shifts") < 0.01


def place_is(page: Page, frame: int) -> None:
    """Wait until this frame of the film is shown."""
    expect(page.locator("#film-place")).to_have_text(re.compile(rf"^{frame} / "))


def frame_drawn(page: Page, selector: str = "#film-video", frames: int = FRAMES) -> int:
    """Return the number of the frame that a video shows, once it shows one."""
    page.wait_for_function(
        "selector => { const v = document.querySelector(selector);"
        " return v.duration && v.currentTime && !v.seeking; }",
        arg=selector,
    )
    time_share: float = page.evaluate(
        "selector => { const v = document.querySelector(selector);"
        " return v.currentTime / v.duration; }",
        selector,
    )
    return int(time_share * frames) + 1


def test_a_film_is_whole_on_the_first_screen_and_goes_by_frame(
    show: Callable[[str], Page], observatory: Observatory, night: dict[str, Any]
) -> None:
    pk = night["films"][0]
    page = show(f"/processes/{pk}")
    takes_the_first_screen(page)
    expect(page.locator(".standing [data-slot=status]")).to_have_text("Succeeded")
    frames = observatory.call("GET", f"/api/processes/{pk}/frames/")["frames"]
    place_is(page, 1)
    page.keyboard.press("ArrowRight")
    page.keyboard.press(".")
    place_is(page, 3)
    expect(page.locator("[data-frame=name]")).to_have_text(frames[2]["name"])
    expect(page.locator("[data-frame=date]")).to_contain_text("2026-03-21")
    expect(page.locator("[data-frame=exposure]")).to_contain_text(" s")
    expect(page.locator("[data-frame=sky]")).to_have_text(re.compile(r"^\d"))
    assert frame_drawn(page) == 3
    page.locator("#film-slider").fill("9")
    place_is(page, 9)
    assert frame_drawn(page) == 9
    page.keyboard.press("ArrowLeft")  # in the slider
    place_is(page, 8)
    page.locator("#film-play").click()
    expect(page.locator("#film-play")).to_have_attribute("title", "Stop (p)")
    page.keyboard.press("p")
    expect(page.locator("#film-play")).to_have_attribute("title", "Play (p)")


def test_a_line_of_the_log_leads_to_its_frame_and_back(
    show: Callable[[str], Page], observatory: Observatory, night: dict[str, Any]
) -> None:
    pk = night["films"][0]
    page = show(f"/processes/{pk}")
    line = observatory.call("GET", f"/api/processes/{pk}/frames/")["frames"][4]["line"]
    page.locator(f'#log .line[data-number="{line}"] .text').click()
    place_is(page, 5)
    expect(page.locator("#stage")).to_be_in_viewport(ratio=0.9)
    page.locator("#film-on").click()
    page.locator("[data-frame=line] a").click()
    expect(page).to_have_url(re.compile(f"#L{line + 1}$"))
    expect(page.locator(".line.chosen")).to_contain_text(f"Processing frame 6/{FRAMES}")
    expect(page.locator(".line.chosen")).to_be_in_viewport()
    page.goto(f"/processes/{pk}#L{line}")
    page.reload()
    place_is(page, 5)


def test_a_film_is_made_again_without_a_frame(
    show: Callable[[str], Page], observatory: Observatory, night: dict[str, Any]
) -> None:
    page = show(f"/processes/{night['films'][0]}")
    page.keyboard.press(".")
    place_is(page, 2)
    frame = observatory.call("GET", f"/api/processes/{night['films'][0]}/frames/")["frames"][1]
    page.get_by_role("button", name="Leave this one out and run again").click()
    expect(page).not_to_have_url(re.compile(f"/processes/{night['films'][0]}$"))
    again = int(page.url.rpartition("/")[2])
    products = observatory.ended(again)["products"]
    assert products == [pk for pk in night["products"] if pk != frame["product"]]


def test_the_frames_so_far_are_seen_while_a_film_is_made(
    browser: Browser, observatory: Observatory, night: dict[str, Any], look: tuple[int, str]
) -> None:
    pk = observatory.submit(night["target"], "Slow film", night["products"])
    # The run may end between a change and the request for its picture, which is 404 then.
    for open_page in opener(browser, observatory, ("/preview.png", ".jpg")):
        page = open_page(f"/processes/{pk}", width=look[0], scheme=look[1], script=SHIFTS)
        page.set_viewport_size({"width": look[0], "height": HEIGHTS[look[0]]})
        place_is(page, 5)
        expect(page.locator("[data-frame=name]")).to_contain_text("m13_0005")
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowLeft")
        shown = page.locator(f'#frame[src*="/processes/{pk}/frames/"]')
        expect(shown).to_be_visible()
        expect(page.locator("[data-frame=name]")).to_contain_text("m13_0003")
        observatory.let_go_on(pk)
        observatory.ended(pk)
        expect(page.locator("#film-video")).to_be_visible()
        place_is(page, 3)
        assert frame_drawn(page) == 3
        assert page.evaluate("window.shifts") < 0.02


def test_two_films_are_seen_in_step_and_what_differs_is_said(
    show: Callable[[str], Page], observatory: Observatory, night: dict[str, Any]
) -> None:
    one, other = night["films"]
    page = show(f"/processes/{other}")
    page.get_by_role("link", name="Compare with the run before").click()
    expect(page).to_have_url(re.compile(f"/processes/{other}/compare/{one}/$"))
    captions = page.locator(".pair [data-slot=frame]")
    expect(captions).to_have_text(
        [re.compile(r"m13_0001.* is not in this film"), re.compile("^m13_0001")]
    )
    page.keyboard.press("ArrowRight")
    page.keyboard.press(".")
    expect(page.locator("#both-place")).to_have_text(f"3 / {FRAMES}")
    assert len({text.partition(",")[0] for text in captions.all_inner_texts()}) == 1
    left, right = (f'figure[data-process="{pk}"] video' for pk in (other, one))
    assert (frame_drawn(page, left, FRAMES - 1), frame_drawn(page, right)) == (2, 3)
    table = page.get_by_role("row", name=re.compile("^Overlay Write target and time"))
    expect(table.get_by_role("cell")).to_have_text(["on", "off"])
    expect(page.get_by_role("row", name=re.compile("^Inputs of this run only"))).to_contain_text(
        "m13_0001"
    )
    page.get_by_role("button", name="Play both").click()
    expect(page.locator("#both-place")).not_to_have_text(f"3 / {FRAMES}")


@pytest.mark.parametrize(
    ("flag", "kind"), [("", "picture"), ("table", "table"), ("curve", "curve")]
)
def test_the_main_output_else_curve_and_picture_stand_first(
    show: Callable[[str], Page], observatory: Observatory, flag: str, kind: str
) -> None:
    process = observatory.run("Results", **({flag: True} if flag else {}))
    observatory.ended(process)
    page = show(f"/pipeline/{process}")
    expect(page.locator("#stage")).to_have_attribute("data-kind", kind)
    takes_the_first_screen(page)
    groups = page.locator("#outputs h3")
    expect(groups).to_have_text(["Pictures", "Tables", "Texts"])
    if kind == "table":
        expect(page.locator("#stage td").first).to_have_text("alpha")
    if kind == "curve":
        expect(page.locator("#stage .plot")).to_have_attribute("data-state", "drawn")
        expect(page.locator("#stage")).to_contain_text("2 points")
        expect(page.frame_locator("#stage iframe").get_by_title("Reset")).to_be_visible()
    if kind == "picture":
        page.get_by_role("list", name="Pictures").get_by_role("link").nth(1).click()
        expect(page.locator("#shown img")).to_have_attribute("alt", re.compile("light.png$"))


def test_a_result_that_comes_while_the_log_is_read_is_offered(
    show: Callable[[str], Page], observatory: Observatory
) -> None:
    process = observatory.run("Results", wait=True)
    page = show(f"/pipeline/{process}")
    expect(page.locator("#stage")).to_be_hidden()
    observatory.let_go_on(process)
    observatory.ended(process)
    page.get_by_role("button", name="Show the result").click()
    expect(page.locator("#stage img").first).to_be_visible()
    takes_the_first_screen(page)


def test_a_sheet_of_a_run_has_its_picture_and_facts_and_no_log(
    show: Callable[[str], Page], night: dict[str, Any]
) -> None:
    page = show(f"/processes/{night['films'][0]}")
    page.evaluate("window.print = () => {}")
    page.get_by_role("button", name="Print a sheet of this run").click()
    page.emulate_media(media="print")
    expect(page.locator("#stage .still")).to_be_visible()
    expect(page.get_by_label("Facts")).to_be_visible()
    expect(page.locator("#outputs")).to_be_visible()
    for hidden in (".log-box", ".reel", ".actions", "#printed"):
        expect(page.locator(hidden).first).to_be_hidden()


def test_nothing_is_wrong_with_a_film_and_a_comparison(
    show: Callable[[str], Page], night: dict[str, Any], axe: str
) -> None:
    one, other = night["films"]
    for path in (f"/processes/{one}", f"/processes/{one}/compare/{other}/"):
        page = show(path)
        expect(page.locator(".reel input")).to_be_enabled()
        assert violations(page, axe) == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
