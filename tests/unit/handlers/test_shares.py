"""Links to one process: what they show, and that they show nothing else."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from tornado.httpclient import HTTPClientError, HTTPRequest, HTTPResponse
from tornado.routing import URLSpec
from tornado.websocket import WebSocketClientConnection, websocket_connect

from handlers.access.identification import Identification
from handlers.http.body import BodyHandler
from handlers.routes import all_routes
from handlers.sharing import views
from handlers.sharing.views import SharedView
from server.access.guesses import TooManyGuesses
from server.core.records import DataProductGroup, State
from tests.fakes.callers import bearer, identify_by_word
from tests.fakes.fake_processes import Board
from tests.fakes.handler_fakes import Client, Fakes, json_of, until
from tests.fakes.some_records import NOW, a_process

pytestmark = pytest.mark.gen_test

JSON = {"Content-Type": "application/json"}
SHARED, OTHER = 51, 52
#: What belongs to the shared process, to another one, and to none.
OUTPUT, OTHERS, INPUT = 61, 62, 7
GROUP, OTHERS_GROUP, MIXED_GROUP, FREE_GROUP = 71, 72, 73, 74
PROCESS, PRODUCT, GROUPS = "process", "product", "group"
#: Everything that a link may reach, by the pattern of its route, and what the PK in it is of.
ALLOWED = {
    r"/(?:processes|pipeline)/PK$": PROCESS,
    r"/api/dataproducts/PK/$": PRODUCT,
    r"/api/dataproducts/PK/header/$": PRODUCT,
    r"/api/dataproducts/PK/image/$": PRODUCT,
    r"/api/dataproducts/PK/table/$": PRODUCT,
    r"/api/groups/PK/$": GROUPS,
    r"/api/pipeline/logs/PK/$": PROCESS,
    r"/api/processes/PK/$": PROCESS,
    r"/api/processes/PK/frames/$": PROCESS,
    r"/api/processes/PK/logs/$": PROCESS,
    r"/api/processes/PK/logs\.txt$": PROCESS,
    r"/api/processes/PK/receipt/$": PROCESS,
    r"/api/processes/PK/sections/$": PROCESS,
    r"/dataproducts/PK/$": PRODUCT,
    r"/dataproducts/PK/file/([^/]+)$": PRODUCT,
    r"/dataproducts/PK/pixels$": PRODUCT,
    r"/dataproducts/PK/preview\.png$": PRODUCT,
    r"/dataproducts/PK/table\.csv$": PRODUCT,
    r"/dataproducts/data/group/PK/$": GROUPS,
    r"/dataproducts/data/group/PK/zip$": GROUPS,
    r"/processes/PK/frames/PK\.jpg$": PROCESS,
    r"/processes/PK/preview\.png$": PROCESS,
    r"/processes/PK/receipt/$": PROCESS,
    r"/ws/pipeline/logs/PK/$": PROCESS,
    r"/ws/processes/PK/logs/$": PROCESS,
}
OWN = {PROCESS: SHARED, PRODUCT: OUTPUT, GROUPS: GROUP}
FOREIGN = {
    PROCESS: (OTHER, 99),
    PRODUCT: (INPUT, OTHERS, 99),
    GROUPS: (OTHERS_GROUP, MIXED_GROUP, FREE_GROUP, 99),
}


@pytest.fixture(autouse=True)
def callers(monkeypatch: pytest.MonkeyPatch) -> None:
    identify_by_word(monkeypatch)


def some_fakes(previews: Path = Path("/nowhere"), **changes: Any) -> Fakes:
    fakes = Fakes(previews)
    ended = {"state": State.SUCCEEDED, "terminal_timestamp": NOW, "status": "created"}
    record = a_process(SHARED, products=[INPUT], outputs=[OUTPUT], group=GROUP, **ended)
    fakes.processes.records = {
        SHARED: record.evolve(**changes),
        OTHER: a_process(OTHER, outputs=[OTHERS], group=OTHERS_GROUP, **ended),
    }
    fakes.processes.boards[1] = Board([record])
    keep = fakes.archive.keep
    keep(INPUT, "input.fits", b"secret input")
    keep(OUTPUT, "output.csv", b"0123456789", process=SHARED)
    keep(OTHERS, "others.csv", b"another's", process=OTHER)
    for pk, products, process in (
        (GROUP, [OUTPUT], SHARED),
        (OTHERS_GROUP, [OTHERS], OTHER),
        (MIXED_GROUP, [OUTPUT, INPUT], SHARED),
        (FREE_GROUP, [OUTPUT], None),
    ):
        group = DataProductGroup(
            pk=pk, created=NOW, name=f"G{pk}", products=products, process=process
        )
        fakes.archive.stored_groups[pk] = group
    return fakes


async def share(client: Client, pk: int = SHARED, days: int | None = None, by: str = "") -> str:
    body = b"" if days is None else b'{"days": %d}' % days
    headers = bearer("operator", by) | (JSON if body else {})
    made = await client.fetch(f"/api/processes/{pk}/share/", "POST", headers=headers, body=body)
    assert made.code == 201, made.body
    return str(json_of(made)["url"])


def cookie_of(response: HTTPResponse) -> str:
    return str(response.headers["Set-Cookie"].partition(";")[0])


@asynccontextmanager
async def guest(fakes: Fakes) -> AsyncIterator[tuple[Client, dict[str, str]]]:
    """Yield a client, and the headers of a guest who has opened the link to the shared process."""
    async with fakes.serving() as client:
        opened = await client.fetch(await share(client))
        assert opened.code == 200
        yield client, {"Cookie": cookie_of(opened)}


def path_of(pattern: str, pk: int, product: int = OUTPUT) -> str:
    """Return a path that a route answers, with this PK in it."""
    path = pattern.removesuffix("$").replace("PK", str(pk)).replace("\\.", ".")
    path = path.replace("(?:processes|pipeline)", "processes").replace("(/?)", "/")
    names = {OUTPUT: "output.csv", INPUT: "input.fits", OTHERS: "others.csv"}
    path = path.replace("file/([^/]+)", f"file/{names.get(pk, 'a')}").replace("([^/]+)", "x")
    path = re.sub(r"^\.\*", "/x", path)
    path = re.sub(r"\(\.\*\)|\.\*", "x", path).replace("(bokeh(?:-api)?.min.js)", "bokeh.min.js")
    return path.replace("(?:api|ws)(?:/x)?", "api/x")


def routes() -> list[URLSpec]:
    return all_routes(cast(Any, None))


def pattern_of(route: URLSpec) -> str:
    return str(route.regex.pattern.replace("([1-9][0-9]{0,9})", "PK"))


def test_the_routes_that_links_reach_are_these_and_no_others() -> None:
    reached = {
        pattern_of(route): route.handler_class
        for route in routes()
        if issubclass(route.handler_class, SharedView)
    }
    [page] = [pattern for pattern in reached if pattern.startswith("/shared/")]
    del reached[page]
    assert reached.keys() == ALLOWED.keys()
    # Those that take bodies are prepared in a way that waits for nothing.
    assert not any(issubclass(handler, BodyHandler) for handler in reached.values())


async def test_a_guest_reaches_what_is_part_of_the_process_and_nothing_else(
    tmp_path: Path,
) -> None:
    async with guest(some_fakes(tmp_path)) as (client, headers):
        for route in routes():
            pattern = pattern_of(route)
            if getattr(route.handler_class, "open_to_all", False):
                continue
            kind = ALLOWED.get(pattern)
            if kind is not None:
                own = await client.fetch(path_of(pattern, OWN[kind]), headers=headers)
                assert own.code in (200, 400, 404), (pattern, own.code)
            for pk in (1, SHARED, OUTPUT, GROUP) if kind is None else FOREIGN[kind]:
                path = path_of(pattern, pk)
                refused = await client.fetch(path, headers=headers)
                assert refused.code == 401, path
                assert b"secret input" not in refused.body


async def test_a_guest_changes_nothing_on_any_route() -> None:
    fakes = some_fakes()
    async with guest(fakes) as (client, headers):
        for route in routes():
            if getattr(route.handler_class, "open_to_all", False):
                continue
            pattern = pattern_of(route)
            path = path_of(pattern, OWN.get(ALLOWED.get(pattern, PROCESS), SHARED))
            for method in ("POST", "PUT", "PATCH", "DELETE"):
                answer = await client.fetch(path, method, headers=headers | JSON, body=b"{}")
                assert answer.code == 401, (method, path)
    assert SHARED in fakes.processes.records
    assert OUTPUT in fakes.archive.stored_products


async def test_nothing_is_looked_up_for_a_cookie_that_we_did_not_sign() -> None:
    fakes = some_fakes()
    async with fakes.serving() as client:
        for value in ("x", "A" * 80, "", '"', "x" * 20_000):
            headers = {"Cookie": f"heliograph_share_{SHARED}={value}"}
            for path in (f"/dataproducts/{OUTPUT}/file/output.csv", f"/api/processes/{SHARED}/"):
                assert (await client.fetch(path, headers=headers)).code == 401
    assert fakes.archive.calls == []
    assert fakes.shares.read == 0


async def test_what_a_guest_sees_is_kept_from_search_engines_and_other_sites() -> None:
    async with guest(some_fakes()) as (client, headers):
        for path in (f"/pipeline/{SHARED}", f"/api/processes/{SHARED}/", "/dataproducts/61/"):
            seen = await client.fetch(path, headers=headers)
            assert seen.code == 200
            assert "noindex" in seen.headers["X-Robots-Tag"]
            assert seen.headers["Referrer-Policy"] == "no-referrer"
        missing = await client.fetch(f"/processes/{SHARED}/preview.png", headers=headers)
        assert (missing.code, missing.headers["Referrer-Policy"]) == (404, "no-referrer")
        signed_in = await client.fetch(f"/pipeline/{SHARED}", headers=bearer("viewer"))
        assert "X-Robots-Tag" not in signed_in.headers


async def test_files_come_in_ranges_and_the_group_as_a_zip() -> None:
    async with guest(some_fakes()) as (client, headers):
        url = f"/dataproducts/{OUTPUT}/file/output.csv"
        part = await client.fetch(url, headers=headers | {"Range": "bytes=2-4"})
        assert (part.code, part.body) == (206, b"234")
        zipped = await client.fetch(f"/dataproducts/data/group/{GROUP}/zip", headers=headers)
        assert zipped.body.startswith(b"PK")


async def test_the_pages_of_a_guest_lead_nowhere_else() -> None:
    """Every link and picture of every page that a guest sees can be followed by the guest."""
    async with guest(some_fakes()) as (client, headers):
        waiting, seen = [f"/pipeline/{SHARED}"], set[str]()
        while waiting:
            path = waiting.pop()
            if path in seen:
                continue
            seen.add(path)
            page = await client.fetch(path, headers=headers)
            assert page.code not in (401, 403), path
            if page.headers.get("Content-Type", "").startswith("text/html"):
                text = page.body.decode()
                found = re.findall(r'\b(?:href|src|data-src|data-table|action)="(/[^"]*)"', text)
                waiting += [each for each in found if not each.startswith(("/static/", "/plot"))]
                assert "<button data-act" not in text
                assert 'method="post"' not in text
        assert f"/dataproducts/{OUTPUT}/" in seen
        assert f"/processes/{SHARED}/receipt/" in seen


async def test_a_group_to_which_others_were_added_is_not_linked_to() -> None:
    fakes = some_fakes(group=MIXED_GROUP)
    async with guest(fakes) as (client, headers):
        page = await client.fetch(f"/pipeline/{SHARED}", headers=headers)
        assert f"/dataproducts/data/group/{MIXED_GROUP}/".encode() not in page.body
        page = await client.fetch(f"/pipeline/{SHARED}", headers=bearer("viewer"))
        assert f"/dataproducts/data/group/{MIXED_GROUP}/".encode() in page.body


async def test_a_guest_is_not_told_of_other_processes() -> None:
    fakes = some_fakes()
    fakes.processes.waits_for = "the slots are held by somebody-elses-run"
    fakes.processes.frames = [b'{"type":"end"}']
    fakes.processes.follows_on.set()
    async with guest(fakes) as (client, headers):
        for path in (f"/pipeline/{SHARED}", f"/api/processes/{SHARED}/"):
            assert b"somebody-elses-run" not in (await client.fetch(path, headers=headers)).body
        async with viewing(client, headers) as viewer:
            assert await viewer.read_message() is not None
        assert fakes.processes.followed_alone


@asynccontextmanager
async def viewing(
    client: Client, headers: dict[str, str], pk: int = SHARED
) -> AsyncIterator[WebSocketClientConnection]:
    url = f"ws://127.0.0.1:{client.port}/ws/processes/{pk}/logs/"
    viewer = await websocket_connect(HTTPRequest(url, headers=headers))
    try:
        yield viewer
    finally:
        viewer.close()


async def test_a_guest_follows_the_log_of_that_process_alone() -> None:
    fakes = some_fakes()
    fakes.processes.frames = [b'{"type":"end"}']
    fakes.processes.follows_on.set()
    async with guest(fakes) as (client, headers):
        async with viewing(client, headers) as viewer:
            assert await viewer.read_message() == '{"type":"end"}'
        for refused in (viewing(client, headers, OTHER), viewing(client, {})):
            with pytest.raises(HTTPClientError) as error:
                await refused.__aenter__()
            assert error.value.code == 401
        url = f"ws://127.0.0.1:{client.port}/ws/async/status/1/"
        with pytest.raises(HTTPClientError):
            await websocket_connect(HTTPRequest(url, headers=headers))


async def test_an_open_websocket_closes_when_the_links_are_revoked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(views, "CHECK_SECONDS", 0.02)
    fakes = some_fakes()
    async with guest(fakes) as (client, headers), viewing(client, headers) as viewer:
        await until(lambda: len(client.services.sockets))
        path = f"/api/processes/{SHARED}/share/"
        assert (await client.fetch(path, "DELETE", headers=bearer("operator"))).code == 204
        assert await viewer.read_message() is None
        assert viewer.close_code == 4401


async def test_two_links_are_open_side_by_side() -> None:
    async with some_fakes().serving() as client:
        opened = [await client.fetch(await share(client, pk)) for pk in (SHARED, OTHER)]
        headers = {"Cookie": "; ".join(cookie_of(each) for each in opened)}
        for pk in (SHARED, OTHER):
            assert (await client.fetch(f"/api/processes/{pk}/", headers=headers)).code == 200
        for product in (OUTPUT, OTHERS):
            assert (await client.fetch(f"/dataproducts/{product}/", headers=headers)).code == 200
        assert (await client.fetch(f"/dataproducts/{INPUT}/", headers=headers)).code == 401


async def test_a_cookie_under_another_name_is_still_good_for_its_own_process_only() -> None:
    async with some_fakes().serving() as client:
        token = (await share(client)).split("/")[2]
        headers = {"Cookie": f"heliograph_share_{OTHER}={token}"}
        assert (await client.fetch(f"/api/processes/{OTHER}/", headers=headers)).code == 401
        assert (await client.fetch(f"/api/processes/{SHARED}/", headers=headers)).code == 200


async def test_guesses_at_a_link_are_counted_as_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_many(*_: object, **__: object) -> None:
        raise TooManyGuesses(60)

    async with some_fakes().serving() as client:
        link = await share(client)
        monkeypatch.setattr(Identification, "identify", too_many)
        answer = await client.fetch(link, headers=bearer("wrong"))
        assert (answer.code, answer.headers["Retry-After"]) == (429, "60")


async def test_who_is_signed_in_keeps_their_own_rights() -> None:
    async with guest(some_fakes()) as (client, headers):
        link = await share(client)
        led = await client.fetch(link, headers=bearer("operator"))
        assert (led.code, led.headers["Location"]) == (303, f"/pipeline/{SHARED}")
        both = headers["Cookie"] + "; heliograph=operator:"
        page = await client.fetch(f"/pipeline/{SHARED}", headers={"Cookie": both})
        assert b'data-role="operator"' in page.body
        assert (await client.fetch("/api/targets/1/", headers={"Cookie": both})).code == 200


async def test_the_cookie_is_for_the_browser_alone_and_ends_with_the_link() -> None:
    async with some_fakes().serving() as client:
        opened = await client.fetch(await share(client, days=1))
        cookie = opened.headers["Set-Cookie"]
        for part in ("HttpOnly", "SameSite=Lax", "Path=/", "expires="):
            assert part in cookie
        assert b'data-role="guest"' in opened.body
        assert opened.headers["Referrer-Policy"] == "no-referrer"


async def test_a_link_without_its_slash_leads_to_the_one_with_it() -> None:
    async with some_fakes().serving() as client:
        link = await share(client)
        answer = await client.fetch(link.removesuffix("/"))
        assert (answer.code, answer.headers["Location"]) == (301, link)


@pytest.mark.parametrize("token", ["x", "A" * 80, "%00", "%FF", "..%2F..", "x" * 30_000, "é"])
async def test_a_forged_link_is_404(token: str) -> None:
    async with some_fakes().serving() as client:
        answer = await client.fetch(f"/shared/{token}/")
        assert answer.code == 404
        assert "Set-Cookie" not in answer.headers
        assert "noindex" in answer.headers["X-Robots-Tag"]


async def test_a_revoked_link_and_that_of_a_deleted_process_are_404() -> None:
    fakes = some_fakes()
    async with fakes.serving() as client:
        revoked, deleted = await share(client), await share(client, OTHER)
        path = f"/api/processes/{SHARED}/share/"
        assert (await client.fetch(path, "DELETE", headers=bearer("operator"))).code == 204
        del fakes.processes.records[OTHER]
        for link in (revoked, deleted):
            answer = await client.fetch(link)
            assert answer.code == 404
            assert b"Ask whoever gave it to you" in answer.body
            assert b'href="/"' not in answer.body


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 201),
        (b"{}", 201),
        (b'{"days": 1}', 201),
        (b'{"days": 365}', 201),
        (b'{"days": 0}', 400),
        (b'{"days": 366}', 400),
        (b'{"days": -1}', 400),
        (b'{"days": 1.5}', 400),
        (b'{"days": true}', 400),
        (b'{"days": null}', 400),
        (b'{"days": "7"}', 400),
        (b'{"days": 99999999999999999999999}', 400),
        (b'{"days": NaN}', 400),
        (b'{"days": [7]}', 400),
        (b'{"hours": 7}', 400),
        (b"[]", 400),
        (b"7", 400),
        (b"{", 400),
        (b'{"days": 7, "a": ' + b"[" * 100 + b"]" * 100 + b"}", 400),
        (b'{"days":' + b" " * 2_000_000 + b"7}", 413),
    ],
)
async def test_days_are_a_whole_number_from_1_to_365(body: bytes, status: int) -> None:
    fakes = some_fakes()
    async with fakes.serving() as client:
        headers = bearer("operator") | (JSON if body else {})
        path = f"/api/processes/{SHARED}/share/"
        made = await client.fetch(path, "POST", headers=headers, body=body)
        assert made.code == status
        assert len(fakes.shares.stored) == (status == 201)


async def test_links_are_listed_without_being_shown() -> None:
    async with some_fakes().serving() as client:
        path = f"/api/processes/{SHARED}/share/"
        empty = await client.fetch(path, headers=bearer("viewer"))
        assert json_of(empty) == {"shares": []}
        link = await share(client, days=3, by="alice")
        listed = await client.fetch(path, headers=bearer("viewer"))
        [entry] = json_of(listed)["shares"]
        assert set(entry) == {"created", "expires", "by"}
        assert entry["expires"] - entry["created"] == 3 * 86_400
        assert entry["by"] == "alice"
        assert link.split("/")[2].encode() not in listed.body
        assert listed.headers["ETag"]


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_links_to_no_process_are_404(method: str) -> None:
    async with some_fakes().serving() as client:
        for pk in ("99", "0", "x", "9999999999"):
            path = f"/api/processes/{pk}/share/"
            body = b"" if method == "POST" else None
            answer = await client.fetch(path, method, headers=bearer("operator"), body=body)
            assert answer.code == 404


@pytest.mark.parametrize(
    ("method", "role", "status"),
    [
        ("GET", "viewer", 200),
        ("POST", "viewer", 403),
        ("DELETE", "viewer", 403),
        ("POST", "operator", 201),
        ("DELETE", "operator", 204),
    ],
)
async def test_operators_share_and_viewers_do_not(method: str, role: str, status: int) -> None:
    async with some_fakes().serving() as client:
        body = b"" if method == "POST" else None
        path = f"/api/processes/{SHARED}/share/"
        answer = await client.fetch(path, method, headers=bearer(role), body=body)
        assert answer.code == status
        if status == 403:
            assert "operator" in json_of(answer)["detail"]


async def test_no_link_is_ever_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    fakes = some_fakes()
    async with fakes.serving() as client:
        link = await share(client)
        opened = await client.fetch(link)
        headers = {"Cookie": cookie_of(opened)}
        await client.fetch(link.removesuffix("/"))
        await client.fetch(link, "POST", headers=JSON, body=b"{}")
        await client.fetch(link, "DELETE")
        await client.fetch(f"/pipeline/{SHARED}", headers=headers)
        fakes.processes.fault = RuntimeError("broken")
        assert (await client.fetch(link)).code == 500
        assert (await client.fetch(f"/api/processes/{SHARED}/", headers=headers)).code == 500
        fakes.processes.fault = None
        await client.fetch(f"/api/processes/{SHARED}/share/", "DELETE", headers=bearer("operator"))
        await client.fetch(link)
    token = link.split("/")[2]
    text = "\n".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records)
    assert "share_made" in text
    assert "/shared/..." in text
    assert token not in text
