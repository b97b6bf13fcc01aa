"""The recipe for nginx in docs/behind-a-proxy.md, started as it stands there."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme
from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse
from tornado.websocket import websocket_connect

from tests.acceptance.conftest import ServerProcess, Servers

pytestmark = [pytest.mark.slow, pytest.mark.gen_test(timeout=60), pytest.mark.timeout(90)]

PAGE = Path(__file__).parents[2] / "docs" / "behind-a-proxy.md"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
NAME = "heliograph.observatory.example"
TOKEN = "a-secret-of-sixteen-characters"
CLIENT = "203.0.113.9"
AUTHORITY = trustme.CA()
LARGE_BYTES = 8_000_000


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def recipe(prefix: str, port: int, upstream: int, folder: Path) -> str:
    """Return the recipe with other ports and files, under a path as the page says."""
    [found] = re.findall(r"```nginx\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    changes = {
        "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
        "127.0.0.1:8642;": f"127.0.0.1:{upstream};",
        "/etc/ssl/heliograph/": f"{folder}/",
        "location / {": f"location {prefix}/ {{",
    }
    for written, changed in changes.items():
        assert found.count(written) >= 1, written
        found = found.replace(written, changed)
    return str(found)


@dataclass
class Front:
    """A proxy in front of a server."""

    port: int
    prefix: str
    server: ServerProcess

    async def fetch(self, path: str, method: str = "GET", **options: Any) -> HTTPResponse:
        headers = {"Host": f"{NAME}:{self.port}"} | options.pop("headers", {})
        if path != "/login":
            headers.setdefault("Authorization", f"Bearer {TOKEN}")
        return await AsyncHTTPClient().fetch(
            f"https://localhost:{self.port}{self.prefix}{path}",
            method=method,
            headers=headers,
            raise_error=False,
            follow_redirects=False,
            ssl_options=context(),
            **options,
        )


def context() -> ssl.SSLContext:
    made = ssl.create_default_context()
    AUTHORITY.configure_trust(made)
    return made


@pytest.fixture(params=["", "/heliograph"], ids=["at the root", "under a path"])
def front(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> Iterator[Front]:
    """Start a server and nginx before it; skip where there is none."""
    if NGINX is None:
        pytest.skip("nginx is not installed")
    prefix = str(request.param)
    environment = {
        "HELIOGRAPH_HTTP_PREFIX": prefix,
        "HELIOGRAPH_HTTP_ALLOWED_HOSTS": NAME,
        "HELIOGRAPH_HTTP_TRUSTED_PROXIES": "127.0.0.1",
        "HELIOGRAPH_HTTP_TOKENS": TOKEN,
    }
    server = servers.start(environment=environment)
    upstream = int(server.client().url.removesuffix(prefix).rpartition(":")[2])
    made = AUTHORITY.issue_cert("localhost")
    made.private_key_pem.write_to_path(str(tmp_path / "privkey.pem"))
    for pem in made.cert_chain_pems:
        pem.write_to_path(str(tmp_path / "fullchain.pem"), append=True)
    port = free_port()
    (tmp_path / "site.conf").write_text(recipe(prefix, port, upstream, tmp_path))
    (tmp_path / "nginx.conf").write_text(main_configuration(tmp_path))
    with (tmp_path / "nginx.log").open("wb") as printed:
        nginx = subprocess.Popen(
            [NGINX, "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")],
            stdout=printed,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(port, nginx, tmp_path)
        yield Front(port, prefix, server)
    finally:
        nginx.terminate()
        nginx.wait(20)


def main_configuration(folder: Path) -> str:
    """Return what surrounds a site, with every file in this folder."""
    paths = "".join(
        f"{kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;\n" if os.geteuid() == 0 else ""  # who may read the folder of the test
    return (
        f"daemon off;\n{user}pid {folder}/nginx.pid;\nerror_log {folder}/nginx.log;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{paths}include {folder}/site.conf;\n}}\n"
    )


def wait_for(port: int, nginx: subprocess.Popen[bytes], folder: Path) -> None:
    """Wait until nginx accepts connections."""
    while True:
        assert nginx.poll() is None, (folder / "nginx.log").read_text()
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return


async def test_pages_uploads_pushes_and_sign_in_come_through(front: Front) -> None:
    page = await front.fetch("/", headers={"X-Forwarded-For": CLIENT})
    assert page.code == 200
    style = f"{front.prefix}/static/styles/style.css"
    assert f'href="{style}"'.encode() in page.body
    assert (await front.fetch("/static/styles/style.css")).code == 200
    # As a page sends it: with its origin, on a port that is not the usual one.
    own = {"Origin": f"https://{NAME}:{front.port}", "Content-Type": "application/json"}
    made = await front.fetch("/api/targets/", "POST", headers=own, body='{"name": "Vega"}')
    assert made.code == 201, made.body
    assert made.headers["Location"] == f"{front.prefix}/api/targets/1/"
    foreign = own | {"Origin": "https://elsewhere.example"}
    refused = await front.fetch("/api/targets/", "POST", headers=foreign, body='{"name": "b"}')
    assert refused.code == 403
    socket_url = f"wss://localhost:{front.port}{front.prefix}/ws/async/status/1/"
    headers = {"Host": own["Origin"].partition("//")[2], "Authorization": f"Bearer {TOKEN}"}
    upgrade = HTTPRequest(
        socket_url, headers=headers | {"Origin": own["Origin"]}, ssl_options=context()
    )
    viewer = await websocket_connect(upgrade)
    assert json.loads(str(await viewer.read_message()))["type"] == "snapshot"
    product = await uploaded(front, own["Origin"])
    submitted = json.dumps({"target": 1, "pipeline": "Counts", "products": [product["pk"]]})
    assert (await front.fetch("/api/processes/", "POST", headers=own, body=submitted)).code == 201
    pushed = json.loads(str(await asyncio.wait_for(viewer.read_message(), 20)))
    assert pushed["process"]["view_url"] == f"{front.prefix}/pipeline/1"
    viewer.close()
    file = await front.fetch(product["url"].removeprefix(front.prefix))
    assert len(file.body) == LARGE_BYTES
    assert await front.server.said("GET / 200", f"remote={CLIENT}")
    await check_cookie(front)


async def uploaded(front: Front, origin: str) -> dict[str, Any]:
    """Upload a file that is larger than what nginx lets pass by default."""
    head = '--edge\r\nContent-Disposition: form-data; name="file"; filename="a.fits"\r\n\r\n'
    body = head.encode() + os.urandom(LARGE_BYTES) + b"\r\n--edge--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=edge", "Origin": origin}
    path = "/api/targets/1/dataproducts/"
    answer = await front.fetch(path, "POST", headers=headers, body=body)
    assert answer.code == 201, answer.body
    product: dict[str, Any] = json.loads(answer.body)["dataproducts"][0]
    return product


async def check_cookie(front: Front) -> None:
    """Check that the cookie of a sign-in is for HTTPS, and for the paths below the prefix."""
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Origin": f"https://{NAME}:{front.port}",
    }
    signed = await front.fetch("/login", "POST", headers=headers, body=f"token={TOKEN}&next=%2F")
    assert signed.code == 303, signed.body
    assert signed.headers["Location"] == f"{front.prefix}/"
    cookie = signed.headers["Set-Cookie"]
    assert "Secure" in cookie
    assert f"Path={front.prefix or '/'}" in cookie
