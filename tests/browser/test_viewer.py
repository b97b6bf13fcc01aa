"""The viewer of FITS images: what it shows is what the file holds, however it is moved."""

from __future__ import annotations

import io
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import Angle, SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.support.accessibility import fetch_axe, violations
from tests.browser.support.observatory import Observatory

pytestmark = pytest.mark.slow

WIDTHS = pytest.mark.parametrize(
    ("width", "scheme"), [pytest.param(360, "dark", marks=pytest.mark.long), (1280, "light")]
)
SIDES = (900, 1200)  #: rows and columns
RA, DEC = 150.0, 2.2
#: Number of pixels of the picture that are neither black nor the ground.
LIT = """canvas => {
  const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let found = 0;
  for (let at = 0; at < data.length; at += 4) if (data[at] + data[at + 1] > 40) found++;
  return found;
}"""
SHIFTS = """(() => { window.shifts = 0; new PerformanceObserver(list => {
  for (const each of list.getEntries()) window.shifts += each.value;
}).observe({type: 'layout-shift', buffered: true}); })()"""


def sky_header(x: float = SIDES[1] / 2, y: float = SIDES[0] / 2) -> fits.Header:
    """Return a header whose field has RA, DEC at this pixel of FITS, with distortions."""
    return fits.Header(
        {
            "CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", "CRVAL1": RA, "CRVAL2": DEC,
            "CRPIX1": x, "CRPIX2": y, "CD1_1": -2e-4, "CD1_2": 3e-5, "CD2_1": 3e-5, "CD2_2": 2e-4,
            "A_ORDER": 2, "B_ORDER": 2, "A_2_0": 4e-6, "B_1_1": -3e-6,
        }
    )  # fmt: skip


def pixels(seed: int) -> Any:
    random = np.random.default_rng(seed)
    values = random.normal(1000, 10, SIDES)
    rows, columns = (random.integers(20, side - 20, 60) for side in SIDES)
    for row, column in zip(rows, columns, strict=True):
        values[row - 2 : row + 3, column - 2 : column + 3] += 3000
    return values.astype("u2")


def written(*hdus: Any) -> bytes:
    file = io.BytesIO()
    fits.HDUList(list(hdus)).writeto(file)
    return file.getvalue()


@dataclass
class Field:
    """Files that have been uploaded, by what they are, and the first one's pixels."""

    target: int
    pks: dict[str, int]
    values: Any


@pytest.fixture(scope="module")
def field(observatory: Observatory) -> Field:
    """Return a target with a series of three frames, and files of other kinds."""
    body = {"name": "NGC 1", "identifier": "viewed", "ra": RA, "dec": DEC}
    target = observatory.call("POST", "/api/targets/", body)["pk"]
    files = {}
    for number in (2, 0, 1):  # not in the order of their dates
        header = sky_header(x=600 + 40 * number)
        header["DATE-OBS"] = f"2026-03-01T0{number}:00:00"
        files[f"frame{number}.fits"] = written(fits.PrimaryHDU(pixels(number), header))
    table = fits.BinTableHDU.from_columns(
        [
            fits.Column("TIME", "D", array=[1.5, 2.5]),
            fits.Column("NOTE", "8A", array=['a,"b', "<i>"]),
        ],
        name="EVENTS",
    )
    cube = fits.ImageHDU(np.stack([pixels(n)[:64, :80] for n in range(4)]), name="CUBE")
    files["several.fits"] = written(fits.PrimaryHDU(pixels(7)[:200, :300]), cube, table)
    turned = fits.Header({"ROWORDER": "TOP-DOWN"})
    files["turned.fits"] = written(fits.PrimaryHDU(pixels(8)[:100, :100], turned))
    mosaic = np.tile(np.array([[500, 200], [200, 900]], "i2"), (60, 60))
    mosaic = mosaic + np.random.default_rng(1).integers(0, 40, mosaic.shape).astype("i2")
    files["colours.fits"] = written(fits.PrimaryHDU(mosaic, fits.Header({"BAYERPAT": "RGGB"})))
    far = {"east.fits": sky_header(x=1150), "away.fits": sky_header(x=4000)}
    for name, header in far.items():
        files[name] = written(fits.PrimaryHDU(pixels(9), header))
    pks = dict(zip(files, observatory.upload(target, files), strict=True))
    return Field(target, pks, pixels(0))


