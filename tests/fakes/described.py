"""Compares answers of a server with the description of its API, more strictly than clients do.

An answer may have no key that its schema does not name; for clients the next version may.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, cast
from urllib.parse import urlsplit

import jsonschema_rs

from handlers.description.document import document
from handlers.pages.not_found import UnknownHandler
from handlers.routes import all_routes

#: What is not about an operation: no path, no method, too long, no HTTP, an unknown `Expect`.
OTHERS = frozenset({301, 405, 414, 417, 431, 501})


@cache
def described() -> dict[str, Any]:
    """Return the description of all routes."""
    routes = all_routes(cast(Any, None))
    return document(each for each in routes if not issubclass(each.handler_class, UnknownHandler))


@dataclass(frozen=True)
class Operation:
    """An operation, and what matches its path."""

    pattern: re.Pattern[str]
    method: str
    said: Mapping[str, Any]
    validators: dict[tuple[int, str], Any] = field(default_factory=dict)


@cache
def operations() -> list[Operation]:
    """Return all operations; of two that match, the first counts."""
    found = []
    for path, methods in sorted(described()["paths"].items(), key=lambda pair: "{" in pair[0]):
        pattern = re.sub(r"\\\{pk\d*\\\}", "[1-9][0-9]{0,9}", re.escape(path))
        pattern = re.sub(r"\\\{path\\\}", ".*", pattern)
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", pattern)
        found += [
            Operation(re.compile(pattern), method.upper(), said) for method, said in methods.items()
        ]
    return found


def check(
    method: str, path: str, status: int, headers: Mapping[str, str], body: bytes | None
) -> None:
    """Raise AssertionError unless the description has this answer, and its body is valid."""
    plain = urlsplit(path).path
    wanted = "GET" if method == "HEAD" else method
    matching = [each for each in operations() if each.pattern.fullmatch(plain)]
    operation = next((each for each in matching if each.method == wanted), None)
    if operation is None or status in OTHERS:
        return
    answers = operation.said["responses"]
    assert str(status) in answers, f"{method} {path}: {status} is not described ({body!r:.300})"
    contents = answers[str(status)].get("content", {})
    kind = headers.get("Content-Type", "").partition(";")[0]
    if not body or method == "HEAD":
        return
    found = next((each for each in (kind, "*/*") if each in contents), None)
    assert found is not None, f"{method} {path}: {status} with {kind} is not described"
    if kind == "application/json" and found == kind:
        _check_json(operation, status, contents[found]["schema"], body, f"{method} {path}")


def _check_json(operation: Operation, status: int, schema: Any, body: bytes, request: str) -> None:
    key = (status, "application/json")
    if key not in operation.validators:
        operation.validators[key] = validator(schema)
    error = next(operation.validators[key].iter_errors(json.loads(body)), None)
    assert error is None, f"{request}: {status}: {error}"


def validator(schema: dict[str, Any], *, strict: bool = True) -> Any:
    """Return the validator of a schema of the description."""
    whole = {**schema, "components": {"schemas": described()["components"]["schemas"]}}
    return jsonschema_rs.Draft202012Validator(strictly(whole) if strict else whole)


def strictly(schema: Any) -> Any:
    """Return a schema in which objects have no keys but those that it names."""
    if isinstance(schema, list):
        return [strictly(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: strictly(each) for name, each in schema.items()}
    if isinstance(found.get("properties"), dict):
        found.setdefault("additionalProperties", False)
    return found
