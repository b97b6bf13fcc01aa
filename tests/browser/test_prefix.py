"""The pages behind `http.prefix`: all that they fetch, push and link to is inside, and works."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from runners.synthetic import synthesise_series
from tests.browser.conftest import Open, opener
from tests.browser.support.observatory import Observatory
from tests.browser.test_log_search import ready

pytestmark = pytest.mark.slow

PREFIX = "/astro/heliograph"


@pytest.fixture(scope="module")
def prefixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observatory]:
    """Yield a server that has a prefix."""
    observatory = Observatory(
        tmp_path_factory.mktemp("prefixed"), environment={"HELIOGRAPH_HTTP_PREFIX": PREFIX}
    )
    observatory.start()
    yield observatory
    observatory.stop()


@pytest.fixture
def open_inside(browser: Browser, prefixed: Observatory) -> Iterator[Open]:
    """Yield a function that opens pages below the prefix; fail if one of them complains."""
    pages = opener(browser, prefixed)
    open_page = next(pages)
    yield lambda path, **options: open_page(PREFIX + path, **options)
    next(pages, None)


class Watched:
    """What a page asks for: requests and websockets, and those that failed."""

    def __init__(self, page: Page) -> None:
        self.asked: list[str] = []
        self.failed: list[str] = []
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("websocket", lambda socket: self.asked.append(socket.url))
        page.on("response", self._note)

    def _note(self, response: object) -> None:
        status, url = response.status, response.url  # type: ignore[attr-defined]
        if status >= 400:
            self.failed.append(f"{status} {url}")

    def check(self, observatory: Observatory) -> None:
        """Check that all went to the server, inside the prefix, and was answered."""
        bare = observatory.url.partition("://")[2]
        here = [url for url in self.asked if not url.startswith(("data:", "blob:"))]
        assert here
        assert [url for url in here if not url.partition("://")[2].startswith(f"{bare}/")] == []
        assert self.failed == []


def links_of(page: Page) -> list[str]:
    """Return where the links of a page lead, as they stand now."""
    found: list[str] = page.eval_on_selector_all(
        "a[href], [data-then]",
        "all => all.map(each => each.href ?? new URL(each.dataset.then, location.href).href)",
    )
    return found


def test_every_page_stays_inside(open_inside: Open, prefixed: Observatory, tmp_path: Path) -> None:
    frames = {path.name: path.read_bytes() for path in synthesise_series(tmp_path, 3, (64, 80))}
    target = prefixed.make_target("Messier 13")
    curve = b"MJD,mag\n58545.1,11\n58546.2,12\n58547,11.5\n"
    products = prefixed.upload(target, frames | {"curve.csv": curve, "notes.txt": b"clear"})
    group = prefixed.call("POST", "/api/groups/", {"name": "All", "products": products})
    film = prefixed.submit(target, "Timelapse", products[:3])
    process = prefixed.submit(target, "Ticks", products[:1])
    assert prefixed.ended(film)["state"] == prefixed.ended(process)["state"] == "succeeded"
    paths = [
        "/",
        "/?search=mess",
        f"/targets/{target}/",
        f"/pipeline/{process}",
        f"/processes/{film}",
        f"/processes/{process}/receipt/",
        group["url"].removeprefix(PREFIX),
        *(f"/dataproducts/{pk}/" for pk in products[2:]),
        "/login",
    ]
    page = open_inside("/login")
    watched = Watched(page)
    for path in paths:
        page.goto(PREFIX + path)
        page.wait_for_load_state("networkidle")
        watched.check(prefixed)
        outside = [url for url in links_of(page) if not url.startswith(f"{prefixed.url}/")]
        assert outside == [], path


def test_what_people_do_stays_inside(open_inside: Open, prefixed: Observatory) -> None:
    page = open_inside("/login")
    watched = Watched(page)
    page.goto(f"{PREFIX}/")
    made = page.locator("#new-target")
    if not made.is_visible():
        page.get_by_text("New target").click()
    made.get_by_label("Name", exact=True).fill("Prefixed star")
    made.get_by_role("button", name="Make target").click()
    page.wait_for_url(f"{prefixed.url}/targets/*/")
    upload = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"clear"}
    page.locator("#files").set_input_files([upload])  # type: ignore[list-item]
    expect(page.locator("#product-list").get_by_text("notes.txt").first).to_be_visible()
    target = int(page.url.rstrip("/").rpartition("/")[2])
    [product] = prefixed.call("GET", f"/api/targets/{target}/dataproducts/")["dataproducts"]
    process = prefixed.submit(target, "Ticks", [product["pk"]], long=True)
    row = page.locator(f"#processes [data-pk='{process}']")
    expect(row).to_be_visible()  # which the websocket has brought
    row.locator("[data-slot=identifier]").click()
    page.wait_for_url(f"{prefixed.url}/pipeline/{process}")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#process .state").first).to_have_text("cancelled")
    page.get_by_role("button", name="Run again", exact=True).first.click()
    page.wait_for_url(lambda url: url != f"{prefixed.url}/pipeline/{process}")
    again = int(page.url.rpartition("/")[2])
    ready(page)  # what the page asks for of what is deleted below has been answered
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#process .state").first).to_have_text("cancelled")
    page.locator("[data-act=delete]").click()
    page.locator("#question").get_by_role("button", name="Delete").click()
    page.wait_for_url(f"{prefixed.url}/targets/{target}/")
    assert again != process
    sockets = [url for url in watched.asked if url.startswith("ws")]
    assert any("/ws/async/status/" in url for url in sockets)
    assert any("/logs/" in url for url in sockets)
    watched.check(prefixed)


def test_a_page_from_outside_is_led_in(open_inside: Open, prefixed: Observatory) -> None:
    page = open_inside("/login")
    page.goto("/")
    expect(page).to_have_url(f"{prefixed.url}/")
