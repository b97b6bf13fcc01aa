"""A headless Chromium, and a server for it to visit."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.browser.support.observatory import Observatory

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

#: The headless shell is the same browser without its windows: pages cost a third less.
PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser")
CHROMIUM = next(filter(None, map(shutil.which, PROGRAMS)), None)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]
PATIENCE_MS = 15_000
#: Some walk through all pages, on machines that are busy with other tests.
TEST_SECONDS = 240
expect.set_options(timeout=PATIENCE_MS)

Open = Callable[..., Page]


# Not for the session: Playwright's loop counts as running while it is open, and no other may.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Yield the browser; skip the tests that need one where there is none."""
    if CHROMIUM is None:
        pytest.skip("there is no chromium on the PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def observatory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observatory]:
    """Yield a server that all tests share; each makes its own targets."""
    observatory = Observatory(tmp_path_factory.mktemp("observatory"))
    observatory.start()
    yield observatory
    observatory.stop()


@pytest.fixture
def own_observatory(tmp_path: Path) -> Iterator[Observatory]:
    """Yield a server for one test, which may stop it."""
    observatory = Observatory(tmp_path / "data")
    observatory.start()
    yield observatory
    observatory.stop()


@pytest.fixture
def run_long(observatory: Observatory) -> Iterator[Callable[..., int]]:
    """Yield a function that starts processes without an end; cancel them after the test."""
    processes: list[int] = []

    def run(pipeline: str, **flags: bool) -> int:
        processes.append(observatory.run(pipeline, **flags))
        return processes[-1]

    yield run
    for process in processes:
        if observatory.call("GET", f"/api/processes/{process}/")["terminal_timestamp"] is None:
            observatory.call("POST", f"/api/processes/{process}/cancel/")
        observatory.ended(process)


@pytest.hookimpl(tryfirst=True)  # before tests are chosen by their marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test its time; leave logs and results on a phone to the long tests.

    The same code draws them on a desk.
    """
    for item in items:
        if Path(__file__).parent in item.path.parents and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(TEST_SECONDS))
        if item.path.name.startswith(("test_log_", "test_result_")) and "[phone" in item.name:
            item.add_marker(pytest.mark.long)


@pytest.fixture(params=[(360, "dark"), (1280, "light")], ids=["phone", "desk"])
def look(request: pytest.FixtureRequest) -> tuple[int, str]:
    """Return a width and a colour scheme: a phone at night, a desktop by day."""
    width, scheme = request.param
    return int(width), str(scheme)


@pytest.fixture
def open_page(browser: Browser, observatory: Observatory) -> Iterator[Open]:
    """Yield a function that opens pages of the shared server; fail if one of them complains."""
    yield from opener(browser, observatory)


def opener(
    browser: Browser, observatory: Observatory, forgiven: tuple[str, ...] = ()
) -> Iterator[Open]:
    """Yield the same for any server; ignore complaints that contain one of these texts."""
    complaints: list[str] = []
    pages: list[Page] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(f"{message.text} {message.location.get('url', '')}")

    def open_page(path: str, width: int = 1280, script: str = "", scheme: str = "light") -> Page:
        context = browser.new_context(
            base_url=observatory.url,
            viewport={"width": width, "height": 800},
            color_scheme="dark" if scheme == "dark" else "light",
            # Who wants less motion gets none, which is a twelfth less work for a busy machine.
            reduced_motion="reduce",
        )
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        if script:
            page.add_init_script(script)
        page.on("console", note)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        pages.append(page)
        page.goto(path)
        return page

    yield open_page
    for page in pages:
        page.context.close()
    unforgiven = [each for each in complaints if not any(words in each for words in forgiven)]
    assert not unforgiven