@pytest.fixture
def look_at(open_page: Open, field: Field) -> Any:
    """Return a function that opens the viewer on a file and waits until all is there."""

    def look_at(
        name: str, width: int = 1280, scheme: str = "light", state: str = "", **more: Any
    ) -> Page:
        page = open_page(
            f"/dataproducts/{field.pks[name]}/{state}", width=width, scheme=scheme, **more
        )
        fine(page)
        return page

    return look_at


def fine(page: Page) -> None:
    """Wait until all tiles are there, and what is said of the image."""
    expect(page.locator(".screen")).to_have_attribute("data-shown", "fine")
    expect(page.locator("[data-slot=statistics]")).not_to_be_empty()


def text(page: Page, slot: str) -> str:
    return page.locator(f"[data-slot={slot}]").inner_text()


def pixel(page: Page) -> tuple[float, float]:
    """Return the pixel under the cursor as FITS counts it."""
    x, y = text(page, "pixel").split(", ")
    return float(x), float(y)


def expect_pixel(page: Page, x: float, y: float) -> None:
    """Wait until this pixel is under the cursor: a view is drawn with the next frame."""
    deadline = time.monotonic() + 15
    while pixel(page) != pytest.approx((x, y), abs=0.11) and time.monotonic() < deadline:
        page.wait_for_timeout(20)
    assert pixel(page) == pytest.approx((x, y), abs=0.11)


def box_of(page: Page) -> dict[str, float]:
    page.locator(".screen").scroll_into_view_if_needed()
    return dict(page.locator(".screen").bounding_box() or {})


def point_at(page: Page, right: float, down: float) -> None:
    """Move the mouse to a part of the screen, from 0 to 1: to whole pixels, as wheels have them."""
    box = box_of(page)
    page.mouse.move(int(box["x"] + right * box["width"]), int(box["y"] + down * box["height"]))


@WIDTHS
def test_what_is_under_the_cursor_is_right(
    look_at: Any, field: Field, width: int, scheme: str
) -> None:
    page = look_at("frame0.fits", width, scheme)
    wcs = WCS(sky_header())
    assert page.locator(".screen canvas").evaluate(LIT) > 1000
    for right, down in ((0.51, 0.5), (0.35, 0.45), (0.6, 0.62)):
        point_at(page, right, down)
        x, y = pixel(page)
        # What is shown is rounded, so that either of two pixels may be meant at their border.
        values = {
            str(field.values[int(y + up - 0.5), int(x + along - 0.5)])
            for up in (-0.04, 0.04)
            for along in (-0.04, 0.04)
        }
        expect(page.locator("[data-slot=value]")).to_have_text(re.compile("|".join(values)))
        ra, dec = text(page, "position").replace("\u2212", "-").split()
        shown = SkyCoord(Angle(ra, unit=units.hourangle), Angle(dec, unit=units.deg))
        exact = wcs.pixel_to_world(x - 1, y - 1)
        apart = shown.separation(SkyCoord(exact.ra, exact.dec)).arcsec / 0.72
        assert apart < 0.1 + 0.05 * 2**0.5, "of which half a tenth a side is rounding"


@WIDTHS
def test_the_wheel_zooms_around_the_cursor_and_the_address_keeps_the_view(
    look_at: Any, width: int, scheme: str
) -> None:
    page = look_at("frame0.fits", width, scheme)
    point_at(page, 0.3, 0.45)
    before = pixel(page)
    page.mouse.wheel(0, -1200)
    expect(page).to_have_url(re.compile("zoom="))
    expect_pixel(page, *before)
    fine(page)
    zoomed = text(page, "zoom")
    box = box_of(page)
    page.mouse.down()
    to = (box["x"] + 0.3 * box["width"] + 50, box["y"] + 0.45 * box["height"] + 30)
    page.mouse.move(int(to[0]), int(to[1]))
    page.mouse.up()
    expect_pixel(page, *before)  # what was taken stays under the cursor
    page.locator("h1").hover()
    middle = pixel(page)
    page.wait_for_function("() => /x=/.test(location.hash)")
    page.wait_for_timeout(300)  # until the address has been written the last time
    page.reload()
    fine(page)
    expect_pixel(page, *middle)
    assert text(page, "zoom") == zoomed


def test_keys_move_and_zoom(look_at: Any) -> None:
    page = look_at("frame0.fits")
    page.keyboard.press("1")
    expect(page.locator("[data-slot=zoom]")).to_have_text("1\u00d7")
    x, y = pixel(page)
    page.locator(".screen").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowUp")
    expect_pixel(page, x + 60, y + 60)
    page.keyboard.press("+")
    expect(page.locator("[data-slot=zoom]")).to_have_text("1.41\u00d7")
    page.keyboard.press("-")
    page.keyboard.press("-")
    expect(page.locator("[data-slot=zoom]")).to_have_text("1/1.41\u00d7")
    page.keyboard.press("0")
    expect_pixel(page, 600.5, 450.5)


