"""The two endpoints of the specification, to the letter, on the real server."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.integration.conftest import Client

pytestmark = pytest.mark.gen_test(timeout=30)

PROCESS_KEYS = [
    "identifier",
    "created",
    "status",
    "terminal_timestamp",
    "failure_message",
    "view_url",
]
LOG_KEYS = [*PROCESS_KEYS, "logs", "group_name", "group_url"]


def check_types(process: dict[str, Any]) -> None:
    assert isinstance(process["identifier"], str)
    assert isinstance(process["created"], float)
    assert isinstance(process["status"], str)
    assert isinstance(process["terminal_timestamp"], float | None)
    assert isinstance(process["failure_message"], str | None)
    assert isinstance(process["view_url"], str | None)


async def test_the_status_of_a_target_without_processes(client: Client) -> None:
    target = await client.make_target()
    before = time.time()
    answer = await client.call(f"/api/async/status/{target}/")
    assert list(answer) == ["timestamp", "processes"]
    assert before <= answer["timestamp"] <= time.time()
    assert answer["processes"] == []


async def test_the_status_shows_all_processes_of_the_target_newest_first(client: Client) -> None:
    target = await client.make_target("Order")
    products = await client.upload(target, ("a.fits", b"x"))
    submitted = [await client.submit(name, target, products) for name in ("Counts", "Fails")]
    ended = [await client.ended(record["pk"]) for record in submitted]
    answer = await client.call(f"/api/async/status/{target}/")
    assert [list(process) for process in answer["processes"]] == [PROCESS_KEYS, PROCESS_KEYS]
    for process, record in zip(answer["processes"], reversed(ended), strict=True):
        check_types(process)
        assert process == {key: record[key] for key in PROCESS_KEYS}
        assert process["created"] <= process["terminal_timestamp"] <= answer["timestamp"]
        assert process["view_url"] == f"/pipeline/{record['pk']}"
    failed, succeeded = answer["processes"]
    assert (failed["status"], succeeded["status"]) == ("failed", "created")
    assert failed["failure_message"] == "The stars were not right"
    assert succeeded["failure_message"] is None
    newest = await client.call(f"/api/async/status/{target}/?limit=1")
    assert newest["processes"] == [failed]


async def test_a_poll_that_found_nothing_new_is_304(client: Client) -> None:
    target = await client.make_target()
    url = f"/api/async/status/{target}/"
    etag = (await client.fetch(url)).headers["Etag"]
    again = await client.fetch(url, headers={"If-None-Match": etag})
    assert (again.code, again.body) == (304, b"")
    products = await client.upload(target, ("a.fits", b"x"))
    record = await client.submit("Counts", target, products)
    changed = await client.fetch(url, headers={"If-None-Match": etag})
    assert changed.code == 200
    await client.ended(record["pk"])


async def test_the_log_of_a_pipeline_is_its_status_its_text_and_its_group(client: Client) -> None:
    record = await client.run("Counts", lines=3)
    answer = await client.call(f"/api/pipeline/logs/{record['pk']}/")
    assert list(answer) == LOG_KEYS
    check_types(answer)
    assert answer["logs"].startswith("line 1\nline 2\nline 3\n")
    assert answer["group_name"] == f"{record['identifier']}_outputs"
    assert answer["group_url"] == f"/dataproducts/data/group/{record['group']}/"


async def test_a_log_without_lines_is_empty_and_has_no_group(client: Client) -> None:
    target = await client.make_target()
    products = await client.upload(target, ("a.fits", b"x"))
    record = await client.submit("Waits", target, products)
    answer = await client.call(f"/api/pipeline/logs/{record['pk']}/")
    assert isinstance(answer["logs"], str)
    assert answer["group_name"] is None
    assert answer["group_url"] is None
    await client.call(f"/api/processes/{record['pk']}/cancel/", "POST", b"", status=202)
    await client.ended(record["pk"])


async def test_a_timelapse_has_a_status_but_no_pipeline_log(client: Client) -> None:
    target = await client.make_target("No Film")
    products = await client.upload(target, ("a.fits", b"not really FITS"))
    record = await client.submit("Timelapse", target, products)
    assert record["identifier"].startswith("timelapse_no-film_")
    assert record["identifier"].endswith(".webm")
    ended = await client.ended(record["pk"])
    assert ended["view_url"] is None
    for path in (f"/api/pipeline/logs/{record['pk']}/", f"/ws/pipeline/logs/{record['pk']}/"):
        response = await client.fetch(path)
        assert (response.code, json.loads(response.body)) == (404, {"detail": "Not found."})
    assert (await client.call(f"/api/target/{target}/"))["timelapses"] == []


@pytest.mark.parametrize("pk", ["0", "999999", "2147483648", "99999999999999999999", "m13", "1.0"])
async def test_an_unknown_pk_is_404(client: Client, pk: str) -> None:
    for path in (f"/api/async/status/{pk}/", f"/api/pipeline/logs/{pk}/"):
        response = await client.fetch(path)
        assert (response.code, json.loads(response.body)) == (404, {"detail": "Not found."})
