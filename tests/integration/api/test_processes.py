"""Submitting, listing and reading processes on the real server."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.conftest import Client

pytestmark = pytest.mark.gen_test(timeout=30)

RECORD_KEYS = [
    "pk",
    "identifier",
    "created",
    "status",
    "terminal_timestamp",
    "failure_message",
    "view_url",
    "process_type",
    "pipeline",
    "target",
    "products",
    "flags",
    "state",
    "progress",
    "started",
    "attempt",
    "log_lines",
    "log_bytes",
    "outputs",
    "main",
    "group",
    "waiting_for",
    "resources",
    "submitted_by",
]


async def test_a_submit_answers_with_the_whole_record_and_its_place(client: Client) -> None:
    target = await client.make_target()
    products = await client.upload(target, ("a.fits", b"x"))
    wanted = {"target": target, "pipeline": "Chatty", "products": products, "flags": {}}
    response = await client.fetch("/api/processes/", "POST", wanted)
    assert response.code == 201
    made = await client.call(response.headers["Location"])
    assert list(made) == RECORD_KEYS
    assert (made["target"], made["products"]) == (target, products)
    assert made["flags"] == {"loud": False}
    ended = await client.ended(made["pk"])
    assert (ended["state"], ended["status"], ended["attempt"]) == ("succeeded", "created", 1)
    assert list(ended["resources"]) == ["cpu_seconds", "peak_rss_bytes", "exit"]
    await client.call(f"/api/processes/{made['pk']}/cancel/", "POST", b"", status=409)


async def test_what_cannot_run_is_400_and_makes_no_process(client: Client) -> None:
    target, other = await client.make_target(), await client.make_target()
    [product] = await client.upload(target, ("a.txt", b"x"))
    [foreign] = await client.upload(other, ("a.txt", b"x"))
    good: dict[str, Any] = {"target": target, "pipeline": "Counts", "products": [product]}
    bad: list[tuple[dict[str, Any], str]] = [
        ({"target": 999_999}, "target"),
        ({"pipeline": "Nonsense"}, "pipeline"),
        ({"products": []}, "products"),
        ({"products": [999_999]}, "products"),
        ({"products": [foreign]}, "products"),
        ({"pipeline": "Predecessor"}, "products"),
        ({"flags": {"deep": True}}, "flags"),
        ({"flags": {"deep": 1}}, "flags"),
        ({"state": "running"}, "state"),
    ]
    for change, field in bad:
        answer = await client.call("/api/processes/", "POST", good | change, 400)
        assert list(answer) == [field], change
    listed = await client.call(f"/api/processes/?target={target}")
    assert listed == {"processes": [], "next": None}
    assert (await client.call(f"/api/async/status/{target}/"))["processes"] == []


async def test_processes_are_listed_by_what_they_are(client: Client) -> None:
    target = await client.make_target()
    products = await client.upload(target, ("a.fits", b"x"))
    made = [await client.submit(name, target, products) for name in ("Counts", "Fails", "Counts")]
    for record in made:
        await client.ended(record["pk"])
    first, second, third = (record["pk"] for record in made)

    async def listed(query: str) -> list[int]:
        page = await client.call(f"/api/processes/?{query}")
        return [record["pk"] for record in page["processes"]]

    assert await listed(f"target={target}") == [third, second, first]
    assert await listed(f"target={target}&pipeline=Counts") == [third, first]
    assert await listed(f"target={target}&pipeline=Counts,Fails&state=failed") == [second]
    assert await listed(f"target={target}&state=queued,running") == []
    page = await client.call(f"/api/processes/?target={target}&limit=2")
    assert [record["pk"] for record in page["processes"]] == [third, second]
    assert await listed(f"target={target}&limit=2&before={page['next']}") == [first]


async def test_a_log_by_cursor_is_the_whole_log(client: Client) -> None:
    record = await client.run("Counts", lines=2500)
    url = f"/api/processes/{record['pk']}/logs"
    lines: list[list[Any]] = []
    ended = False
    while not ended:
        page = await client.call(f"{url}/?after={lines[-1][0] if lines else 0}&limit=999")
        lines += page["lines"]
        ended = page["ended"]
        assert page["next"] == lines[-1][0]
    assert [line[0] for line in lines] == list(range(1, len(lines) + 1))
    assert len(lines) == record["log_lines"]
    text = "".join(f"{line[3]}\n" for line in lines)
    assert (await client.fetch(f"{url}.txt")).body.decode() == text
    log = await client.call(f"/api/pipeline/logs/{record['pk']}/")
    assert log["logs"] == text


async def test_a_log_is_filtered_by_level_and_text(client: Client) -> None:
    record = await client.run("Chatty")
    url = f"/api/processes/{record['pk']}/logs"
    warnings = await client.call(f"{url}/?level=warning")
    assert {line[2] for line in warnings["lines"]} <= {"warning", "error"}
    assert warnings["next"] == record["log_lines"]
    found = await client.call(f"{url}/?q=FROM%20log")
    texts = [line[3] for line in found["lines"]]
    assert any("from log" in text for text in texts)
    assert all("from log" in text.lower() for text in texts)
    filtered = (await client.fetch(f"{url}.txt?q=FROM%20log")).body.decode()
    assert filtered == "".join(f"{text}\n" for text in texts)


async def test_pipelines_are_listed_with_what_they_take(client: Client) -> None:
    answer = await client.call("/api/pipelines/")
    pipelines = {pipeline["name"]: pipeline for pipeline in answer["pipelines"]}
    assert {"Timelapse", "Dummy", "Chatty"} <= set(pipelines)
    assert pipelines["Predecessor"]["allowed_suffixes"] == [".fits"]
    flags = {"loud": {"default": False, "long_name": "Say more"}}
    assert pipelines["Chatty"]["flags"] == flags
    assert pipelines["Chatty"]["error"] is None


async def test_a_process_that_runs_cannot_be_deleted(client: Client) -> None:
    target = await client.make_target()
    products = await client.upload(target, ("a.fits", b"x"))
    record = await client.submit("Waits", target, products)
    url = f"/api/processes/{record['pk']}/"
    await client.call(url, "DELETE", status=409)
    await client.call(f"{url}cancel/", "POST", b"", status=202)
    assert (await client.ended(record["pk"]))["state"] == "cancelled"
    await client.call(url, "DELETE", status=204)
    await client.call(url, "DELETE", status=404)


async def test_the_server_is_alive_and_ready(client: Client) -> None:
    assert await client.call("/healthz") == {"status": "ok"}
    assert await client.call("/readyz") == {"status": "ok"}


async def test_the_target_of_a_list_is_a_pk_or_400(client: Client) -> None:
    none = await client.call("/api/processes/?target=2147483647")
    assert none["processes"] == []
    for target in (2**31, 2**32, 2**63 - 1, 2**63):
        refused = await client.call(f"/api/processes/?target={target}", status=400)
        assert list(refused) == ["target"]
