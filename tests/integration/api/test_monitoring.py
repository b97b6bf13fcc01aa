"""What a real server says of itself, and that the dashboard and the alerts ask for that."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from tornado.websocket import websocket_connect

from tests.integration.conftest import Client, Running, make_config, serving

pytestmark = pytest.mark.gen_test(timeout=60)

DEPLOY = Path(__file__).parents[3] / "deploy"
#: What the dashboard does not show, each with its reason.
NOT_SHOWN: dict[str, str] = {}
#: What Prometheus itself adds.
PROMETHEUS_SERIES = {"up": {"job", "instance"}}
PROMETHEUS_LABELS = {"job", "instance", "le"}
SERIES = re.compile(r"\b((?:heliograph|process)_\w+|up)\b(\{[^}]*\})?")
GROUPED = re.compile(r"\bby \(([^)]*)\)")
MATCHED = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"')

Series = dict[tuple[str, ...], float]


async def families(client: Client) -> dict[str, Metric]:
    """Return the answer of `/metrics`, by the names of its families."""
    response = await client.fetch("/metrics")
    assert response.code == 200
    found = text_string_to_metric_families(response.body.decode())
    return {family.name: family for family in found}


async def series(client: Client, name: str) -> Series:
    """Return the values of a series by the values of its labels."""
    return {
        tuple(sample.labels[label] for label in sorted(sample.labels)): sample.value
        for family in (await families(client)).values()
        for sample in family.samples
        if sample.name == name
    }


def names_of(family: Metric) -> set[str]:
    """Return the names of a family's series."""
    endings = {
        "counter": ["_total"],
        "histogram": ["_bucket", "_sum", "_count"],
        "gauge": [""],
    }
    return {family.name + ending for ending in endings[family.type]}


