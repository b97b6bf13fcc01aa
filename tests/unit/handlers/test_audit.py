"""The audit trail: each change through HTTP leaves one line that says who, what and from where."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any, NamedTuple, cast

import pytest

from handlers.access.redaction import logged_path
from handlers.http.access_control import allowed_methods
from handlers.pages.login import LoginPage, LogoutHandler
from handlers.pages.not_found import UnknownHandler
from handlers.pages.sessions import SessionsPage
from handlers.routes import all_routes
from server.core.records import DataProductGroup, State
from tests.fakes.callers import bearer, identify_by_word
from tests.fakes.handler_fakes import Client, Fakes
from tests.fakes.some_records import NOW, a_process

pytestmark = pytest.mark.gen_test

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "multipart/form-data; boundary=x"}
FILE = (
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.fits"\r\n\r\nabc\r\n--x--\r\n'
)


OLD_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Change(NamedTuple):
    """A request that changes something, and what the trail must say of it."""

    method: str
    path: str
    body: bytes | None
    action: str
    ids: dict[str, Any]
    headers: dict[str, str] = JSON
    status: int = 200


CHANGES = (
    Change("POST", "/api/targets/", b'{"name": "x"}', "target_created", {"target_pk": 2}),
    Change("PATCH", "/api/targets/1/", b'{"name": "x"}', "target_changed", {"target_pk": 1}),
    Change("DELETE", "/api/targets/1/?force=true", None, "target_deleted", {"target_pk": 1}),
    Change(
        "POST",
        "/api/targets/1/dataproducts/",
        FILE,
        "products_uploaded",
        {"target_pk": 1, "product_pks": [10]},
        FORM,
    ),
    Change("DELETE", "/api/dataproducts/7/", None, "product_deleted", {"product_pk": 7}),
    Change(
        "POST",
        "/api/targets/1/lightcurve/",
        b'{"product": 7}',
        "light_curve_imported",
        {"target_pk": 1, "product_pk": 7},
    ),
    Change(
        "POST", "/api/groups/", b'{"name": "g", "products": [7]}', "group_created", {"group_pk": 37}
    ),
    Change("DELETE", "/api/groups/71/", None, "group_deleted", {"group_pk": 71}),
    Change(
        "POST", "/api/groups/71/products/", b'{"products": [7]}', "group_extended", {"group_pk": 71}
    ),
    Change(
        "POST",
        "/api/processes/53/move/",
        b'{"to": "front"}',
        "process_moved",
        {"process_pk": 53, "to": "front"},
    ),
    Change(
        "POST",
        "/api/processes/",
        b'{"target": 1, "pipeline": "Dummy", "products": [7]}',
        "process_submitted",
        {"process_pk": 51, "target_pk": 1},
    ),
    Change("POST", "/api/processes/53/cancel/", b"", "process_cancelled", {"process_pk": 53}),
    Change(
        "POST",
        "/api/processes/52/rerun/",
        b"",
        "process_rerun",
        {"process_pk": 53, "rerun_of": 52},
    ),
    Change("DELETE", "/api/processes/52/", None, "process_deleted", {"process_pk": 52}),
    Change("POST", "/api/processes/52/share/", b"", "share_made", {"process_pk": 52, "days": 7}),
    Change("DELETE", "/api/processes/52/share/", None, "shares_revoked", {"process_pk": 52}),
    Change("POST", "/api/tickets/", b"", "ticket_made", {}),
    Change(
        "POST",
        "/targets/1/data/",
        b"action=pipeline&pipeline_name=Dummy&7=on",
        "process_submitted",
        {"process_pk": 51, "target_pk": 1},
        OLD_FORM,
    ),
    Change(
        "POST",
        "/gallery/",
        b"product_pks=7&7=on&group=71",
        "group_extended",
        {"group_pk": 71, "products": 1},
        OLD_FORM,
    ),
    Change(
        "POST",
        "/dataproducts/deletemultiple/",
        b"product_pks=7",
        "product_deleted",
        {"product_pk": 7, "target_pk": 1},
        OLD_FORM,
    ),
)
#: These change nothing of the observatory; what they do is noted by the code that does it.
EXEMPT = (UnknownHandler, LoginPage, LogoutHandler, SessionsPage)


@pytest.fixture(autouse=True)
def callers(monkeypatch: pytest.MonkeyPatch) -> None:
    identify_by_word(monkeypatch)


def some_fakes(folder: Path) -> Fakes:
    fakes = Fakes(folder)
    ended = {"state": State.SUCCEEDED, "terminal_timestamp": NOW}
    fakes.processes.records = {52: a_process(52, **ended), 53: a_process(53)}
    fakes.archive.keep(7, "a.csv", b"x")
    fakes.archive.stored_groups[71] = DataProductGroup(pk=71, created=NOW, name="g", products=[])

    async def nothing(*_given: Any, **_named: Any) -> Any:
        return cast(Any, type("Imported", (), {"new": 1, "known": 0}))

    fakes.archive.light_curves = cast(Any, type("Curves", (), {"add": staticmethod(nothing)}))
    fakes.archive.products.delete = nothing  # type: ignore[method-assign]
    return fakes


def trail(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name == "heliograph.audit"]


async def done(client: Client, change: Change, role: str = "admin") -> int:
    headers = bearer(role, "alice") | (change.headers if change.body else {})
    answer = await client.fetch(change.path, change.method, headers=headers, body=change.body)
    return answer.code


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.action)
async def test_a_change_leaves_one_line_of_who_what_and_from_where(
    change: Change, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with some_fakes(tmp_path).serving() as client:
        assert await done(client, change) < 400  # pages redirect
    [line] = trail(caplog)
    expected = {"action": change.action, "address": "127.0.0.1", "token": "alice", **change.ids}
    assert {name: getattr(line, name) for name in expected} == expected
    assert "alice from 127.0.0.1" in line.getMessage()
    assert line.levelno == (logging.DEBUG if change.action == "ticket_made" else logging.INFO)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.action)
async def test_what_was_refused_leaves_none(
    change: Change, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with some_fakes(tmp_path).serving() as client:
        if change.action != "ticket_made":
            assert await done(client, change, "viewer") == 403
        foreign = change._replace(headers=change.headers | {"Origin": "http://evil.example"})
        assert await done(client, foreign._replace(body=change.body or b"{}")) == 403
        missing = change._replace(path=change.path.replace("/5", "/995"))
        if missing.path != change.path:
            assert await done(client, missing) == 404
    assert trail(caplog) == []


async def test_a_repeated_submit_leaves_no_further_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    [submit] = [change for change in CHANGES if change.path == "/api/processes/"]
    async with some_fakes(tmp_path).serving() as client:
        assert [await done(client, submit) for _ in range(2)] == [201, 200]
    assert len(trail(caplog)) == 1


def test_every_route_that_changes_something_is_tried_here() -> None:
    tried = {(change.method, change.path.partition("?")[0]) for change in CHANGES}
    untried = [
        (method, route.regex.pattern)
        for route in all_routes(cast(Any, None))
        for method in set(allowed_methods(route.handler_class)) - {"GET", "HEAD", "OPTIONS"}
        if not issubclass(route.handler_class, EXEMPT)
        and not any(method == one and route.regex.fullmatch(path) for one, path in tried)
    ]
    assert untried == []


def test_every_action_is_written_out_where_it_is_noted() -> None:
    folder = Path(__file__).parents[3] / "handlers"
    text = "\n".join(path.read_text("utf-8") for path in folder.rglob("*.py"))
    noted = re.findall(r"self\.audit\(\s*(\S+?)[,)]", text)
    assert {f'"{change.action}"' for change in CHANGES} <= set(noted)
    assert all(re.fullmatch(r'"[a-z]+(_[a-z]+)*"', action) for action in noted)


@pytest.mark.parametrize(
    ("path", "logged"),
    [
        ("/shared/abc/", "/shared/.../"),
        ("/shared/abc", "/shared/..."),
        ("/prefix/shared/abc/", "/prefix/shared/.../"),
        ("/shared/", "/shared/"),
        ("/targets/1/", "/targets/1/"),
    ],
)
def test_a_logged_path_has_no_link(path: str, logged: str) -> None:
    assert logged_path(path) == logged


async def test_the_access_log_has_no_query_and_no_link(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    fakes = some_fakes(tmp_path)
    async with fakes.serving() as client:
        await client.fetch("/shared/a-secret/?ticket=a-secret")
        await client.fetch("/ws/pipeline/logs/52/?ticket=a-secret")
    said = [record.getMessage() for record in caplog.records]
    assert any("GET /shared/.../ 404" in line for line in said)
    assert not any("a-secret" in line for line in said)
