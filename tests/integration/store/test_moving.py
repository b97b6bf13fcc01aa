"""A server on a migrated installation answers as the one on the data folder did."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from server.__main__ import main
from server.access.token_file import TokenFile
from server.access.tokens import make_token
from server.config.sections import Files, MongoDB
from tests.fakes.moved import moving
from tests.fakes.s3_server import environment, needs_s3, s3_server
from tests.integration.conftest import Client, make_config, serving

pytestmark = [pytest.mark.slow, pytest.mark.gen_test(timeout=110), pytest.mark.timeout(120)]

#: What is another server's, or of the moment.
_OF_THE_MOMENT = re.compile(r'"timestamp": ?[0-9.]+')


@pytest.fixture(params=["folder", pytest.param("s3", marks=needs_s3)])
def storage(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """Yield the URL of an empty storage."""
    if request.param == "folder":
        yield str(tmp_path / "storage")
        return
    with s3_server() as server:
        for name, value in environment(server.url).items():
            monkeypatch.setenv(name, value)
        yield f"s3://{server.bucket()}/files"


async def everything(client: Client, targets: list[int], pks: list[int]) -> dict[str, Any]:
    """Return what a server answers about everything that there is, by path."""
    paths = ["/api/targets/", "/api/processes/", "/api/groups/"]
    for target in targets:
        paths += [f"/api/async/status/{target}/", f"/api/target/{target}/"]
        paths += [f"/api/targets/{target}/dataproducts/", f"/api/targets/{target}/lightcurve/"]
    for pk in pks:
        paths += [f"/api/processes/{pk}/", f"/api/processes/{pk}/sections/"]
        paths += [f"/api/processes/{pk}/logs.txt", f"/api/processes/{pk}/logs/?limit=100000"]
        paths += [f"/api/processes/{pk}/receipt/", f"/api/processes/{pk}/share/"]
        paths += [f"/api/pipeline/logs/{pk}/"]
    found: dict[str, Any] = {}
    for path in paths:
        response = await client.fetch(path)
        body = response.body.decode()
        found[path] = (response.code, _OF_THE_MOMENT.sub("", body))
    for target in targets:
        products = json.loads(found[f"/api/targets/{target}/dataproducts/"][1])
        for product in products["dataproducts"]:
            file = await client.fetch(product["url"])
            assert hashlib.sha256(file.body).hexdigest() == product["sha256"]
            found[product["url"]] = (file.code, product["sha256"])
    return found


async def shared_answers(client: Client, links: list[str]) -> list[tuple[int, bytes]]:
    """Return what links to processes lead to, as far as it does not name the server."""
    answers = [await client.fetch(link) for link in links]
    return [(each.code, each.headers["Content-Type"].encode()) for each in answers]


async def test_all_is_as_it_was_and_goes_on(shared_uri: str, storage: str, tmp_path: Path) -> None:
    old = make_config(tmp_path / "old")
    old.data.mkdir()
    token, secret = make_token("alice", "admin", None, 1.0)
    await TokenFile(old.data).insert(token)
    with serving(old) as running:
        client = Authorized(running.url, secret)
        cookie = await signed_in(running.url, secret)
        records = [
            await client.run("Counts", lines=3000),
            await client.run("Outputs"),
            await client.run("Raises"),
            await client.run("Measures"),
            await client.run("Counts", lines=3),
        ]
        targets = sorted({record["target"] for record in records})
        pks = [record["pk"] for record in records]
        await _sealed(old.data / "files" / f"log-{pks[0]}")
        links = []
        for pk in pks[:2]:
            made = await client.call(f"/api/processes/{pk}/share/", "POST", {"days": 3}, 201)
            links.append(made["url"])
        submitted = {"Idempotency-Key": "once", "Content-Type": "application/json"}
        body = {"target": targets[0], "pipeline": "Counts", "products": records[0]["products"]}
        first = await client.fetch("/api/processes/", "POST", body, headers=submitted)
        await client.ended(json.loads(first.body)["pk"])
        before = await everything(client, targets, pks)
        shared = await shared_answers(Client(running.url), links)
        assert [code for code, _ in shared] == [200, 200]
        assert {code for code, _ in before.values()} <= {200, 404}
    with moving(old, shared_uri, tmp_path / "storage") as move:
        arguments = ["migrate", "--to", move.uri, "--files", storage, "--data", str(old.data)]
        assert await asyncio.to_thread(main, arguments) == 0
        new = replace(
            make_config(tmp_path / "new"), mongodb=MongoDB(uri=move.uri), files=Files(url=storage)
        )
        with serving(new) as running:
            client = Authorized(running.url, secret)
            assert (await Client(running.url).fetch("/api/targets/")).code == 401
            assert await everything(client, targets, pks) == before
            assert await shared_answers(Client(running.url), links) == shared
            again = await client.fetch("/api/processes/", "POST", body, headers=submitted)
            assert (again.code, json.loads(again.body)["pk"]) == (200, json.loads(first.body)["pk"])
            session = {"Cookie": cookie}
            assert (await Client(running.url).fetch("/", headers=session)).code == 200
            fresh = await client.run("Outputs")
            assert fresh["pk"] > max(pks)
            assert fresh["state"] == "succeeded"


class Authorized(Client):
    """A client with a token."""

    def __init__(self, url: str, secret: str) -> None:
        super().__init__(url)
        object.__setattr__(self, "_secret", secret)

    async def fetch(self, path: str, *args: Any, **options: Any) -> Any:
        """Send a request with the token."""
        secret = self._secret  # type: ignore[attr-defined]
        options["headers"] = {"Authorization": f"Bearer {secret}", **options.pop("headers", {})}
        return await super().fetch(path, *args, **options)


async def signed_in(url: str, secret: str) -> str:
    """Return the cookie of a session that begins by a token."""
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Origin": url}
    body = f"token={secret}".encode()
    answer = await Client(url).fetch("/login", "POST", body, headers=headers)
    assert answer.code == 303
    return answer.headers["Set-Cookie"].partition(";")[0]


async def _sealed(folder: Path) -> None:
    async with asyncio.timeout(60):
        while not await asyncio.to_thread(lambda: list(folder.glob("*.segment"))):
            await asyncio.sleep(0.05)
