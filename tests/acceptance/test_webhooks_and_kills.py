"""Webhooks of a server that is killed again and again: no event is lost."""

from __future__ import annotations

import json
import signal

import pytest

from tests.acceptance.conftest import Servers, servers
from tests.integration.api.test_webhooks import Listener, deliveries

__all__ = ["servers"]

pytestmark = [pytest.mark.slow, pytest.mark.gen_test(timeout=120), pytest.mark.timeout(130)]


async def test_no_end_is_lost_when_the_server_is_killed(servers: Servers) -> None:
    with Listener([204]).listening() as listener:
        hooks = {"HELIOGRAPH_WEBHOOKS": json.dumps([{"url": listener.url}])}
        submitted = []
        for _ in range(3):
            server = servers.start(environment=hooks)
            client = server.client()
            target = await client.make_target(extra_fields={"lines": 2})
            products = await client.upload(target, ("input.fits", b"no image"))
            records = [await client.submit("Counts", target, products) for _ in range(6)]
            submitted += [record["pk"] for record in records]
            # The end has just been stored; the call may or may not have been made.
            await client.ended(records[2]["pk"])
            server.end(signal.SIGKILL)
        server = servers.start(environment=hooks)
        client = server.client()
        for pk in submitted:
            await client.ended(pk)
        await deliveries(client, len(submitted))
        server.end()
    assert {pk for pk, _ in listener.events()} == set(submitted)
    told = {headers["X-Heliograph-Delivery"] for headers, _ in listener.calls}
    assert len(told) == len(submitted)
