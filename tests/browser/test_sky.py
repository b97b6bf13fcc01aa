"""The sky of a target on its page: folded at first, drawn with a table, right as things change."""

from __future__ import annotations

import time
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import Open, opener
from tests.browser.support.accessibility import fetch_axe, violations
from tests.browser.support.observatory import Observatory
from tests.browser.test_looks import SHIFTS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

SITE = {
    "HELIOGRAPH_SITE_LATITUDE": "28.7606",
    "HELIOGRAPH_SITE_LONGITUDE": "-17.8816",
    "HELIOGRAPH_SITE_NAME": "Roque de los Muchachos",
    "HELIOGRAPH_SITE_TIMEZONE": "Atlantic/Canary",
}
#: Draws a night, and returns where the line of the present time is at two times in it.
LINES = """async ([target, night]) => {
  const { SkyChart } = await import('/static/draw/target/sky_chart.js');
  const answer = await fetch(`/api/targets/${target}/sky/?night=${night}`);
  const body = await answer.json();
  const box = document.querySelector('#sky [data-slot="chart"]');
  const chart = new SkyChart(box);
  const middle = (body.start + body.end) / 2;
  chart.show(body, middle);
  const at = () => Number(box.querySelector('.sky-now').getAttribute('x1'));
  const first = at();
  chart.moveNow(middle + 3600);
  return [first, at(), box.clientWidth];
}"""
PATIENCE_MS = 40_000


@pytest.fixture
def sited(tmp_path: Path) -> Iterator[Observatory]:
    """Yield a server that knows where its site is."""
    observatory = Observatory(tmp_path / "data", environment=SITE)
    observatory.start()
    yield observatory
    observatory.stop()


@pytest.fixture
def open_sited(browser: Browser, sited: Observatory) -> Iterator[Open]:
    """Yield a function that opens pages of that server; the first sight of a sky may take long."""
    yield from opener(browser, sited, ("net::ERR_ABORTED",))


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        (1280, "light"),
        pytest.param(360, "dark", marks=pytest.mark.long),
        pytest.param(360, "light", marks=pytest.mark.long),
        pytest.param(1280, "dark", marks=pytest.mark.long),
    ],
)
def test_the_sky_is_folded_drawn_and_told_and_follows_the_target(
    open_sited: Open, sited: Observatory, tmp_path: Path, width: int, scheme: str
) -> None:
    axe = fetch_axe(tmp_path)
    other = sited.call("POST", "/api/targets/", {"name": "M 42", "ra": 83.82, "dec": -5.39})["pk"]
    night = night_of(sited, other)
    target = sited.call("POST", "/api/targets/", {"name": "M 42"})["pk"]
    page = open_sited(f"/targets/{target}/", width=width, scheme=scheme, script=SHIFTS)
    sky = page.locator("#sky")
    expect(sky).to_be_hidden()
    expect(page.locator("#connection")).to_be_hidden()
    sited.call("PATCH", f"/api/targets/{target}/", {"ra": 83.82, "dec": -5.39})
    headline = sky.locator('[data-slot="headline"]')
    expect(headline).to_contain_text("Moon", timeout=PATIENCE_MS)

    page.reload()
    expect(headline).to_contain_text("Moon", timeout=PATIENCE_MS)
    assert page.evaluate("window.shifts") < 0.01
    expect(sky.locator("svg.sky-chart")).to_be_hidden()
    sky.locator("summary").click()
    chart = sky.locator("svg.sky-chart")
    spoken = f"Altitude over the night of {night}. {headline.inner_text()}"
    expect(chart).to_have_attribute("aria-label", spoken)
    expect(sky.locator('[data-slot="events"]')).to_contain_text("M 42 culminates at 5")
    expect(sky.locator('[data-slot="events"]')).to_contain_text("Astronomical twilight ends")
    expect(sky.locator('[data-slot="hours"] tbody tr').first).to_be_visible()
    expect(sky).to_contain_text("over Roque de los Muchachos")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert violations(page, axe) == []

    title = sky.locator("h3")
    tonight = title.inner_text()
    sky.get_by_role("button", name="Night after").click()
    expect(title).not_to_have_text(tonight)
    sky.get_by_role("button", name="Tonight").click()
    expect(title).to_have_text(tonight)
    expect(sky.get_by_role("button", name="Tonight")).to_be_hidden()
    first, later, whole = page.evaluate(LINES, [target, "2026-12-01"])
    assert 0 < first < later < whole


def night_of(observatory: Observatory, target: int) -> str:
    """Return the name of tonight, once it can be computed: a busy machine takes a while."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return str(observatory.call("GET", f"/api/targets/{target}/sky/")["night"])
        except urllib.error.HTTPError as error:
            if error.code != 503 or time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def test_a_sky_whose_module_failed_is_shown_once_it_comes(
    browser: Browser, sited: Observatory
) -> None:
    target = sited.call("POST", "/api/targets/", {"name": "M 42", "ra": 83.82, "dec": -5.39})["pk"]
    for open_page in opener(browser, sited, ("ERR_",)):
        page = open_page("/login")
        page.route("**/target/sky.js", lambda route: route.abort("connectionrefused"))
        page.goto(f"/targets/{target}/")
        headline = page.locator('#sky [data-slot="headline"]')
        expect(headline).to_have_text("The server cannot be reached.")
        page.unroute("**/target/sky.js")
        expect(headline).to_contain_text("Moon", timeout=PATIENCE_MS)
