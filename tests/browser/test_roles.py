"""The pages in a browser, for each role and for guests: what is shown, and that nothing breaks."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from runners.synthetic import synthesise_series
from tests.browser.conftest import PATIENCE_MS, opener
from tests.browser.support.accessibility import fetch_axe, violations
from tests.browser.support.observatory import Observatory

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
ROLES = ("viewer", "operator", "admin")
#: What each role sees besides what the one before it sees, by the labels that a reader hears.
OPERATORS = re.compile(r"^(Run again|Share by a link|Edit|Upload files|New target|Group|Run)$")
ADMINS = re.compile(r"^(Delete.*)$")


class Guarded(Observatory):
    """A server with a token of each role."""

    secrets: dict[str, str]

    def start(self) -> None:
        """Make the tokens, then start."""
        self.secrets = {role: self._token(role) for role in ROLES}
        super().start()

    def _token(self, role: str) -> str:
        command = [sys.executable, "-m", "server", "token", "add", f"{role}-1", "--role", role]
        made = subprocess.run(
            [*command, "--data", str(self.data)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        [secret] = re.findall(r"hg_[A-Za-z0-9_-]{43}", made.stdout)
        return str(secret)

    def headers(self) -> dict[str, str]:
        """Return those of an admin, with which the tests prepare what they look at."""
        return {"Authorization": f"Bearer {self.secrets['admin']}"}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    observatory = Guarded(tmp_path_factory.mktemp("guarded"))
    observatory.start()
    yield observatory
    observatory.stop()


@pytest.fixture(scope="module")
def paths(guarded: Guarded, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Make every kind of page with something on it; return their paths."""
    frames = synthesise_series(tmp_path_factory.mktemp("frames"), 3, (64, 80))
    target = guarded.make_target("Messier 13")
    products = guarded.upload(target, {path.name: path.read_bytes() for path in frames})
    guarded.upload(target, {"curve.csv": b"MJD,mag\n58545.5,11.5\n58546.5,11.6\n"})
    process = guarded.submit(target, "Stages", products)
    record = guarded.ended(process)
    film = guarded.ended(guarded.submit(target, "Timelapse", products))
    assert (record["state"], film["state"]) == ("succeeded", "succeeded")
    return {
        "targets": "/",
        "target": f"/targets/{target}/",
        "process": f"/pipeline/{process}",
        "film": f"/processes/{film['pk']}",
        "receipt": f"/processes/{film['pk']}/receipt/",
        "group": f"/dataproducts/data/group/{film['group']}/",
        "output": f"/dataproducts/{film['outputs'][0]}/",
        "input": f"/dataproducts/{products[0]}/",
    }


def controls(page: Page) -> list[str]:
    """Return the names of all that can be pressed and is shown."""
    found = page.locator("main button:visible, main summary:visible, main label.button:visible")
    names = [each.inner_text().strip() for each in found.all()]
    return [re.sub(r"\s+", " ", name) for name in names if name]