def expressions(tree: Any) -> Iterator[str]:
    """Yield every expression of a dashboard or of rules."""
    if isinstance(tree, dict):
        yield from (tree[key] for key in ("expr",) if key in tree)
        if isinstance(tree.get("query"), dict):
            yield re.sub(
                r"label_values\((.*), (\w+)\)", r"sum by (\2) (\1)", tree["query"]["query"]
            )
        for value in tree.values():
            yield from expressions(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from expressions(value)


def dashboard() -> Any:
    """Return the dashboard."""
    return json.loads((DEPLOY / "grafana/heliograph.json").read_text(encoding="utf-8"))


def alerts() -> list[dict[str, Any]]:
    """Return the alerts."""
    text = (DEPLOY / "prometheus/alerts.yml").read_text(encoding="utf-8")
    [group] = yaml.safe_load(text)["groups"]
    return list(group["rules"])


def asked_for(tree: Any) -> dict[str, set[str]]:
    """Return the series that expressions name, each with the labels that they use of it."""
    found: dict[str, set[str]] = {}
    for expression in expressions(tree):
        grouped = {
            label.strip() for labels in GROUPED.findall(expression) for label in labels.split(",")
        }
        for name, matchers in SERIES.findall(expression):
            found.setdefault(name, set()).update(MATCHED.findall(matchers), grouped)
    return found


async def exercise(client: Client, running: Running) -> None:
    """Have something of each kind happen, so that every family has its labels."""
    await client.run("Counts", 3)
    await client.run("Raises")
    await client.fetch("/nowhere/")
    target = await client.make_target()
    socket = await websocket_connect(f"{running.socket_url}/ws/async/status/{target}/")
    await socket.read_message()
    socket.close()


async def test_the_dashboard_and_the_alerts_ask_for_what_there_is(
    client: Client, running: Running
) -> None:
    await exercise(client, running)
    known = await families(client)
    names = {name for family in known.values() for name in names_of(family)} | {"up"}
    asked = asked_for(dashboard())
    for name, labels in asked_for(alerts()).items():
        asked.setdefault(name, set()).update(labels)
    assert len(asked) > 25
    assert asked.keys() - names == set()
    # Of a family that nothing has been counted in yet, the labels are not known.
    labels = {
        sample.name: set(sample.labels) | PROMETHEUS_LABELS
        for family in known.values()
        for sample in family.samples
    } | PROMETHEUS_SERIES
    unknown = {name: used - labels[name] for name, used in asked.items() if name in labels}
    assert {name: extra for name, extra in unknown.items() if extra} == {}


async def test_every_metric_is_on_the_dashboard(client: Client) -> None:
    known = await families(client)
    shown = asked_for(dashboard())
    missing = {name for name, family in known.items() if not names_of(family) & shown.keys()}
    assert missing == NOT_SHOWN.keys()
    assert all(family.documentation for family in known.values())


def test_panels_have_units_titles_and_places_of_their_own() -> None:
    panels = dashboard()["panels"]
    places = set()
    for panel in panels:
        assert panel["title"]
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & places
        assert place["x"] + place["w"] <= 24
        places |= cells
        if panel["type"] != "row":
            defaults = panel["fieldConfig"]["defaults"]
            assert defaults["unit"]
            assert defaults["thresholds"]["steps"]
            assert panel["targets"]
    numbers = [panel["id"] for panel in panels]
    assert len(set(numbers)) == len(numbers)
    assert len({panel["title"] for panel in panels}) == len(panels)


def test_every_alert_says_what_is_wrong_and_what_to_do() -> None:
    for rule in alerts():
        assert re.fullmatch(r"Heliograph[A-Z]\w+", rule["alert"])
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"].keys() == {"summary", "description"}
        assert re.search(r"[<>=]", rule["expr"])
    assert len({rule["alert"] for rule in alerts()}) == len(alerts()) > 10


async def test_runs_are_counted_with_their_outcome_wait_and_lines(client: Client) -> None:
    ended, stored_lines = "heliograph_processes_ended_total", "heliograph_log_lines_stored_total"
    before, lines = await series(client, ended), await series(client, stored_lines)
    record = await client.run("Counts", 5)
    await client.run("Raises")
    after = await series(client, ended)
    assert after["succeeded", "Counts"] - before["succeeded", "Counts"] == 1
    assert after["failed", "Raises"] - before["failed", "Raises"] == 1
    stored = (await series(client, stored_lines))[()] - lines[()]
    assert stored >= record["log_lines"] >= 5
    for name in ("heliograph_run_seconds_count", "heliograph_run_wait_seconds_count"):
        assert any("Counts" in labels for labels in await series(client, name))


async def test_a_process_that_is_cancelled_in_the_queue_is_counted(client: Client) -> None:
    target = await client.make_target(extra_fields={"lines": 1})
    products = await client.upload(target, ("a.fits", b"x"))
    running = [await client.submit("Waits", target, products) for _ in range(2)]
    for record in running:
        await client.until(record["pk"], lambda record: record["state"] == "running")
    waiting = await client.submit("Waits", target, products)
    status = await client.call("/api/status/")
    assert (status["running"], status["running_here"], status["slots"]) == (2, 2, 2)
    assert status["queue_length"] == 1
    assert 0 <= status["queue_age_seconds"] < 60
    assert await series(client, "heliograph_queue_length") == {(): 1}
    ended = "heliograph_processes_ended_total"
    before = (await series(client, ended))["cancelled", "Waits"]
    for record in (waiting, *running):
        await client.call(f"/api/processes/{record['pk']}/cancel/", "POST", b"", status=202)
        await client.ended(record["pk"])
    assert (await series(client, ended))["cancelled", "Waits"] - before == 3
    assert (await client.call("/api/status/"))["queue_age_seconds"] is None


STATUS_KEYS = [
    "timestamp",
    "version",
    "schema",
    "server_id",
    "started",
    "slots",
    "dashboard",
    "running",
    "running_here",
    "queue_length",
    "queue_age_seconds",
    "failed_24h",
    "viewers",
    "disk_free_bytes",
    "disk_used_bytes",
    "database_bytes",
]


async def test_the_status_has_the_keys_that_are_documented(client: Client) -> None:
    status = await client.call("/api/status/")
    assert list(status) == STATUS_KEYS
    assert abs(status["timestamp"] - time.time()) < 10
    assert status["started"] < status["timestamp"]
    assert min(status["disk_free_bytes"], status["disk_used_bytes"], status["database_bytes"]) > 0
    page = (DEPLOY.parent / "docs/api.md").read_text(encoding="utf-8")
    section = page.partition("### `GET /api/status/`")[2].partition("###")[0]
    example = json.loads(section.partition("```json")[2].partition("```")[0])
    assert list(example) == STATUS_KEYS
    described = section.partition("| Of this server")[2]
    assert all(f"`{key}`" in described for key in STATUS_KEYS[1:])


async def test_a_failure_shows_in_the_status(client: Client, running: Running) -> None:
    await client.run("Raises")
    figures = running.server.services
    async with asyncio.timeout(30):  # what is measured is kept for some seconds
        while (await figures.server_status())["failed_24h"] < 1:
            await asyncio.sleep(0.1)


async def test_viewers_are_shown_by_kind(client: Client, running: Running) -> None:
    target = await client.make_target()
    before = (await series(client, "heliograph_viewers"))[("status",)]
    socket = await websocket_connect(f"{running.socket_url}/ws/async/status/{target}/")
    await socket.read_message()
    assert (await series(client, "heliograph_viewers"))[("status",)] == before + 1
    socket.close()


async def test_a_database_call_is_measured_and_one_that_fails_is_counted(client: Client) -> None:
    calls = await series(client, "heliograph_database_call_seconds_count")
    await client.make_target()
    after = await series(client, "heliograph_database_call_seconds_count")
    assert after[("insert",)] > calls[("insert",)]


def engine_of(data: Path) -> psutil.Process:
    """Return the database engine of a data folder."""
    children = psutil.Process().children()
    [engine] = [child for child in children if str(data / "database") in child.cmdline()]
    return engine


def newest_examiner() -> psutil.Process:
    """Return the examiner of the server that was started last."""
    children = psutil.Process().children()
    examiners = [child for child in children if "runners.examiner" in child.cmdline()]
    return max(examiners, key=lambda child: child.create_time())


@pytest.mark.slow
async def test_children_that_are_started_again_are_counted(tmp_path: Path) -> None:
    with serving(make_config(tmp_path)) as own:
        client = Client(own.url)
        assert set((await series(client, "heliograph_restarts_total")).values()) == {0}
        for child in (engine_of(tmp_path), newest_examiner()):
            child.kill()
        async with asyncio.timeout(30):
            while True:
                found = await series(client, "heliograph_restarts_total")
                if found["examiner",] == found["database engine",] == 1:
                    break
                await asyncio.sleep(0.05)
        assert found["pool",] == 0


@pytest.mark.slow
async def test_the_answer_does_not_wait_for_a_database_that_is_away(tmp_path: Path) -> None:
    with serving(make_config(tmp_path)) as own:
        client = Client(own.url)
        before = await client.call("/api/status/")
        engine = engine_of(tmp_path)
        engine.suspend()
        try:
            started = time.monotonic()
            for _ in range(5):
                assert await series(client, "heliograph_slots") == {(): 2}
            status = await client.call("/api/status/")
            assert time.monotonic() - started < 10  # a call of the database would take 20 s
        finally:
            engine.resume()
        assert status["failed_24h"] == before["failed_24h"] == 0
