"""`/api/openapi.json` and `/api/docs/`: what is sent, and that it asks no other host."""

from __future__ import annotations

import gzip
import json
import re
from html import unescape

import pytest

from handlers.description.routes import Description
from handlers.pages.base import POLICY
from tests.fakes.described import described
from tests.fakes.handler_fakes import Fakes, json_of

pytestmark = pytest.mark.gen_test(timeout=20)


async def test_the_description_is_sent_with_its_version() -> None:
    async with Fakes().serving() as client:
        first = await client.fetch("/api/openapi.json")
        etag = first.headers["ETag"]
        again = await client.fetch("/api/openapi.json", headers={"If-None-Match": etag})
        other = await client.fetch("/api/openapi.json", headers={"If-None-Match": 'W/"other"'})
        packed = await client.fetch(
            "/api/openapi.json", headers={"Accept-Encoding": "gzip"}, decompress_response=False
        )
    assert json_of(first) == json.loads(json.dumps(described()))
    assert (again.code, again.body) == (304, b"")
    assert other.body == first.body == gzip.decompress(packed.body)


async def test_it_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    whole = Description.document.func  # type: ignore[attr-defined]

    def document(self: Description) -> object:
        made.append(1)
        return whole(self)

    monkeypatch.setattr(Description.document, "func", document)
    async with Fakes().serving() as client:
        for path in ("/api/openapi.json", "/api/docs/", "/api/openapi.json", "/api/docs/"):
            assert (await client.fetch(path)).code == 200
    assert made == [1]


async def test_the_page_shows_each_operation_and_each_schema() -> None:
    async with Fakes().serving() as client:
        response = await client.fetch("/api/docs/")
    page = unescape(response.body.decode())
    for path, methods in described()["paths"].items():
        for method, said in methods.items():
            live = path.startswith("/ws/")
            heading = f'id="{said["operationId"]}"><b class="method">'
            heading += f"{'WS' if live else method.upper()}</b> <code>{path}</code>"
            assert heading in page
            if not live:
                assert f"requests.{method}(" in page
    for name in described()["components"]["schemas"]:
        assert f'id="schema-{name}"' in page
    assert "Needs the role <b>admin</b>" in page
    assert "Open to all" in page


async def test_the_page_asks_no_other_host_and_every_link_in_it_leads_somewhere() -> None:
    async with Fakes().serving() as client:
        response = await client.fetch("/api/docs/")
    page = response.body.decode()
    assert response.headers["Content-Security-Policy"] == POLICY
    asked = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert all(each.startswith(("/", "#")) and not each.startswith("//") for each in asked)
    anchors = set(re.findall(r'id="([^"]*)"', page))
    assert {each[1:] for each in asked if each.startswith("#")} <= anchors
    assert "style=" not in page
    assert "<script>" not in page


async def test_every_page_leads_to_it() -> None:
    async with Fakes().serving() as client:
        page = (await client.fetch("/")).body.decode()
    assert 'href="/api/docs/"' in page


@pytest.mark.parametrize("path", ["/api/openapi.json", "/api/docs/"])
async def test_both_need_a_token_where_there_are_tokens(path: str) -> None:
    fakes = Fakes()
    fakes.configure(http={"tokens": ["secret"]})
    async with fakes.serving() as client:
        refused = await client.fetch(path)
        let_in = await client.fetch(path, headers={"Authorization": "Bearer secret"})
    assert (refused.code, let_in.code) == (401, 200)