def test_two_fingers_zoom(look_at: Any) -> None:
    page = look_at("frame0.fits", 360, "dark")
    box = box_of(page)
    session = page.context.new_cdp_session(page)
    session.send("Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 2})
    middle = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}

    def touch(kind: str, apart: float) -> None:
        fingers = [{"x": middle["x"] + side * apart, "y": middle["y"]} for side in (-1, 1)]
        points = [] if kind == "touchEnd" else fingers
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    page.keyboard.press("1")
    touch("touchStart", 30)
    for apart in (45, 60, 90, 120):
        touch("touchMove", apart)
    touch("touchEnd", 0)
    expect(page.locator("[data-slot=zoom]")).to_have_text(re.compile("^(3\\.[89]|4)"))
    assert page.evaluate("scrollX") == 0


def test_shades_are_changed_by_dragging_typing_and_choosing(look_at: Any) -> None:
    page = look_at("frame0.fits")
    canvas = page.locator(".screen canvas")

    def picture() -> str:
        return str(canvas.evaluate("canvas => canvas.toDataURL()"))

    def changed(before: str) -> str:
        page.wait_for_function(
            "before => document.querySelector('.screen canvas').toDataURL() !== before", arg=before
        )
        return picture()

    seen = picture()
    point_at(page, 0.5, 0.5)
    page.mouse.down(button="right")
    point_at(page, 0.6, 0.3)
    page.mouse.up(button="right")
    expect(page).to_have_url(re.compile("bias=.*contrast="))
    seen = changed(seen)
    page.keyboard.press("r")
    seen = changed(seen)
    for key in "im":
        page.keyboard.press(key)
        seen = changed(seen)
    expect(page.get_by_role("combobox", name="Map", exact=True)).to_have_value("heat")
    expect(page.get_by_role("button", name="Invert")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("combobox", name="Stretch").select_option("linear")
    seen = changed(seen)
    page.get_by_label("From", exact=True).fill("900")
    page.get_by_label("to", exact=True).fill("2000")
    page.get_by_label("to", exact=True).press("Enter")
    seen = changed(seen)
    expect(page).to_have_url(re.compile("low=900.*high=2000"))
    histogram = page.locator(".histogram")
    histogram.scroll_into_view_if_needed()
    box = dict(histogram.bounding_box() or {})
    # The lower cut is at the left edge, where the drawing begins.
    page.mouse.move(box["x"] + 2, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 8, box["y"] + 20)
    page.mouse.up()
    changed(seen)
    assert float(page.get_by_label("From", exact=True).input_value()) > 1000
    page.get_by_label("From", exact=True).fill("much")
    page.get_by_label("From", exact=True).press("Enter")
    expect(page.get_by_label("From", exact=True)).to_have_attribute("aria-invalid", "true")


def test_the_frames_before_and_after_are_seen_in_the_same_view(look_at: Any, field: Field) -> None:
    page = look_at("frame1.fits", state="#x=300&y=400&zoom=3&map=viridis")
    expect(page.get_by_role("link", name="Frame after")).to_have_attribute("href", re.compile("/"))
    page.keyboard.press("]")
    expect(page.locator("h1")).to_have_text("frame2.fits")
    fine(page)
    expect_pixel(page, 300, 400)
    expect(page.get_by_role("combobox", name="Map", exact=True)).to_have_value("viridis")
    for name in ("frame1.fits", "frame0.fits"):
        expect(page.get_by_role("link", name="Frame before")).to_have_attribute(
            "href", re.compile("/")
        )
        page.keyboard.press("[")
        expect(page.locator("h1")).to_have_text(name)
        fine(page)
    expect(page.locator("[data-act=before]")).not_to_have_attribute("href", re.compile("/"))


def test_chosen_frames_blink_on_the_same_place_of_the_sky(look_at: Any, field: Field) -> None:
    page = look_at("frame0.fits")
    page.get_by_text("Frames to blink").click()
    page.get_by_label("frame2.fits").check()
    expect(page).to_have_url(re.compile(f"blink={field.pks['frame2.fits']}"))
    point = page.locator("[data-slot=pixel]")
    sky = text(page, "position")
    page.locator("h1").click()
    page.keyboard.press("b")
    # The second frame is shifted by 80 pixels.
    expect(point).to_have_text(re.compile("^6[78]\\d\\."))
    assert text(page, "position")[:11] == sky[:11]
    expect(point).to_have_text(re.compile("^600\\."))
    page.keyboard.press("b")
    expect(page.get_by_role("button", name="Blink")).to_have_attribute("aria-pressed", "false")


@WIDTHS
def test_hdus_planes_tables_and_headers_are_at_hand(look_at: Any, width: int, scheme: str) -> None:
    page = look_at("several.fits", width, scheme)
    menu = page.get_by_role("combobox", name="HDU", exact=True)
    options = menu.locator("option").all_text_contents()
    assert [option[0] for option in options] == ["0", "1", "2"]
    menu.select_option("1")
    expect(page.locator("[data-slot=plane]")).to_have_text("1 / 4")
    page.get_by_label("Plane").press("End")
    expect(page.locator("[data-slot=plane]")).to_have_text("4 / 4")
    expect(page).to_have_url(re.compile("hdu=1&plane=3"))
    fine(page)
    expect(page.locator("[data-slot=value]")).to_have_text(str(pixels(3)[32, 40]))
    menu.select_option("2")
    table = page.get_by_role("group", name="Table of the HDU")
    expect(table.get_by_role("row")).to_have_count(3)
    expect(table).to_contain_text('a,"b')
    expect(table).to_contain_text("<i>")
    expect(page.locator(".screen")).to_be_hidden()
    menu.select_option("0")
    expect(page.locator(".screen")).to_be_visible()
    page.locator("details.headers summary").click()
    page.get_by_label("Search the header").fill("ttype1")
    expect(page.locator(".cards tbody tr:visible")).to_have_count(1)
    expect(page.locator(".cards tbody tr:visible")).to_contain_text("TIME")


def test_the_first_row_is_at_the_top_where_the_file_says_so(look_at: Any) -> None:
    page = look_at("turned.fits")
    point_at(page, 0.5, 0.02)
    assert pixel(page)[1] < 5
    value = pixels(8)[:100, :100]
    x, y = pixel(page)
    expect(page.locator("[data-slot=value]")).to_have_text(str(value[int(y - 0.5), int(x - 0.5)]))


def test_colours_of_a_mosaic_are_shown(look_at: Any) -> None:
    page = look_at("colours.fits")
    page.get_by_role("button", name="Colours").click()
    fine(page)
    expect(page.locator("[data-slot=value]")).to_have_text(
        re.compile("5\\d\\d.*, 2\\d\\d.*, 9\\d\\d")
    )
    expect(page).to_have_url(re.compile("colour=true"))


@WIDTHS
def test_a_target_that_is_not_in_the_middle_is_warned_of(
    look_at: Any, width: int, scheme: str
) -> None:
    for name, words in (
        ("frame0.fits", ""),
        (
            "east.fits",
            "not centred on NGC 1, which is 6.7\u2032 .*west of the middle",
        ),
        ("away.fits", "NGC 1 is not in this field"),
    ):
        page = look_at(name, width, scheme)
        warning = page.locator("[data-slot=warning]")
        if words:
            expect(warning).to_have_text(re.compile(words))
        else:
            expect(warning).to_be_hidden()


def test_only_what_is_seen_is_sent(look_at: Any, field: Field, observatory: Observatory) -> None:
    size = 4096
    big = np.random.default_rng(5).normal(500, 9, (size, size)).astype("i2")
    [pk] = observatory.upload(field.target, {"big.fits": written(fits.PrimaryHDU(big))})
    field.pks["big.fits"] = pk
    script = SHIFTS
    page = look_at("big.fits", state="#x=2000&y=2000&zoom=1", script=script)
    asked = page.evaluate(
        "() => performance.getEntriesByType('resource').filter(each => /pixels/.test(each.name))"
        ".map(each => each.encodedBodySize)"
    )
    assert 0 < sum(asked) < size * size
    assert max(asked) <= 4 * 512 * 512
    assert page.evaluate("shifts") < 0.1


@WIDTHS
def test_the_viewer_is_accessible_and_fits_the_window(
    look_at: Any, tmp_path: Path, width: int, scheme: str
) -> None:
    page = look_at("several.fits", width, scheme)
    page.locator("details.headers summary").click()
    expect(page.get_by_label("Search the header")).to_be_visible()
    assert violations(page, fetch_axe(tmp_path)) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
