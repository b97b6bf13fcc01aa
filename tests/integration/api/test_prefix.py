"""A whole server behind `http.prefix`: no answer and no page leads out of it."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import re
from collections.abc import Iterator
from html import unescape
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import pytest
from tornado.websocket import websocket_connect

from handlers.pages.not_found import UnknownHandler
from handlers.routes import all_routes
from runners.synthetic import synthesise_series
from tests.integration.conftest import Client, Running, make_config, serving

pytestmark = [pytest.mark.gen_test(timeout=60), pytest.mark.timeout(90)]

PREFIX = "/astro/heliograph"
ADDRESS = re.compile(r'(?<![\w-])(?:href|src|action|data-(?:table|src|then))="([^"]*)"')
ROUTES = [
    each
    for each in all_routes(None)  # type: ignore[arg-type]
    if not issubclass(each.handler_class, UnknownHandler)
]
PK = r"([1-9]\d*)"


@pytest.fixture(scope="module")
def prefixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Yield a server with a prefix."""
    config = make_config(tmp_path_factory.mktemp("prefixed"))
    http = dataclasses.replace(config.http, prefix=PREFIX)
    with serving(dataclasses.replace(config, http=http)) as running:
        yield running


async def filled(client: Client, folder: Any) -> dict[str, Any]:
    """Make a bit of everything; return the records of a pipeline and of a film."""
    frames = [(path.name, path.read_bytes()) for path in synthesise_series(folder, 3, (64, 80))]
    target = await client.make_target()
    products = await client.upload(target, *frames, ("curve.txt", b"MJD,mag\n58545,11\n58546,12\n"))
    film = await client.submit("Timelapse", target, products[:3])
    outputs = await client.submit("Outputs", target, products[3:])
    await client.call("/api/groups/", "POST", {"name": "All", "products": products}, status=201)
    return {
        "film": await client.ended(film["pk"]),
        "outputs": await client.ended(outputs["pk"]),
        "products": products,
    }


def texts(value: Any) -> Iterator[str]:
    """Yield every text in an answer."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from texts(each)


def is_path(text: str) -> bool:
    """Return whether some route answers this as the path of a request."""
    path = text.partition("?")[0]
    return path != "/" and any(each.regex.fullmatch(unquote(path)) for each in ROUTES)


def api_paths() -> list[str]:
    """Return the path of each GET of the API, for the first few PKs."""
    patterns = [each.regex.pattern.removesuffix("$").replace("\\.", ".") for each in ROUTES]
    api = [each for each in patterns if each.startswith("/api/")]
    pks = range(1, 6)
    return [re.sub(r"\([^/]*\)", str(pk), each) for each in dict.fromkeys(api) for pk in pks]


async def test_every_url_in_every_answer_has_the_prefix(prefixed: Running, tmp_path: Any) -> None:
    client = Client(prefixed.url)
    assert prefixed.server.address.endswith(f"{PREFIX}/")
    records = await filled(client, tmp_path)
    assert records["film"]["state"] == records["outputs"]["state"] == "succeeded"
    assert records["outputs"]["view_url"] == f"{PREFIX}/pipeline/{records['outputs']['pk']}"
    found: set[str] = set()
    for path in dict.fromkeys(api_paths()):
        response = await client.fetch(path)
        assert response.code < 500, (path, response.code)
        if response.code != 200 or "json" not in response.headers["Content-Type"]:
            continue
        answered = set(texts(json.loads(response.body)))
        assert not [each for each in answered if is_path(each)], path
        if path != "/api/openapi.json":  # whose URLs are examples, of what need not be here
            found |= {each for each in answered if each.startswith(f"{PREFIX}/")}
    inside = {url.removeprefix(PREFIX) for url in found}
    assert {url.split("/")[1] for url in inside} >= {"pipeline", "dataproducts"}
    for url in found:
        answer = await Client(client.url.removesuffix(PREFIX)).fetch(url)
        assert answer.code == 200, url


async def test_the_specified_answers_and_what_is_pushed_agree(
    prefixed: Running, tmp_path: Any
) -> None:
    client = Client(prefixed.url)
    record = (await filled(client, tmp_path))["outputs"]
    polled = await client.call(f"/api/async/status/{record['target']}/")
    log = await client.call(f"/api/pipeline/logs/{record['pk']}/")
    assert log["view_url"] == f"{PREFIX}/pipeline/{record['pk']}"
    assert log["group_url"] == f"{PREFIX}/dataproducts/data/group/{record['group']}/"
    url = f"{prefixed.socket_url}/ws/async/status/{record['target']}/"
    socket = await websocket_connect(url)
    snapshot = json.loads(str(await socket.read_message()))
    socket.close()
    assert snapshot["processes"] == polled["processes"]
    live = await websocket_connect(f"{prefixed.socket_url}/ws/pipeline/logs/{record['pk']}/")
    first = json.loads(str(await live.read_message()))
    live.close()
    assert first["process"] == record
    while socket.protocol is not None or live.protocol is not None:
        await asyncio.sleep(0.001)


@pytest.mark.slow
async def test_pages_lead_to_nothing_outside_and_nothing_that_is_missing(
    prefixed: Running, tmp_path: Any
) -> None:
    client = Client(prefixed.url)
    await filled(client, tmp_path)
    host = prefixed.url.removesuffix(PREFIX)
    waiting, seen, kinds = [f"{PREFIX}/"], {f"{PREFIX}/"}, set()
    while waiting:
        path = waiting.pop()
        response = await Client(host).fetch(path)
        assert response.code == 200, path
        kinds.add(re.sub(r"\d+", "1", path.partition("?")[0]))
        if not response.headers["Content-Type"].startswith("text/html"):
            continue
        for written in ADDRESS.findall(response.body.decode()):
            address = urlsplit(urljoin(path, unescape(written)))
            assert not address.netloc, (path, written)
            assert address.path.startswith(f"{PREFIX}/"), (path, written)
            link = address._replace(fragment="").geturl()
            if link not in seen and address.path != f"{PREFIX}/login":
                seen.add(link)
                waiting.append(link)
    assert {each.removeprefix(PREFIX) for each in kinds} >= {
        "/",
        "/targets/1/",
        "/pipeline/1",
        "/processes/1",
        "/processes/1/receipt/",
        "/dataproducts/1/",
        "/dataproducts/1/preview.png",
        "/dataproducts/data/group/1/",
        "/dataproducts/data/group/1/zip",
        "/api/processes/1/logs.txt",
        "/api/dataproducts/1/table/",
        "/plot",
        "/static/plot/frame.css",
        "/static/pages/process/process.js",
    }
