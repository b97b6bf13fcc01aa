"""The pages of groups and of data products: images, headers, tables, light curves."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, FrameLocator, Locator, Page, expect

from runners.synthetic import synthesise_series
from tests.browser.conftest import Open, opener
from tests.browser.support.observatory import Observatory
from tests.browser.support.showing_pipelines import HOSTILE

pytestmark = pytest.mark.slow

WIDTHS = pytest.mark.parametrize(
    ("width", "scheme"), [pytest.param(360, "dark", marks=pytest.mark.long), (1280, "light")]
)
BANDS = "".join(
    f"{58545 + n / 7:.3f},{11 + n % 5 / 10:.1f},0.02,{'BV'[n % 2]}\n" for n in range(60)
)
CURVE = ("MJD,Mag,Mag_err,Filter\n" + BANDS).encode()
#: The number of coloured pixels in a plot.
DRAWN = """canvas => {
  const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let found = 0;
  for (let at = 0; at < data.length; at += 4) {
    const shades = data.slice(at, at + 3);
    if (Math.max(...shades) - Math.min(...shades) > 60) found++;
  }
  return found;
}"""


def moving_picture() -> bytes:
    pictures = []
    for number in range(4):
        picture = Image.new("RGB", (40, 30))
        ImageDraw.Draw(picture).ellipse((5 * number, 5, 5 * number + 10, 15), fill="gold")
        pictures.append(picture)
    file = io.BytesIO()
    pictures[0].save(file, "GIF", save_all=True, append_images=pictures[1:], duration=80, loop=0)
    return file.getvalue()


@pytest.fixture
def make_group(observatory: Observatory, tmp_path: Path) -> Callable[[dict[str, bytes]], Any]:
    """Return a function that makes a group of a frame and the given files."""

    def make(files: dict[str, bytes]) -> Any:
        [frame] = synthesise_series(tmp_path, 1, (64, 80))
        target = observatory.make_target()
        products = observatory.upload(target, {frame.name: frame.read_bytes()} | files)
        return observatory.call("POST", "/api/groups/", {"name": "A night", "products": products})

    return make


def loaded(image: Locator) -> None:
    """Wait until an image is loaded."""
    expect(image).to_have_js_property("complete", True)
    assert image.evaluate("image => image.naturalWidth") > 0


@WIDTHS
def test_everything_in_a_group_is_shown(
    open_page: Open, make_group: Callable[[dict[str, bytes]], Any], width: int, scheme: str
) -> None:
    files = {"moving.gif": moving_picture(), "ticks.csv": b"n,v\n1,2\n3,4\n", "a.txt": b"<b>clear"}
    group = make_group(files)
    page = open_page(group["url"], width=width, scheme=scheme)
    pieces = page.locator(".piece")
    expect(pieces).to_have_count(4)
    for number in (0, 1):
        pieces.nth(number).scroll_into_view_if_needed()
        loaded(pieces.nth(number).locator("img"))
    expect(pieces.nth(2).locator("td")).to_have_text(["1", "2", "3", "4"])
    expect(pieces.nth(3).locator("pre")).to_have_text("<b>clear")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_gif_plays(open_page: Open, make_group: Callable[[dict[str, bytes]], Any]) -> None:
    page = open_page(make_group({"moving.gif": moving_picture()})["url"])
    image = page.locator(".piece img").nth(1)
    loaded(image)
    shots = {image.screenshot() for _ in range(8)}
    assert len(shots) > 1


@WIDTHS
def test_the_stretch_of_all_frames_is_chosen_at_once(
    open_page: Open, make_group: Callable[[dict[str, bytes]], Any], width: int, scheme: str
) -> None:
    page = open_page(make_group({})["url"], width=width, scheme=scheme)
    image = page.locator(".piece img")
    loaded(image)
    soft = image.screenshot()
    page.get_by_label("Stretch").select_option("ZScale")
    expect(image).to_have_attribute("src", re.compile("stretch=zscale$"))
    loaded(image)
    assert image.screenshot() != soft
    page.reload()
    expect(page.get_by_label("Stretch")).to_have_value("zscale")


@WIDTHS
def test_a_header_is_read_when_it_is_opened(
    open_page: Open, make_group: Callable[[dict[str, bytes]], Any], width: int, scheme: str
) -> None:
    page = open_page(make_group({})["url"], width=width, scheme=scheme)
    page.locator(".headers summary").click()
    row = page.locator(".cards tr", has_text="EXPTIME")
    expect(row.locator("th, td").nth(1)).to_have_text("60.0")


def test_what_is_wrong_with_a_picture_is_said(
    browser: Browser, own_observatory: Observatory, tmp_path: Path
) -> None:
    [frame] = synthesise_series(tmp_path, 1, (64, 80))
    cut = frame.read_bytes()[:8640]
    [product] = own_observatory.upload(own_observatory.make_target(), {"cut.fits": cut})
    # The browser reports each request that is refused.
    for open_page in opener(browser, own_observatory, ("400", "404")):
        page = open_page(f"/dataproducts/{product}/")
        expect(page.locator("#product-problem")).to_contain_text("cut.fits is cut short")
        expect(page.locator(".exhibit img")).to_be_hidden()


@WIDTHS
def test_a_table_with_time_and_magnitude_is_a_light_curve_as_well(
    open_page: Open, make_group: Callable[[dict[str, bytes]], Any], width: int, scheme: str
) -> None:
    page = open_page(make_group({"curve.csv": CURVE})["url"], width=width, scheme=scheme)
    assert not page.frames[1:], "nothing of a plot is loaded before there is one"
    page.get_by_role("button", name="Light curve").click()
    watch_curve(page)


@WIDTHS
def test_the_page_of_a_table_draws_its_light_curve(
    open_page: Open, observatory: Observatory, width: int, scheme: str
) -> None:
    [product] = observatory.upload(observatory.make_target(), {"curve.csv": CURVE})
    page = open_page(f"/dataproducts/{product}/", width=width, scheme=scheme)
    watch_curve(page)
    page.get_by_label("B", exact=True).uncheck()
    expect(page.locator(".plot [data-slot=words]")).to_contain_text("30 points")
    page.get_by_label("Period").fill("0.5")
    expect(page.locator(".plot [data-slot=words]")).to_contain_text("folded by 0.5 days")
    page.get_by_label("Period").fill("-1")
    expect(page.locator(".plot .problem")).to_contain_text("a number of days")


AXES = """() => {
  const [figure] = Object.values(Bokeh.documents[0].roots());
  return [figure.y_range.start, figure.y_range.end, figure.left[0].axis_label];
}"""


def test_flux_goes_up_and_magnitudes_down_whatever_their_errors_and_limits(
    open_page: Open, observatory: Observatory
) -> None:
    magnitudes = b"MJD,mag,err\n59000,12.5,9\n59001,12.6,0.1\n59002,<15,\n59003,99.999,9.999\n"
    fluxes = b"# BJD_TDB,Flux,Uncertainty\n2459001.5,0.9,0.01\n2459002.5,1.1,50\n"
    products = observatory.upload(
        observatory.make_target(), {"mag.csv": magnitudes, "flux.csv": fluxes}
    )
    found = []
    for product in products:
        page = open_page(f"/dataproducts/{product}/")
        expect(page.locator('.plot[data-state="drawn"]')).to_be_visible()
        found.append(page.frames[1].evaluate(AXES))
    (faint, bright, what), (dim, high, flux) = found
    assert (what, flux) == ("Magnitude", "Flux")
    assert 12.6 < faint < 12.8
    assert 12.3 < bright < 12.5
    assert 0.8 < dim < 0.9
    assert 1.1 < high < 1.2


def test_the_page_of_a_table_adds_it_to_the_light_curve(
    open_page: Open, observatory: Observatory
) -> None:
    [product] = observatory.upload(observatory.make_target(), {"curve.txt": CURVE})
    page = open_page(f"/dataproducts/{product}/")
    button = page.get_by_role("button", name="Add to the light curve")
    button.click()
    expect(page.locator("#import-news")).to_have_text("60 measurements imported.")
    button.click()
    expect(page.locator("#import-news")).to_contain_text("60 measurements in the light curve")


def watch_curve(page: Page) -> None:
    """Expect the light curve of CURVE to be drawn, in an isolated frame."""
    expect(page.locator('.plot[data-state="drawn"]')).to_be_visible()
    expect(page.locator(".plot [data-slot=words]")).to_contain_text("60 points")
    frame: FrameLocator = page.frame_locator(".plot iframe")
    canvas = frame.locator("canvas").first
    expect(canvas).to_be_visible()
    assert canvas.evaluate(DRAWN) > 100
    assert page.frames[1].evaluate("origin") == "null"


def test_a_plot_can_ask_the_server_for_nothing(open_page: Open, observatory: Observatory) -> None:
    [product] = observatory.upload(observatory.make_target(), {"curve.csv": CURVE})
    page = open_page(f"/dataproducts/{product}/")
    answer = page.request.get("/plot")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "connect-src" not in policy
    assert "sandbox allow-scripts" in policy
    assert "unsafe-eval" not in page.request.get("/").headers["content-security-policy"]


def test_a_table_without_magnitudes_is_no_light_curve(
    open_page: Open, make_group: Callable[[dict[str, bytes]], Any]
) -> None:
    page = open_page(
        make_group({"t.csv": b"time,flux\n1,2\n", "e.csv": b"time,e_mag\n1,2\n"})["url"]
    )
    expect(page.locator(".piece td")).to_have_count(4)
    expect(page.get_by_role("button", name="Light curve")).to_have_count(0)


def test_names_and_tables_stay_text(
    open_page: Open, make_group: Callable[[dict[str, bytes]], Any]
) -> None:
    name = "'><svg onload=document.title='taken'>.csv"
    quoted = HOSTILE.replace('"', '""')
    page = open_page(make_group({name: f'MJD,mag,filter\n1,2,"{quoted}"\n'.encode()})["url"])
    expect(page.locator(".caption .name").nth(1)).to_have_text(name)
    page.get_by_role("button", name="Light curve").click()
    expect(page.locator('.plot[data-state="drawn"]')).to_be_visible()
    expect(page).to_have_title(re.compile(r"^(\(\d+\) )?A night · Heliograph$"))


def test_all_files_come_as_one_zip(
    open_page: Open, make_group: Callable[[dict[str, bytes]], Any]
) -> None:
    page = open_page(make_group({"a.txt": b"clear"})["url"])
    with page.expect_download() as waiting:
        page.get_by_role("link", name="All as zip").click()
    with zipfile.ZipFile(waiting.value.path()) as book:
        assert book.read("a.txt") == b"clear"
        assert len(book.namelist()) == 2


@WIDTHS
def test_a_group_is_deleted_and_its_files_stay(
    open_page: Open, observatory: Observatory, make_group: Callable[[dict[str, bytes]], Any],
    width: int, scheme: str,
) -> None:  # fmt: skip
    group = make_group({})
    page = open_page(group["url"], width=width, scheme=scheme)
    page.get_by_role("button", name="Delete the group").click()
    page.locator("#question").get_by_role("button", name="Delete").click()
    expect(page.locator("#product-list tbody tr")).to_have_count(1)
    assert observatory.call("GET", f"/api/dataproducts/{group['products'][0]}/")["groups"] == []


def test_a_large_group_is_shown_in_parts(open_page: Open, observatory: Observatory) -> None:
    target = observatory.make_target()
    products = observatory.upload(target, {f"{n}.bin": b"x" for n in range(50)})
    group = observatory.call("POST", "/api/groups/", {"name": "Many", "products": products})
    page = open_page(group["url"])
    expect(page.locator(".piece")).to_have_count(48)
    page.get_by_role("link", name="The next data products").click()
    expect(page.locator(".piece")).to_have_count(2)


@WIDTHS
def test_a_data_product_is_looked_at_and_deleted(
    open_page: Open, observatory: Observatory, tmp_path: Path, width: int, scheme: str
) -> None:
    [frame] = synthesise_series(tmp_path, 1, (64, 80))
    target = observatory.make_target()
    observatory.upload(target, {frame.name: frame.read_bytes()})
    page = open_page(f"/targets/{target}/", width=width, scheme=scheme)
    page.get_by_role("link", name=frame.name, exact=True).click()
    expect(page.locator("#viewer .screen")).to_have_attribute("data-shown", "fine")
    expect(page.locator(".facts")).to_contain_text("60 s")
    expect(page.locator(".facts")).to_contain_text("80 \u00d7 64")
    page.get_by_label("Stretch").select_option("log")
    expect(page).to_have_url(re.compile("stretch=log"))
    page.get_by_role("button", name="Delete", exact=True).click()
    page.locator("#question").get_by_role("button", name="Delete").click()
    expect(page.locator("#product-list")).to_contain_text("No data product yet")
