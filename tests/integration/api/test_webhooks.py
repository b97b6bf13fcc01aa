"""Webhooks of a real server: each event once and signed, again after failures, none lost."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from server.config.webhooks import Webhook
from server.operations.notifications import sender
from tests.integration.conftest import Client, make_config, serving

pytestmark = pytest.mark.gen_test(timeout=60)

SECRET = "a-long-secret"


@dataclass
class Listener:
    """A webhook's other end: answers with these statuses in turn, the last one for ever."""

    answers: list[int]
    calls: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks/s3cret?key=t0ken"

    def events(self) -> list[tuple[int, str]]:
        """Return process and event of each call, in order."""
        bodies = [json.loads(body) for _, body in self.calls]
        return [(body["process"]["pk"], body["event"]) for body in bodies]

    @contextmanager
    def listening(self) -> Iterator[Listener]:
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                listener.calls.append((dict(self.headers), body))
                left = listener.answers
                self.send_response(left.pop(0) if len(left) > 1 else left[0])
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Keep the output of the tests clean."""

        server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "BACK_OFF_SECONDS", (0.05, 0.05, 0.05))


async def deliveries(client: Client, count: int) -> list[dict[str, Any]]:
    """Return all deliveries, oldest first, once so many have ended."""
    async with asyncio.timeout(50):
        while True:
            shown = (await client.call("/api/webhooks/"))["deliveries"]
            if sum(each["state"] != "waiting" for each in shown) >= count:
                return list(reversed(shown))
            await asyncio.sleep(0.02)


async def test_each_move_is_told_once_in_order_and_signed(tmp_path: Path) -> None:
    with Listener([204]).listening() as listener:
        events = ("queued", "running", "succeeded", "failed")
        webhook = Webhook(url=listener.url, events=events, secret=SECRET)
        with serving(replace(make_config(tmp_path), webhooks=(webhook,))) as running:
            client = Client(running.url)
            good, bad = [await client.run(name) for name in ("Counts", "Fails")]
            await deliveries(client, 6)
    assert listener.events() == [
        (good["pk"], "queued"),
        (good["pk"], "running"),
        (good["pk"], "succeeded"),
        (bad["pk"], "queued"),
        (bad["pk"], "running"),
        (bad["pk"], "failed"),
    ]
    headers, body = listener.calls[-1]
    expected = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    assert headers["X-Heliograph-Signature"] == f"sha256={expected}"
    assert json.loads(body)["process"] == bad
    assert len({each["X-Heliograph-Delivery"] for each, _ in listener.calls}) == 6


async def test_a_failure_is_tried_again_and_shown_and_no_secret_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with Listener([500, 302, 200]).listening() as listener:
        webhook = Webhook(url=listener.url, secret=SECRET)
        with serving(replace(make_config(tmp_path), webhooks=(webhook,))) as running:
            client = Client(running.url)
            await client.run("Counts")
            (delivery,) = await deliveries(client, 1)
            page = (await client.fetch("/webhooks/")).body.decode()
            shown = await client.call("/api/webhooks/")
    assert (delivery["tries"], delivery["state"], delivery["answer"]) == (3, "delivered", 200)
    assert shown["webhooks"] == [
        {
            "receiver": f"http://127.0.0.1:{listener.port}/…",
            "events": ["succeeded", "failed", "cancelled"],
            "signed": True,
        }
    ]
    assert "delivered" in page
    for secret in ("s3cret", "t0ken", SECRET):
        assert secret not in page + json.dumps(shown) + caplog.text
    assert len({headers["X-Heliograph-Delivery"] for headers, _ in listener.calls}) == 1


@pytest.mark.parametrize(("answer", "tries"), [(410, 1), (503, 4)])
async def test_what_is_of_no_use_is_given_up(tmp_path: Path, answer: int, tries: int) -> None:
    with Listener([answer]).listening() as listener:
        config = replace(make_config(tmp_path), webhooks=(Webhook(url=listener.url),))
        with serving(config) as running:
            client = Client(running.url)
            await client.run("Counts")
            (delivery,) = await deliveries(client, 1)
    assert (delivery["state"], delivery["tries"]) == ("failed", tries)
    assert delivery["error"] == f"It answered {answer}"


async def test_a_dead_webhook_holds_up_no_other_and_is_told_after_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So many that it is not given up before the next start, however long that takes.
    monkeypatch.setattr(sender, "BACK_OFF_SECONDS", (0.05,) * 10_000)
    with Listener([204]).listening() as gone:
        pass
    with Listener([204]).listening() as listener:
        hooks = (Webhook(url=gone.url), Webhook(url=listener.url))
        config = replace(make_config(tmp_path), webhooks=hooks)
        with serving(config) as running:
            client = Client(running.url)
            record = await client.run("Counts")
            await deliveries(client, 1)
            assert listener.events() == [(record["pk"], "succeeded")]
        assert gone.calls == []
        with gone.listening(), serving(config) as running:
            await deliveries(Client(running.url), 2)
    assert gone.events() == listener.events() == [(record["pk"], "succeeded")]
