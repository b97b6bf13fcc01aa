"""Links to one process where the server has no tokens, so that everybody may do everything."""

from __future__ import annotations

import pytest

from tests.integration.conftest import Client

pytestmark = pytest.mark.gen_test(timeout=50)


async def test_without_tokens_a_link_leads_to_the_page_that_everybody_sees(
    client: Client,
) -> None:
    record = await client.run("Outputs")
    path = f"/api/processes/{record['pk']}/share/"
    url = (await client.call(path, "POST", status=201))["url"]
    led = await client.fetch(url)
    assert (led.code, led.headers["Location"]) == (303, f"/pipeline/{record['pk']}")
    assert (await client.fetch("/shared/forged/")).code == 404
    await client.call(path, "DELETE", status=204)
    assert (await client.fetch(url)).code == 404
