"""A real server keeps what its description says: where the links lead, and each kind of error.

The client of these tests compares every answer with the description.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from tornado.httpclient import HTTPResponse

from tests.fakes.described import check, described
from tests.integration.conftest import Client

pytestmark = pytest.mark.gen_test(timeout=60)

BOUNDARY = "----links"
FILE = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.fits"\r\n\r\n'
    f"not really FITS\r\n--{BOUNDARY}--\r\n"
).encode()
MULTIPART = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def operation(name: str) -> tuple[str, str, dict[str, Any]]:
    """Return the path, the method and what is said of an operation."""
    return next(
        (path, method.upper(), said)
        for path, methods in described()["paths"].items()
        for method, said in methods.items()
        if said["operationId"] == name
    )


def evaluated(expression: Any, body: Any) -> Any:
    """Return what a runtime expression of OpenAPI stands for, given the body of an answer."""
    if isinstance(expression, dict):
        return {name: evaluated(each, body) for name, each in expression.items()}
    if isinstance(expression, list):
        return [evaluated(each, body) for each in expression]
    if not str(expression).startswith("$response.body#/"):
        return expression
    for part in str(expression).removeprefix("$response.body#/").split("/"):
        body = body[int(part)] if part.isdigit() else body[part]
    return body


async def follow(client: Client, name: str, link: dict[str, Any], body: Any) -> HTTPResponse:
    """Send the request that a link of an answer with this body leads to."""
    path, method, said = operation(name)
    values = {key: evaluated(each, body) for key, each in link.get("parameters", {}).items()}
    for part in said.get("parameters", ()):
        if part.get("in") == "path":
            path = path.replace(f"{{{part['name']}}}", str(values.pop(part["name"])))
    query = "&".join(f"{key}={value}" for key, value in values.items())
    given = evaluated(link.get("requestBody"), body)
    headers = {}
    if "multipart/form-data" in said.get("requestBody", {}).get("content", {}):
        given, headers = FILE, MULTIPART
    return await client.fetch(f"{path}?{query}", method, given, headers=headers)


async def test_every_link_leads_to_a_success(client: Client) -> None:
    followed: list[str] = []

    async def walk(name: str, response: HTTPResponse) -> None:
        """Follow the links of an answer, those that delete last."""
        said = operation(name)[2]["responses"][str(response.code)]
        is_json = response.headers.get("Content-Type", "").startswith("application/json")
        body = json.loads(response.body) if is_json else None
        links = sorted(said.get("links", {}).items(), key=lambda pair: pair[0] in LAST)
        for link_name, link in links:
            if f"{name} {link_name}" in followed:
                continue
            followed.append(f"{name} {link_name}")
            if link_name == "delete" and "processes" in link["operationId"]:
                await client.ended(body["pk"])
            found = await follow(client, link["operationId"], link, body)
            expected = (409,) if link_name == "cancel" else ()
            assert found.code < 400 or found.code in expected, (link_name, found.code, found.body)
            await walk(link["operationId"], found)

    new = described()["paths"]["/api/targets/"]["post"]["requestBody"]["content"]
    first = await client.fetch("/api/targets/", "POST", new["application/json"]["example"])
    await walk("post_api_targets", first)
    for wanted in (
        "post_api_targets upload",
        "post_api_targets_pk_dataproducts submit",
        "post_api_processes status",
        "post_api_processes log",
        "post_api_processes delete",
        "post_api_targets delete",
    ):
        assert wanted in followed


LAST = ("delete",)


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        ("GET", "/api/targets/?limit=0", None, {}, 400),
        ("GET", "/api/targets/?search=%ff", None, {}, 400),
        ("POST", "/api/targets/", {}, {}, 400),
        ("POST", "/api/targets/", b"{", {"Content-Type": "application/json"}, 400),
        ("POST", "/api/targets/", b"x", {"Content-Type": "text/plain"}, 415),
        ("POST", "/api/targets/", b"x" * 1_100_000, {"Content-Type": "application/json"}, 413),
        ("GET", "/api/targets/2147483647/", None, {}, 404),
        ("GET", "/api/targets/", None, {"Host": "elsewhere.example"}, 421),
        ("POST", "/api/targets/", {"name": "a"}, {"Origin": "http://elsewhere.example"}, 403),
        ("POST", "/api/targets/2147483647/dataproducts/", FILE, MULTIPART, 404),
        ("GET", "/dataproducts/2147483647/file/a", None, {}, 404),
        ("GET", "/ws/async/status/2147483647/", None, {}, 404),
        ("GET", "/targets/2147483647/", None, {}, 404),
        ("GET", "/processes/2147483647", None, {}, 404),
        ("GET", "/plot", None, {}, 200),
        ("GET", "/static/styles/api.css", None, {}, 200),
        ("GET", "/static/nothing.css", None, {}, 404),
        ("GET", "/login", None, {}, 302),
    ],
)
async def test_an_error_is_one_that_is_described(
    client: Client, method: str, path: str, body: Any, headers: dict[str, str], status: int
) -> None:
    response = await client.fetch(path, method, body, headers=headers)
    assert response.code == status


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (418, {"detail": "I am a teapot."}),
        (404, {"detail": 5}),
        (404, {"detail": "Not found.", "more": 1}),
        (200, {"pk": 1}),
        (400, {"name": "not a list"}),
    ],
)
def test_the_comparison_notices_what_is_not_described(status: int, body: Any) -> None:
    headers = {"Content-Type": "application/json"}
    with pytest.raises(AssertionError):
        check("PATCH", "/api/targets/1/", status, headers, json.dumps(body).encode())


def test_the_comparison_notices_another_type() -> None:
    with pytest.raises(AssertionError, match="text/html is not described"):
        check("PATCH", "/api/targets/1/", 404, {"Content-Type": "text/html"}, b"<p>")
