"""Named tokens beside a running server: heeded while it runs, also after a restart."""

from __future__ import annotations

import asyncio
import signal
import sys
from http.cookies import SimpleCookie
from pathlib import Path

import pytest
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from server.access.token_file import TokenFile
from tests.acceptance.conftest import Servers
from tests.fakes.folders import living_contents
from tests.integration.conftest import Client

pytestmark = [pytest.mark.slow, pytest.mark.gen_test(timeout=110), pytest.mark.timeout(120)]

#: What the contract promises, with room for a busy machine.
HEEDED_SECONDS = 15
PATH = "/api/pipelines/"


async def token(servers: Servers, *arguments: str) -> tuple[int, str, str]:
    """Run `heliograph token`; return its exit status and what it printed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server", "token", *arguments, "--data", str(servers.data)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode(), errors.decode()


async def added(servers: Servers, *arguments: str) -> str:
    code, said, errors = await token(servers, "add", *arguments)
    assert (code, errors) == (0, "")
    [secret] = said.splitlines()
    return secret


#: What a wrong secret is answered: 429 from the eleventh in a minute on.
REFUSED = (401, 429)


async def status(client: Client, secret: str) -> int:
    return (await client.fetch(PATH, headers={"Authorization": f"Bearer {secret}"})).code


async def until_status(client: Client, secret: str, *wanted: int) -> None:
    async with asyncio.timeout(HEEDED_SECONDS):
        while await status(client, secret) not in wanted:
            await asyncio.sleep(0.1)


async def test_tokens_come_and_go_while_the_server_runs(servers: Servers) -> None:
    client = servers.start().client()
    assert (await client.fetch(PATH)).code == 200
    secret = await added(servers, "jane", "--role", "viewer", "--expires", "30")
    await until_status(client, "no-token-at-all", *REFUSED)
    assert await status(client, secret) == 200
    assert (await client.fetch(PATH)).code == 401
    target = f"{client.url.replace('http', 'ws')}/ws/async/status/1/"
    assert (await client.fetch("/api/targets/1/")).code == 401
    admin = await added(servers, "root", "--role", "admin")
    await until_status(client, admin, 200)
    made = {"Authorization": f"Bearer {admin}"}
    await client.call("/api/targets/", "POST", {"name": "x"}, status=201, headers=made)
    headers = {"Authorization": f"Bearer {secret}"}
    viewer = await websocket_connect(HTTPRequest(target, headers=headers))
    assert await viewer.read_message() is not None
    code, listed, _ = await token(servers, "list")
    assert code == 0
    assert [line.split()[:2] for line in listed.splitlines()[1:]] == [
        ["jane", "viewer"],
        ["root", "admin"],
    ]
    assert secret not in listed
    for name in ("jane", "root"):
        assert (await token(servers, "revoke", name))[0] == 0
    await until_status(client, secret, *REFUSED)
    async with asyncio.timeout(HEEDED_SECONDS):
        assert await viewer.read_message() is None
    assert viewer.close_code == 4401
    viewer.close()
    assert (await client.fetch(PATH)).code == 401  # it is not open to all again
    server = servers.started[0]
    assert await server.said("token_added token=jane")
    assert await server.said("token_revoked token=jane")
    assert await server.said("[request remote=127.0.0.1 token=jane")
    assert server.end() == 0
    assert secret not in "".join(server.printed)


async def test_a_session_outlives_the_server_even_if_that_is_killed(servers: Servers) -> None:
    secret = await added(servers, "jane", "--role", "operator")
    server = servers.start()
    client = server.client()
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await client.fetch("/login", "POST", f"token={secret}".encode(), headers=form)
    assert answer.code == 303
    cookie = SimpleCookie(answer.headers["Set-Cookie"])["heliograph"].value
    headers = {"Cookie": f"heliograph={cookie}"}
    server.end(signal.SIGKILL)
    client = servers.start().client()
    assert (await client.fetch(PATH, headers=headers)).code == 200
    kept = b"".join(content for _, content in living_contents(servers.data))
    assert b"jane" in kept
    assert secret.encode() not in kept
    assert cookie.encode() not in kept
    assert (await client.fetch("/logout", "POST", headers=headers)).code == 303
    assert (await client.fetch(PATH, headers=headers)).code == 401


async def test_beyond_loopback_a_named_token_is_enough_and_nobody_gets_in_without(
    servers: Servers,
) -> None:
    refused = servers.start("--host", "0.0.0.0")
    assert refused.process.wait(30) == 2
    refused.close()
    assert not servers.data.exists()
    [sentence] = [line for line in refused.printed if line.startswith("http.host:")]
    assert "heliograph token add" in sentence
    secret = await added(servers, "jane", "--role", "viewer")
    server = servers.start("--host", "0.0.0.0")
    client = Client(server.client().url.replace("0.0.0.0", "127.0.0.1"))
    assert await status(client, secret) == 200
    await token(servers, "revoke", "jane")
    await until_status(client, secret, *REFUSED)
    assert (await client.fetch(PATH)).code == 401
    server.end()


async def test_a_file_of_tokens_is_read_again_and_a_bad_one_stops_the_start(
    servers: Servers, tmp_path: Path
) -> None:
    path = tmp_path / "credentials"
    environment = {"HELIOGRAPH_HTTP_TOKENS_FILE": str(path)}
    first, second = "first-secret-of-the-file", "second-secret-of-the-file"
    for content, mode in ((None, 0), (first, 0o644), ("short", 0o600)):
        if content is not None:
            path.write_text(f"{content}\n")
            path.chmod(mode)
        server = servers.start(environment=environment)
        assert server.process.wait(30) == 2
        server.close()
        [sentence] = server.printed[server.printed.index("heliograph cannot start:\n") + 1 :]
        assert sentence.startswith("http.tokens_file: ")
        assert first not in sentence
    path.write_text(f"# robots\n{first}\n")
    client = servers.start(environment=environment).client()
    assert await status(client, first) == 200
    replacement = path.with_suffix(".new")
    replacement.touch(0o600)
    replacement.write_text(f"{second}\n")
    replacement.replace(path)
    await until_status(client, second, 200)
    assert await status(client, first) in REFUSED


async def test_killed_at_any_moment_the_command_leaves_a_whole_file(servers: Servers) -> None:
    secret = await added(servers, "jane", "--role", "viewer")
    for delay in (0.1, 0.2, 0.3, 0.5):
        command = ["-m", "server", "token", "add", f"t{delay}", "--role", "admin"]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, *command, "--data", str(servers.data)),
            stdout=asyncio.subprocess.DEVNULL,
        )
        await asyncio.sleep(delay)
        if process.returncode is None:
            process.kill()
        await process.wait()
        assert "jane" in {each.name for each in await TokenFile(servers.data).all()}
    await added(servers, "last", "--role", "viewer")
    assert await status(servers.start().client(), secret) == 200
