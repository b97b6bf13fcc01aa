"""The examples of an operation: what is typed, or written in Python, to ask for it."""

from __future__ import annotations

from typing import Any, cast

import pytest

from handlers.description.document import Described, described
from handlers.description.examples import curl, has_examples, python
from handlers.routes import all_routes


def operation(method: str, path: str) -> Described:
    found = described(all_routes(cast(Any, None)))
    return next(each for each in found if (each.method, each.path) == (method, path))


@pytest.mark.parametrize(
    ("method", "path", "typed", "written"),
    [
        (
            "GET",
            "/api/targets/",
            "curl -s localhost:8642/api/targets/",
            'requests.get(f"{server}/api/targets/")',
        ),
        (
            "PATCH",
            "/api/targets/{pk}/",
            "curl -s -X PATCH localhost:8642/api/targets/1/ \\\n"
            "    -H 'Content-Type: application/json' -d '{\"name\": \"Messier 13\"}'",
            'requests.patch(f"{server}/api/targets/1/", json={"name": "Messier 13"})',
        ),
        (
            "DELETE",
            "/api/processes/{pk}/",
            "curl -s -X DELETE localhost:8642/api/processes/1/",
            'requests.delete(f"{server}/api/processes/1/")',
        ),
        (
            "POST",
            "/api/processes/{pk}/cancel/",
            "curl -s -X POST localhost:8642/api/processes/3/cancel/",
            'requests.post(f"{server}/api/processes/3/cancel/")',
        ),
        (
            "POST",
            "/api/targets/{pk}/dataproducts/",
            "curl -s localhost:8642/api/targets/1/dataproducts/ -F file=@frame0.fits",
            'requests.post(f"{server}/api/targets/1/dataproducts/", '
            'files={"file": open("frame0.fits", "rb")})',
        ),
        (
            "GET",
            "/dataproducts/{pk}/file/{name}",
            "curl -sO localhost:8642/dataproducts/1/file/frame0.fits",
            'requests.get(f"{server}/dataproducts/1/file/frame0.fits")',
        ),
    ],
)
def test_an_operation_by_curl_and_by_requests(
    method: str, path: str, typed: str, written: str
) -> None:
    assert curl(operation(method, path)) == typed
    assert python(operation(method, path)) == written


def test_a_websocket_has_no_such_examples() -> None:
    assert not has_examples(operation("GET", "/ws/processes/{pk}/logs/"))
