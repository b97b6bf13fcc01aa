"""Logs over HTTP and websockets: the same before and after they are sealed."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

from server.logs import pages
from server.logs.logs import Logs
from server.logs.segments.sealed import SealedLogs
from tests.integration.api.test_live import followed
from tests.integration.conftest import Client, Running

pytestmark = pytest.mark.gen_test(timeout=40)

T = TypeVar("T")
LINES = 5_000
FILTERS = ("level=info&q=LINE+49", "q=nowhere", "level=error", f"before={LINES - 100}&q=line+7")


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have pages wait for all their matches, however slow the machine is."""
    monkeypatch.setattr(pages, "PATIENT_SECONDS", 60.0)


async def there(running: Running, work: Coroutine[Any, Any, T]) -> T:
    """Return the result of work on the server's own loop."""
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, running.loop))


def logs_of(running: Running) -> Logs:
    assert running.server.services is not None
    return running.server.services.processes._logs


async def sealed(running: Running, pk: int) -> None:
    """Wait until a log is sealed, and drop what the server has of it in memory."""
    logs = logs_of(running)

    async def look() -> int:
        await logs.sealed.refresh(pk)
        return (await logs.sealed.of(pk)).last

    async def forget() -> None:
        logs.forget(pk)

    while await there(running, look()) < LINES or await there(running, _chunks(logs, pk)):
        await asyncio.sleep(0.05)
    await there(running, forget())


async def _chunks(logs: Logs, pk: int) -> int:
    return (await logs._chunks.end(pk)).line


async def everything(client: Client, running: Running, pk: int) -> list[Any]:
    """Return what each way of reading gives."""
    api = f"/api/processes/{pk}/logs"
    found = [await client.call(f"{api}/?limit=2000&{each}") for each in FILTERS]
    texts = [(await client.fetch(f"{api}.txt{each}")).body for each in ("", f"?{FILTERS[0]}")]
    cursors = [await client.call(f"{api}/?limit=700&after={after}") for after in (0, 2_345, LINES)]
    entries, _, _ = await followed(f"{running.socket_url}/ws/processes/{pk}/logs/?after=17")
    whole = await client.call(f"/api/pipeline/logs/{pk}/")
    return [found, texts, cursors, entries, whole]


async def test_every_way_of_reading_gives_the_same_once_a_log_is_sealed(
    client: Client, running: Running
) -> None:
    record = await client.run("Counts", lines=LINES)
    before = await everything(client, running, record["pk"])
    await sealed(running, record["pk"])
    assert await everything(client, running, record["pk"]) == before
    found, texts, cursors, entries, whole = before
    assert [len(page["lines"]) for page in found] == [111, 0, 0, 111]
    assert [page["next"] for page in found] == [LINES, LINES, LINES, 1]
    assert found[0]["counts"] == {"debug": 0, "info": LINES, "warning": 0, "error": 0}
    assert texts[0].decode() == whole["logs"]
    assert [len(page["lines"]) for page in cursors] == [700, 700, 0]
    assert [entry[0] for entry in entries] == list(range(18, LINES + 1))


async def test_pages_go_backwards_to_the_first_line(client: Client) -> None:
    record = await client.run("Counts", lines=100)
    path, numbers, before = f"/api/processes/{record['pk']}/logs/?limit=30", [], 10**6
    for _ in range(4):
        page = await client.call(f"{path}&before={before}")
        found = [entry[0] for entry in page["lines"]]
        assert page["next"] == found[0]
        numbers, before = found + numbers, page["next"]
    assert numbers == list(range(1, 101))
    assert page["ended"]
    assert (await client.call(f"{path}&before=1"))["lines"] == []
    assert (await client.fetch(f"{path}&before=5&after=5")).code == 400


async def test_a_damaged_log_is_an_error_and_leaves_the_page_of_the_process(
    client: Client, running: Running
) -> None:
    record = await client.run("Counts", lines=LINES)
    await sealed(running, record["pk"])
    for file in (running.server._folder.files / f"log-{record['pk']}").iterdir():
        file.unlink()
    for path in ("logs/?q=line", "logs.txt", "logs.txt?q=line", "logs/?after=7"):
        response = await client.fetch(f"/api/processes/{record['pk']}/{path}")
        assert response.code == 500
    assert (await client.fetch(f"/api/pipeline/logs/{record['pk']}/")).code == 500
    page = await client.fetch(record["view_url"])
    assert page.code == 200
    assert b"The log cannot be read" in page.body
    assert record["identifier"].encode() in page.body


@pytest.mark.parametrize("path", ["logs/?q=line", "logs.txt", "logs.txt?level=info"])
async def test_a_log_that_is_deleted_while_it_is_read_is_not_found(
    client: Client, running: Running, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    record = await client.run("Counts", lines=LINES)
    await sealed(running, record["pk"])
    read = SealedLogs.bytes_of

    async def deleted_first(self: SealedLogs, *arguments: Any) -> Any:
        await client.fetch(f"/api/processes/{record['pk']}/", method="DELETE")
        return await read(self, *arguments)

    monkeypatch.setattr(SealedLogs, "bytes_of", deleted_first)
    response = await client.fetch(f"/api/processes/{record['pk']}/{path}")
    assert response.code == 404
