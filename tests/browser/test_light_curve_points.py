"""The points of a target's light curve on its page: origin, leaving out, dates, files, period."""

from __future__ import annotations

import io
import math
import re
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from playwright.sync_api import Frame, Page, Request, expect

from tests.browser.conftest import Open
from tests.browser.support.accessibility import violations
from tests.browser.support.observatory import Observatory
from tests.browser.test_accessibility import axe  # noqa: F401  # a fixture

PERIOD = 1.7
#: How long a search may take that starts its process first, on a busy machine.
SEARCH_MS = 60_000
CURVE = "#light-curve"
WORDS = f"{CURVE} [data-slot=words]"
#: Where in its frame a point is drawn: that with this number.
PLACE = """number => {
  const [view] = Object.values(Bokeh.index.roots ?? Bokeh.index);
  const box = view.canvas_view.el.getBoundingClientRect();
  for (const { data_source: { data } } of view.model.renderers) {
    const at = data.number?.indexOf(number) ?? -1;
    if (at < 0) continue;
    const { x_scale: across, y_scale: along } = view.frame;
    return [box.left + across.compute(data.x[at]), box.top + along.compute(data.y[at])];
  }
}"""


def frame_at(stamp: str) -> bytes:
    """Return a FITS file that was exposed for a minute from then on."""
    image = fits.PrimaryHDU(np.arange(256, dtype=np.int16).reshape(16, 16))
    image.header["DATE-OBS"], image.header["EXPTIME"] = stamp, 60.0
    file = io.BytesIO()
    image.writeto(file)
    return file.getvalue()


def star(observatory: Observatory) -> int:
    """Return a target with 60 imported points of a variable star, and two of a run."""
    target = observatory.make_target("Variable")
    frames = {
        "first.fits": frame_at("2020-05-31T12:00:00"),
        "other.fits": frame_at("2020-06-02T12:00:00"),
    }
    run = observatory.submit(target, "Results", observatory.upload(target, frames), curve=True)
    times = [59005 + 0.37 * number + 0.01 * (number * number % 29) for number in range(60)]
    rows = [f"{time:.5f},{12 + math.sin(2 * math.pi * time / PERIOD):.4f},V" for time in times]
    table = "\n".join(["MJD,mag,filter", *rows]).encode()
    [product] = observatory.upload(target, {"star.csv": table})
    observatory.ended(run)
    observatory.call("POST", f"/api/targets/{target}/lightcurve/", {"product": product})
    return target


def points(observatory: Observatory, target: int) -> list[dict[str, Any]]:
    """Return the points as the API has them, in order of time."""
    path = f"/api/targets/{target}/lightcurve/?numbers=true"
    found: list[dict[str, Any]] = observatory.call("GET", path)["lightcurve"]
    return sorted(found, key=lambda row: row["time"])


def drawn(page: Page) -> None:
    expect(page.locator(f'{CURVE} .plot[data-state="drawn"]')).to_be_visible()


def plot_frame(page: Page) -> Frame:
    [frame] = [frame for frame in page.frames if frame.url.endswith("/plot")]
    return frame


@pytest.mark.slow
def test_points_lead_to_frames_and_are_left_out_on_all_pages(
    open_page: Open, observatory: Observatory
) -> None:
    target = star(observatory)
    page, other = (open_page(f"/targets/{target}/") for _ in range(2))
    drawn(page)
    drawn(other)
    expect(page.locator(WORDS)).to_contain_text("62 points")
    page.get_by_role("button", name="The point after").focus()
    page.keyboard.press("ArrowRight")
    bar = page.locator("#points")
    expect(bar).to_contain_text("12.5 at MJD 59000.5 (2020-05-31 12:00:00 UTC)")
    expect(bar).to_contain_text(re.compile(r"By its time, measured on first\.fits by results_"))
    page.keyboard.press("ArrowRight")
    expect(bar).to_contain_text("No frame of its run was being exposed", ignore_case=True)
    page.keyboard.press("ArrowLeft")
    expect(bar.get_by_role("link", name="first.fits")).to_have_attribute(
        "href", re.compile(r"/dataproducts/\d+/$")
    )
    page.keyboard.press("ArrowLeft")  # from the first to the last
    expect(bar).to_contain_text("Imported from star.csv")
    page.get_by_text("Values", exact=True).click()
    boxes = page.locator(f"{CURVE} .values tbody input")
    expect(boxes).to_have_count(62)
    boxes.nth(3).check()
    expect(bar).to_contain_text("2 points chosen")
    bar.get_by_role("button", name="Leave out").click()
    for each in (page, other):
        expect(each.locator(WORDS)).to_contain_text("60 points")
        expect(each.locator(WORDS)).to_contain_text("2 left out (hollow)")
    expect(page.locator(f"{CURVE} .values tr.out")).to_have_count(2)
    bar.get_by_role("button", name="Take in again").click()
    expect(other.locator(WORDS)).not_to_contain_text("left out")
    expect(other.locator(WORDS)).to_contain_text("62 points")