@pytest.mark.parametrize("role", ROLES)
def test_a_role_sees_what_it_may_do(
    browser: Browser, guarded: Guarded, paths: dict[str, str], role: str
) -> None:
    openers = opener(browser, guarded, forgiven=("401",))
    page = next(openers)("/login")
    page.get_by_label("Token").fill(guarded.secrets[role])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{guarded.url}/")
    seen = set[str]()
    for path in paths.values():
        page.goto(path)
        page.wait_for_load_state("networkidle")
        expect(page.locator("body")).to_have_attribute("data-role", role)
        seen |= set(controls(page))
    assert bool([name for name in seen if OPERATORS.match(name)]) is (role != "viewer")
    assert bool([name for name in seen if ADMINS.match(name)]) is (role == "admin")
    page.goto(paths["target"])
    expect(page.locator("#product-list tbody tr")).not_to_have_count(0)
    page.locator("#product-list tbody tr").first.locator("td").last.click()
    chosen = page.locator("#product-list tr.chosen")
    expect(chosen).to_have_count(0 if role == "viewer" else 1)
    openers.close()


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the source of axe-core."""
    return fetch_axe(tmp_path_factory.mktemp("axe"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_the_dialog_and_on_the_page_of_a_guest(
    browser: Browser, guarded: Guarded, paths: dict[str, str], axe: str, scheme: str
) -> None:
    openers = opener(browser, guarded, forgiven=("401",))
    page = next(openers)("/login", width=360, scheme=scheme)
    page.get_by_label("Token").fill(guarded.secrets["operator"])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{guarded.url}/")
    page.goto(paths["film"])
    page.get_by_role("button", name="Share by a link").click()
    page.get_by_role("button", name="Make a link").click()
    expect(page.get_by_role("listitem").filter(has_text="by operator-1").first).to_be_visible()
    assert violations(page, axe) == []
    link = page.get_by_label("The link").input_value()
    page.context.clear_cookies()
    page.goto(link)
    expect(page.locator("body")).to_have_attribute("data-role", "guest")
    page.wait_for_load_state("networkidle")
    assert violations(page, axe) == []
    openers.close()


@pytest.fixture
def visitor(browser: Browser, guarded: Guarded) -> Iterator[Page]:
    """Yield a page of somebody without a token; fail if it asks for what it may not see."""
    refused: list[str] = []
    context = browser.new_context(base_url=guarded.url)
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.on(
        "response",
        lambda answer: refused.append(answer.url) if answer.status in (401, 403) else None,
    )
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    yield page
    context.close()
    assert (refused, problems) == ([], [])


def test_a_guest_sees_a_run_and_its_film_and_nothing_to_press(
    guarded: Guarded, paths: dict[str, str], visitor: Page
) -> None:
    pk = int(paths["film"].rpartition("/")[2])
    link = guarded.call("POST", f"/api/processes/{pk}/share/")["url"]
    visitor.goto(link)
    expect(visitor.locator("body")).to_have_attribute("data-role", "guest")
    expect(visitor.locator("video")).to_be_visible()
    expect(visitor.locator("#log .line").first).to_be_visible()
    expect(visitor.locator("#film-count")).to_contain_text("3 frames")
    assert not [name for name in controls(visitor) if OPERATORS.match(name) or ADMINS.match(name)]
    hrefs = visitor.eval_on_selector_all("a[href]", "links => links.map(a => a.href)")
    for href in hrefs:
        path = href.removeprefix(guarded.url)
        if "#" in path or path.endswith(".txt"):
            continue
        assert visitor.request.get(href).status == 200, path
    visitor.get_by_role("link", name="Look at the outputs").click()
    visitor.wait_for_load_state("networkidle")
    expect(visitor.locator("video")).to_be_visible()
    visitor.go_back()
    visitor.reload()
    expect(visitor.locator("#log .line").first).to_be_visible()


def test_a_guest_follows_a_run_live(guarded: Guarded, visitor: Page) -> None:
    target = guarded.make_target()
    products = guarded.upload(target, {"notes.txt": b"x"})
    process = guarded.submit(target, "Ticks", products)
    visitor.goto(guarded.call("POST", f"/api/processes/{process}/share/")["url"])
    guarded.ended(process)
    expect(visitor.locator('[data-slot="status"]')).to_have_text("Succeeded")
    lines = guarded.call("GET", f"/api/processes/{process}/")["log_lines"]
    expect(visitor.locator(f'#log .line:has(.no:text-is("{lines}"))')).to_be_visible()


def test_an_operator_makes_copies_lists_and_revokes_links(
    browser: Browser, guarded: Guarded, paths: dict[str, str]
) -> None:
    openers = opener(browser, guarded, forgiven=("401",))
    page = next(openers)("/login")
    page.get_by_label("Token").fill(guarded.secrets["operator"])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{guarded.url}/")
    page.goto(paths["process"])
    page.get_by_role("button", name="Share by a link").click()
    dialog = page.get_by_role("dialog", name="Share this process")
    expect(dialog).to_be_visible()
    dialog.get_by_label("Good for").select_option("30")
    dialog.get_by_role("button", name="Make a link").click()
    field = dialog.get_by_label("The link")
    expect(field).to_have_value(re.compile(rf"^{guarded.url}/shared/[\w-]+/$"))
    link = field.input_value()
    dialog.get_by_role("button", name="Copy").click()
    expect(dialog.get_by_text("Copied.")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == link
    expect(dialog.get_by_role("listitem")).to_contain_text("by operator-1")
    stranger = browser.new_context()
    assert stranger.request.get(link).status == 200
    dialog.get_by_role("button", name="Revoke all").click()
    question = page.get_by_role("dialog", name="Revoke all links")
    question.get_by_role("button", name="Revoke").click()
    expect(dialog.get_by_text("All links are revoked.")).to_be_visible()
    expect(dialog.get_by_role("listitem")).to_have_count(0)
    assert stranger.request.get(link).status == 404
    stranger.close()
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).not_to_be_visible()
    openers.close()
