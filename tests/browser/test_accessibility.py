"""Every page is accessible, as far as axe-core can tell."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.support.accessibility import fetch_axe, violations
from tests.browser.support.observatory import Observatory
from tests.browser.test_looks import pages_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the source of axe-core."""
    return fetch_axe(tmp_path_factory.mktemp("axe"))


PAIRS = pytest.mark.parametrize(
    ("width", "scheme"),
    [
        (360, "dark"),
        # Wide and light pages are looked at by test_access.py as well.
        pytest.param(1280, "light", marks=pytest.mark.long),
        # The same widths and schemes in the other combinations.
        pytest.param(360, "light", marks=pytest.mark.long),
        pytest.param(1280, "dark", marks=pytest.mark.long),
    ],
)


@PAIRS
def test_nothing_is_wrong_with_any_page(
    open_page: Open, observatory: Observatory, axe: str, width: int, scheme: str
) -> None:
    page = open_page("/", width=width, scheme=scheme)
    for path in pages_of(observatory):
        page.goto(path)
        page.wait_for_load_state("networkidle")
        assert violations(page, axe) == [], path


@PAIRS
def test_nothing_is_wrong_with_a_log_in_use(
    open_page: Open, observatory: Observatory, axe: str, width: int, scheme: str
) -> None:
    process = observatory.run("Stages")
    observatory.ended(process)
    page = open_page(f"/pipeline/{process}#L40-L43", width=width, scheme=scheme)
    expect(page.locator("h3.section").first).to_be_visible()
    expect(page.locator(".line.chosen")).to_have_count(4)
    page.get_by_label("Search the log").fill("frame 39")
    expect(page.locator(".line.here")).to_be_visible()
    assert violations(page, axe) == []
    page.get_by_label("Levels to show").select_option("warning")
    expect(page.locator(".line")).to_have_count(3)
    assert violations(page, axe) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wrong_with_colours_and_failures(
    open_page: Open, observatory: Observatory, axe: str, scheme: str
) -> None:
    process = observatory.run("Hostile")
    observatory.ended(process)
    page: Page = open_page(f"/pipeline/{process}", scheme=scheme)
    expect(page.locator("a.no").first).to_be_visible()
    assert violations(page, axe) == []