@pytest.mark.slow
def test_a_point_is_clicked_dates_are_shown_and_a_period_is_found(
    open_page: Open, observatory: Observatory
) -> None:
    target = star(observatory)
    page = open_page(f"/targets/{target}/")
    drawn(page)
    chosen = points(observatory, target)[30]
    find_and_click(page, chosen["number"])
    expect(page.locator("#points")).to_contain_text(f"at MJD {chosen['time']}")
    asked: list[Request] = []
    page.on(
        "request", lambda request: asked.append(request) if "lightcurve" in request.url else None
    )
    page.locator(f"{CURVE} [name=axis]").select_option("date")
    expect(page.locator(f'{CURVE} .plot[data-state="drawn"]')).to_be_visible()
    assert not [each for each in asked if each.url.endswith("limit=10000")]
    page.get_by_role("button", name="Find the period").click()
    page.get_by_label("Shortest, in days").fill("0,5")
    page.get_by_label("Longest, in days").fill("5")
    page.get_by_role("button", name="Search", exact=True).click()
    best = re.compile(r"The best period is 1\.(69|70)")
    expect(page.locator("#periods")).to_contain_text(best, timeout=SEARCH_MS)
    drawing = page.get_by_role("img", name="Periodogram")
    expect(drawing).to_be_visible()
    # Not enlarged, its texts neither.
    assert drawing.evaluate("svg => Math.abs(svg.viewBox.baseVal.width - svg.clientWidth)") < 2
    page.locator(".peaks button").first.click()
    expect(page.locator(WORDS)).to_contain_text(re.compile(r"folded by 1\.(69|70)\d* days"))
    page.get_by_role("button", name="Export").click()
    page.get_by_label("AAVSO observer code").fill("XYZ")
    with page.expect_download() as downloading:
        page.get_by_role("button", name="AAVSO Extended").click()
    text = downloading.value.path().read_text()
    assert text.startswith("#TYPE=EXTENDED\n#OBSCODE=XYZ\n")
    assert text.count("\nVariable,") == 62


def find_and_click(page: Page, number: int) -> None:
    """Click on the middle of a point in the plot."""
    frame = page.locator(f"{CURVE} iframe")
    frame.scroll_into_view_if_needed()
    box = frame.bounding_box()
    assert box is not None
    x, y = plot_frame(page).evaluate(PLACE, number)
    page.mouse.click(box["x"] + x, box["y"] + y)


@pytest.mark.long
@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1280, "light")])
def test_all_of_it_fits_and_is_accessible(
    open_page: Open,
    observatory: Observatory,
    axe: str,  # noqa: F811
    width: int,
    scheme: str,
) -> None:
    page = open_page(f"/targets/{star(observatory)}/", width=width, scheme=scheme)
    drawn(page)
    page.get_by_role("button", name="The point after").click()
    page.get_by_role("button", name="Export").click()
    page.get_by_role("button", name="Find the period").click()
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.get_by_role("img", name="Periodogram")).to_be_visible(timeout=SEARCH_MS)
    page.get_by_text("Values", exact=True).click()
    expect(page.locator(f"{CURVE} .values tbody tr")).to_have_count(62)
    expect(page.locator("#points")).to_contain_text("first.fits")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert violations(page, axe) == []
