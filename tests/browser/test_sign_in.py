"""People sign in and out, see their sessions, and are asked again once a session has ended."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Open, opener
from tests.browser.support.accessibility import fetch_axe, violations
from tests.browser.support.observatory import Observatory

pytestmark = pytest.mark.slow


@dataclass
class Guarded:
    """A server with named tokens."""

    observatory: Observatory
    jane: str
    john: str
    mary: str
    root: str

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Call the API as an admin."""
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.observatory.url + path, content, method=method)
        request.add_header("Authorization", f"Bearer {self.root}")
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read())


def token(data: Path, *arguments: str) -> str:
    """Run `heliograph token`; return what it prints."""
    command = [sys.executable, "-m", "server", "token", *arguments, "--data", str(data)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the source of axe-core."""
    return fetch_axe(tmp_path_factory.mktemp("axe"))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    data = tmp_path_factory.mktemp("guarded")
    jane = token(data, "add", "jane", "--role", "operator")
    john = token(data, "add", "john", "--role", "viewer")
    mary = token(data, "add", "mary", "--role", "viewer")
    root = token(data, "add", "root", "--role", "admin")
    observatory = Observatory(data)
    observatory.start()
    yield Guarded(observatory, jane, john, mary, root)
    observatory.stop()


@pytest.fixture
def visit(browser: Browser, guarded: Guarded) -> Iterator[Open]:
    """Yield a function that opens pages of this server; expect that some are refused."""
    yield from opener(browser, guarded.observatory, ("401", "WebSocket connection"))


def sign_in(page: Page, secret: str) -> None:
    page.get_by_label("Token").fill(secret)
    page.get_by_role("button", name="Sign in").click()


@pytest.mark.parametrize("width", [360, 1280])
def test_one_signs_in_where_one_was_going_and_out_again(
    visit: Open, guarded: Guarded, axe: str, width: int
) -> None:
    target = guarded.call("POST", "/api/targets/", {"name": "Vega"})["pk"]
    page = visit(f"/targets/{target}/", width=width)
    for hidden in ("#strip", "#show-search", "#show-api"):  # what runs is not for strangers
        expect(page.locator(hidden)).to_have_count(0)
    sign_in(page, "a-wrong-token-of-mine")
    expect(page.get_by_role("alert")).to_have_text("This token is not valid.")
    sign_in(page, guarded.jane)
    expect(page).to_have_url(f"{guarded.observatory.url}/targets/{target}/")
    expect(page.get_by_role("link", name="Signed in as jane operator")).to_be_visible()
    boxes = page.locator(".top > *").evaluate_all(
        "all => all.map(each => each.getBoundingClientRect()).filter(box => box.width)"
        ".map(({ left, right }) => [left, right]).sort(([one], [other]) => one - other)"
    )
    assert all(one[1] <= other[0] + 0.5 for one, other in pairwise(boxes))
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Token")).to_be_visible()
    page.goto("/")
    expect(page.get_by_label("Token")).to_be_visible()
    sign_in(page, guarded.jane)
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    assert violations(page, axe) == []


def test_the_page_of_sessions_ends_those_elsewhere(visit: Open, guarded: Guarded, axe: str) -> None:
    here, there = visit("/"), visit("/")
    for page in (there, here):
        sign_in(page, guarded.mary)
        expect(page.get_by_role("heading", name="Targets")).to_be_visible()
    here.get_by_role("link", name="Signed in as").click()
    rows = here.locator("table.sessions tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("this one")
    here.get_by_role("button", name="End all others").click()
    expect(rows).to_have_count(1)
    there.reload()
    expect(there.get_by_label("Token")).to_be_visible()
    assert violations(here, axe) == []


def test_who_is_no_longer_let_in_is_asked_to_sign_in_and_comes_back(
    visit: Open, guarded: Guarded
) -> None:
    target = guarded.call("POST", "/api/targets/", {"name": "Vega"})["pk"]
    page = visit(f"/targets/{target}/?a=b#processes")
    sign_in(page, guarded.john)
    expect(page.get_by_role("heading", name="Vega")).to_be_visible()
    token(guarded.observatory.data, "revoke", "john")
    expect(page).to_have_url(re.compile(r"/login\?next="))
    sign_in(page, guarded.root)
    expect(page.get_by_role("heading", name="Vega")).to_be_visible()
    assert page.url.startswith(f"{guarded.observatory.url}/targets/{target}/?a=b")
