"""The page of all targets: make one, find it."""

from __future__ import annotations

import re
import secrets

from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.browser.observatory import Observatory
from tests.browser.showing_pipelines import HOSTILE


def test_a_target_is_made_from_sexagesimal_coordinates(open_page: Open) -> None:
    page = open_page("/")
    name = f"Cluster {secrets.token_hex(4)}"
    page.locator("summary", has_text="New target").click()
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Right ascension").fill("16:41:41.63")
    page.get_by_label("Declination").fill("-36 27 40.7")
    page.get_by_role("button", name="Make target").click()
    expect(page).to_have_url(re.compile(r"/targets/\d+/$"))
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    expect(page.locator(".facts-line")).to_contain_text("16h 41m 41.63s")
    expect(page.locator(".facts-line")).to_contain_text("\u221236\u00b0 27\u2032 40.7\u2033")


def test_what_is_wrong_with_a_target_is_said_at_its_field(open_page: Open) -> None:
    page = open_page("/")
    page.locator("summary", has_text="New target").click()
    page.get_by_label("Name", exact=True).fill("A star")
    page.get_by_label("Right ascension").fill("west of the moon")
    page.get_by_role("button", name="Make target").click()
    expect(page.locator("#said-ra")).to_contain_text("16:41:41.6")
    expect(page.get_by_label("Right ascension")).to_have_attribute("aria-invalid", "true")


def test_targets_are_found_while_typing(open_page: Open, observatory: Observatory) -> None:
    name = f"Nova {secrets.token_hex(4)}"
    observatory.make_target(name)
    page = open_page("/")
    page.get_by_role("searchbox").press_sequentially(name[-6:])
    expect(page.locator("#targets tbody tr")).to_have_count(1)
    expect(page.locator("#targets")).to_contain_text(name)
    expect(page).to_have_url(re.compile(r"\?search="))
    page.get_by_role("searchbox").fill("no such star")
    expect(page.locator("#targets")).to_contain_text("No target has \u201cno such star\u201d")


def test_a_hostile_name_stays_text(open_page: Open, observatory: Observatory) -> None:
    target = observatory.make_target(HOSTILE)
    page = open_page("/")
    expect(page.get_by_role("link", name=HOSTILE).first).to_be_visible()
    page.goto(f"/targets/{target}/")
    expect(page.get_by_role("heading", level=1)).to_have_text(HOSTILE)
    assert page.title() == f"{HOSTILE} · Heliograph"


def test_an_unknown_address_is_answered_by_a_page(open_page: Open) -> None:
    page = open_page("/")
    answer = page.request.get("/targets/999999/")
    assert answer.status == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert "Not Found" in answer.text()
