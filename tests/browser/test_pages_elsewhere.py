"""A page of another origin in a real browser: by `Authorization` and tickets it is let in."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import PATIENCE_MS
from tests.browser.test_roles import Guarded

pytestmark = pytest.mark.slow

#: Returns the status of an answer, or "blocked" where the browser does not show it to the page.
ASK = """async ([url, method, headers, credentials]) => {
  try {
    const answer = await fetch(url, {method, headers, credentials});
    return answer.status;
  } catch { return "blocked"; }
}"""
#: Returns the types of the messages of a websocket, to its end.
FOLLOW = """async ([server, path, token]) => {
  let query = "";
  if (token) {
    const headers = {Authorization: `Bearer ${token}`};
    const answer = await fetch(`${server}/api/tickets/`, {method: "POST", headers});
    query = `?ticket=${(await answer.json()).ticket}`;
  }
  const types = [];
  await new Promise(resolve => {
    const socket = new WebSocket(`${server.replace("http", "ws")}${path}${query}`);
    socket.onmessage = event => types.push(JSON.parse(event.data).type);
    socket.onclose = resolve;
  });
  return types;
}"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the origin of another server, which has one empty page."""
    folder = tmp_path_factory.mktemp("elsewhere")
    Path(folder / "index.html").write_text("<!doctype html><title>Elsewhere</title>")
    handler = functools.partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def guarded(elsewhere: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Yield a server that lets the pages of that origin in."""
    observatory = Guarded(tmp_path_factory.mktemp("allowing"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HELIOGRAPH_HTTP_ALLOWED_ORIGINS", elsewhere)
        observatory.start()
    yield observatory
    observatory.stop()


@pytest.fixture
def page(browser: Browser, guarded: Guarded, elsewhere: str) -> Iterator[Page]:
    """Yield a page of that origin, in a browser where somebody is signed in at the server."""
    context = browser.new_context()
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.goto(f"{guarded.url}/login")
    page.get_by_label("Token").fill(guarded.secrets["admin"])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{guarded.url}/")
    page.goto(elsewhere)
    yield page
    context.close()


def test_a_page_elsewhere_is_let_in_by_authorization_alone(page: Page, guarded: Guarded) -> None:
    def asked(path: str, method: str, headers: dict[str, str], credentials: str = "omit") -> Any:
        return page.evaluate(ASK, [guarded.url + path, method, headers, credentials])

    bearer = {"Authorization": f"Bearer {guarded.secrets['operator']}"}
    assert asked("/api/targets/", "GET", bearer) == 200
    assert asked("/api/targets/99/", "GET", bearer) == 404
    assert asked("/api/tickets/", "POST", bearer) == 201
    assert asked("/api/targets/99/", "DELETE", bearer) == 403
    # The cookie of the session counts for nothing, whether the browser sends it or not.
    assert asked("/api/targets/", "GET", {}) == 401
    assert asked("/api/targets/", "GET", {}, "include") == "blocked"
    assert asked("/api/tickets/", "POST", {}, "include") == "blocked"


def test_a_page_elsewhere_follows_a_log_by_a_ticket(page: Page, guarded: Guarded) -> None:
    process = guarded.run("Ticks")
    guarded.ended(process)
    path = f"/ws/processes/{process}/logs/"
    types = page.evaluate(FOLLOW, [guarded.url, path, guarded.secrets["viewer"]])
    assert (types[0], types[-1]) == ("process", "end")
    assert page.evaluate(FOLLOW, [guarded.url, path, ""]) == []
