"""Links to one process, tickets, and who submitted what, on a real server."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tornado.httpclient import HTTPClientError, HTTPRequest, HTTPResponse
from tornado.websocket import websocket_connect

from tests.fakes.callers import bearer, identify_by_word
from tests.integration.api.test_live import connected
from tests.integration.conftest import Client, Running, make_config, serving

pytestmark = pytest.mark.gen_test(timeout=50)

ALICE, BOB = bearer("operator", "alice"), bearer("admin", "bob")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Yield a server where everybody has to say who they are."""
    with pytest.MonkeyPatch.context() as patch:
        identify_by_word(patch)
        with serving(make_config(tmp_path_factory.mktemp("guarded"))) as running:
            yield running


class Known(Client):
    """A client that says who it is."""

    async def fetch(
        self, path: str, method: str = "GET", body: Any = None, **options: Any
    ) -> HTTPResponse:
        headers = {**BOB, **options.pop("headers", {})}
        return await super().fetch(path, method, body, headers=headers, **options)


@pytest.fixture
def known(guarded: Running) -> Known:
    return Known(guarded.url)


async def opened(client: Client, url: str) -> dict[str, str]:
    """Open a link; return the headers of the guest who did."""
    page = await Client(client.url).fetch(url)
    assert page.code == 200
    return {"Cookie": page.headers["Set-Cookie"].partition(";")[0]}


async def share(client: Client, pk: int) -> str:
    made = await client.call(f"/api/processes/{pk}/share/", "POST", status=201)
    return str(made["url"])


async def test_a_link_shows_the_whole_run_to_whoever_has_it(known: Known) -> None:
    record = await known.run("Outputs")
    other = await known.run("Outputs")
    guest = Client(known.url)
    headers = await opened(known, await share(known, record["pk"]))
    shown = await guest.call(f"/api/processes/{record['pk']}/", headers=headers)
    assert shown == record
    text = await guest.fetch(f"/api/processes/{record['pk']}/logs.txt", headers=headers)
    whole = await known.fetch(f"/api/processes/{record['pk']}/logs.txt")
    assert (text.code, text.body) == (200, whole.body)
    page = await guest.call(f"/api/processes/{record['pk']}/logs/?limit=1", headers=headers)
    assert len(page["lines"]) == min(1, record["log_lines"])
    assert record["outputs"]
    for pk in record["outputs"]:
        product = await guest.call(f"/api/dataproducts/{pk}/", headers=headers)
        file = await guest.fetch(product["url"], headers=headers | {"Range": "bytes=0-0"})
        assert file.code == 206
    group = f"/dataproducts/data/group/{record['group']}/"
    zipped = await guest.fetch(f"{group}zip", headers=headers)
    assert len(zipfile.ZipFile(io.BytesIO(zipped.body)).namelist()) == len(record["outputs"])
    refused = [f"/api/processes/{other['pk']}/", f"/dataproducts/{other['outputs'][0]}/"]
    refused += [f"/dataproducts/{record['products'][0]}/", f"/targets/{record['target']}/"]
    refused += [f"/dataproducts/data/group/{other['group']}/zip", "/", "/api/pipelines/"]
    for path in refused:
        assert (await guest.fetch(path, headers=headers)).code == 401, path


async def test_a_guest_follows_a_run_live_and_is_told_of_no_other(known: Known) -> None:
    target = await known.make_target(extra_fields={"lines": 30, "pause": 0.02})
    products = await known.upload(target, ("a.fits", b"x"))
    record = await known.submit("Counts", target, products)
    headers = await opened(known, await share(known, record["pk"]))
    url = f"{known.url.replace('http', 'ws', 1)}/ws/processes/{record['pk']}/logs/"
    lines: list[Any] = []
    request = HTTPRequest(url, headers=headers)
    async with asyncio.timeout(30), connected(request) as socket:
        while (message := await socket.read_message()) is not None:
            found = json.loads(message)
            lines += found.get("lines", [])
            assert "held by" not in str(found.get("process", {}).get("waiting_for"))
    assert socket.close_code == 1000
    assert [line[0] for line in lines] == list(range(1, 31))


async def test_deleting_a_process_deletes_its_links(guarded: Running, known: Known) -> None:
    record = await known.run("Outputs")
    url = await share(known, record["pk"])
    headers = await opened(known, url)
    await known.call(f"/api/processes/{record['pk']}/", "DELETE", status=204)
    assert (await Client(known.url).fetch(url)).code == 404
    gone = f"/api/processes/{record['pk']}/"
    assert (await Client(known.url).fetch(gone, headers=headers)).code in (401, 404)
    shares = guarded.server.services.shares
    left = asyncio.run_coroutine_threadsafe(shares.find(record["pk"]), guarded.loop)
    assert await asyncio.wrap_future(left) == []


async def test_a_ticket_opens_one_websocket_of_a_real_server(known: Known) -> None:
    record = await known.run("Outputs")
    made = await known.call("/api/tickets/", "POST", status=201)
    url = f"{known.url.replace('http', 'ws', 1)}/ws/processes/{record['pk']}/logs/"
    url += f"?ticket={made['ticket']}"
    tried = [websocket_connect(url) for _ in range(4)]
    results = await asyncio.gather(*tried, return_exceptions=True)
    refused = [each for each in results if isinstance(each, HTTPClientError)]
    assert [each.code for each in refused] == [401, 401, 401]
    for each in results:
        if not isinstance(each, BaseException):
            each.close()


async def test_a_record_says_who_submitted_it_and_a_repeat_leaves_it(known: Known) -> None:
    target = await known.make_target()
    products = await known.upload(target, ("a.fits", b"x"))
    body = {"target": target, "pipeline": "Outputs", "products": products}
    key = {"Idempotency-Key": "who-was-it"}
    first = await known.call("/api/processes/", "POST", body, status=201, headers=ALICE | key)
    assert first["submitted_by"] == "alice"
    assert list(first)[-1] == "submitted_by"
    again = await known.fetch("/api/processes/", "POST", body, headers=BOB | key)
    assert json.loads(again.body)["submitted_by"] == "alice"
    ended = await known.ended(first["pk"])
    assert ended["submitted_by"] == "alice"
    receipt = await known.call(f"/api/processes/{first['pk']}/receipt/")
    assert receipt["submitted_by"] == "alice"
    rerun = await known.call(f"/api/processes/{first['pk']}/rerun/", "POST", status=201)
    assert rerun["submitted_by"] == "bob"
    unnamed = bearer("operator")
    third = await known.call("/api/processes/", "POST", body, status=201, headers=unnamed)
    assert third["submitted_by"] is None
    for path, words in (
        (f"/processes/{first['pk']}", b"by alice"),
        (f"/processes/{first['pk']}/receipt/", b"<dd>alice</dd>"),
    ):
        assert words in (await known.fetch(path)).body
    status = await known.call(f"/api/async/status/{target}/")
    assert all(len(process) == 6 for process in status["processes"])


@pytest.mark.slow
async def test_links_and_names_outlive_a_restart(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        identify_by_word(patch)
        config = make_config(tmp_path)
        with serving(config) as running:
            client = Known(running.url)
            record = await client.run("Outputs")
            url = await share(client, record["pk"])
        with serving(config) as running:
            client = Known(running.url)
            headers = await opened(client, url)
            shown = await client.call(f"/api/processes/{record['pk']}/", headers=headers)
            assert shown["submitted_by"] == "bob"
