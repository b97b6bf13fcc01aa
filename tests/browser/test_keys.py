"""The keys of every page: what they do, their list, and when they leave a reader alone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.support.accessibility import fetch_axe, violations
from tests.browser.support.observatory import Observatory
from tests.browser.test_looks import pages_of

pytestmark = pytest.mark.slow

#: Which field a slash goes to, by the beginning of a page's path: the others have none.
SEARCHES = (("/targets/", "filter"), ("/pipeline/", "find"), ("/processes/", "words"))


def search_of(path: str) -> str | None:
    """Return the id of a page's own search field."""
    if path.endswith("/receipt/"):
        return None
    if path == "/":
        return "search"
    return next((field for start, field in SEARCHES if path.startswith(start)), None)


def names(page: Page) -> list[str]:
    """Return what the list of keys says, key by key."""
    return page.locator("#keys dt").all_inner_texts()


def test_every_page_lists_its_keys_and_goes_to_its_search(
    open_page: Open, observatory: Observatory
) -> None:
    page = open_page("/")
    for path in pages_of(observatory):
        page.goto(path)
        page.wait_for_load_state("networkidle")
        page.locator("h1").first.click()
        page.keyboard.press("?")
        dialog = page.get_by_role("dialog", name="Keys")
        expect(dialog, path).to_be_visible()
        assert {"/", "?"} <= set(names(page)), path
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
        page.keyboard.press("/")
        field = search_of("/" if path == "/login" else path)  # without tokens, that leads on
        if field is None:
            expect(page).to_have_url(f"{observatory.url}/#search")
        expect(page.locator(f"#{field or 'search'}"), path).to_be_focused()


def test_the_keys_of_a_log_are_listed(open_page: Open, observatory: Observatory) -> None:
    process = observatory.run("Broken")
    observatory.ended(process)
    page = open_page(f"/pipeline/{process}")
    expect(page.locator("#error-count")).to_be_visible()
    page.get_by_role("button", name="Keys", exact=True).click()
    expect(page.locator("#keys")).to_be_visible()
    assert {"/", "n", "N", "e", "E", "w", "?", "End"} <= set(names(page))
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("button", name="Keys", exact=True)).to_be_focused()


def test_keys_leave_fields_dialogs_and_modifiers_alone(
    open_page: Open, observatory: Observatory
) -> None:
    page = open_page(f"/targets/{observatory.make_target()}/")
    page.locator("#filter").press("?")
    page.locator("#filter").press("/")
    expect(page.locator("#filter")).to_have_value("?/")
    page.locator("h1").click()
    for key in ("Control+/", "Alt+/", "Meta+?"):
        page.keyboard.press(key)
    expect(page.locator("#filter")).not_to_be_focused()
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.get_by_role("button", name="Close").focus()
    page.keyboard.press("/")
    page.keyboard.press("?")
    expect(page.locator("dialog[open]")).to_have_count(1)
    expect(page.locator("#filter")).not_to_be_focused()


def test_single_keys_can_be_switched_off(open_page: Open) -> None:
    page = open_page("/")
    page.get_by_role("button", name="Keys", exact=True).click()
    page.get_by_label("Single keys work").uncheck()
    page.keyboard.press("Escape")
    page.reload()
    page.locator("h1").click()
    page.keyboard.press("/")
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_have_count(0)
    expect(page.locator("#search")).not_to_be_focused()
    page.get_by_role("button", name="Keys", exact=True).click()
    page.get_by_label("Single keys work").check()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    expect(page.locator("#search")).to_be_focused()


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1400, "light")])
def test_nothing_is_wrong_with_the_list(
    open_page: Open,
    observatory: Observatory,
    tmp_path_factory: pytest.TempPathFactory,
    width: int,
    scheme: str,
) -> None:
    axe = fetch_axe(tmp_path_factory.mktemp("axe"))
    process = observatory.run("Broken")
    observatory.ended(process)
    page = open_page(f"/pipeline/{process}", width=width, scheme=scheme)
    expect(page.locator("#error-count")).to_be_visible()
    page.get_by_role("button", name="Wrap long lines").click()
    assert violations(page, axe) == []
    page.get_by_role("button", name="Keys", exact=True).click()
    expect(page.locator("#keys")).to_be_visible()
    assert violations(page, axe) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
