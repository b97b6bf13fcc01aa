"""OpenAPI 3.1 of all routes: paths, methods and roles from the code, the rest from `subjects`.

https://spec.openapis.org/oas/v3.1.0
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any, cast

from tornado.routing import URLSpec

from handlers.access.identification import COOKIE
from handlers.description.errors import HEADERS, WHEN, error_content, errors_of
from handlers.description.operation import Answer, Operation, Parameter, Subject
from handlers.description.parameters import PK_SCHEMA
from handlers.description.paths import parts_of, paths_of
from handlers.description.schemas import Schemas
from handlers.description.subjects import SUBJECTS
from handlers.description.subjects.pages import PAGES
from handlers.http.access_control import GuardedHandler, allowed_methods, needed_role
from handlers.pages.base import Page

INTRODUCTION = (
    "Everything that the server shows is available as JSON, by polling or pushed over a websocket. "
    "Times are Unix seconds, right ascension and declination are degrees (ICRS). Lists come newest "
    "first; `next` is the `before` of the page that follows, null on the last one. "
    "Every GET answers HEAD too. A method that a path does not support is 405, an unknown path "
    "404, a URL or header over 64 KiB 414 or 431, and a defect of the server 500, each with a "
    "`detail`. Where the server has tokens, each operation names the role that it needs; `admin` "
    "includes `operator`, which includes `viewer`."
)
HEADER_MEANINGS = {
    "Allow": "The methods that are supported.",
    "Content-Range": "Which bytes these are, and of how many.",
    "ETag": "The version of the answer.",
    "Location": "Where the new thing is, or where to go on.",
    "Retry-After": "After how many seconds to try again.",
    "Sec-WebSocket-Version": "The version of the protocol that is understood.",
    "Set-Cookie": "The cookie of the session.",
    "WWW-Authenticate": "`Bearer`.",
}
IF_NONE_MATCH = Parameter(
    "If-None-Match", {"type": "string"}, "The `ETag` of what you have: then 304.", "header"
)
SECURITY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A token, for programs."},
    "cookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": "What `/login` sets, for people.",
    },
    "ticket": {
        "type": "apiKey",
        "in": "query",
        "name": "ticket",
        "description": "For websockets where no header can be sent; good once.",
    },
}
#: What nothing is said of in `subjects`, which a test does not allow.
UNDESCRIBED = Subject("Others", "Not described yet.", {})


@dataclass(frozen=True)
class Described:
    """An operation with the route that answers it."""

    path: str
    method: str
    handler: type[GuardedHandler]
    subject: Subject
    operation: Operation

    @property
    def name(self) -> str:
        """A name that no other operation has."""
        words = re.sub(r"[\W_]+", "_", f"{self.method.lower()}_{self.path}")
        return words.strip("_")

    @property
    def live(self) -> bool:
        """Whether it is a websocket."""
        return self.path.startswith("/ws/")


def described(routes: Iterable[URLSpec]) -> list[Described]:
    """Return the operations of these routes, by subject."""
    found = [each for route in routes for each in _operations(route)]
    order = [*SUBJECTS, UNDESCRIBED]
    return sorted(found, key=lambda each: order.index(each.subject))


def _operations(route: URLSpec) -> Iterator[Described]:
    handler = cast(type[GuardedHandler], route.handler_class)
    methods = [each for each in allowed_methods(handler) if each not in ("HEAD", "OPTIONS")]
    for path in paths_of(route.regex.pattern):
        for method in methods:
            yield Described(path, method, handler, *_said_of(path, method, handler))


def _said_of(path: str, method: str, handler: type[GuardedHandler]) -> tuple[Subject, Operation]:
    for subject in SUBJECTS:
        if method in subject.paths.get(path, {}):
            return subject, subject.paths[path][method]
    if issubclass(handler, Page):
        return PAGES, _page(handler, method)
    return UNDESCRIBED, Operation(_first_sentence(handler), {200: Answer("The answer.", {})})


def _page(handler: type[Page], method: str) -> Operation:
    """Return what is said of a page: what its docstring says, if it is read only."""
    if method != "GET":
        page = Answer("Where to go from there.", media_type=None, headers=("Location",))
        return Operation(_first_sentence(handler), {303: page}, errors={400: WHEN[400]})
    page = Answer("The page.", {"type": "string"}, media_type="text/html")
    return Operation(_first_sentence(handler), {200: page})


def _first_sentence(handler: type[GuardedHandler]) -> str:
    """Return the beginning of a handler's docstring, without the path that it may begin with."""
    line = (inspect.getdoc(handler) or "").partition("\n")[0]
    sentence = re.sub(r"^`[^`]*`: ", "", line).partition(". ")[0].rstrip(".")
    return sentence[:1].upper() + sentence[1:]


def document(routes: Iterable[URLSpec], prefix: str = "") -> dict[str, Any]:
    """Return the description of all these routes, which are reached under the prefix."""
    return document_of(described(routes), prefix)


def document_of(operations: list[Described], prefix: str = "") -> dict[str, Any]:
    """Return the description of these operations."""
    schemas = _schemas(operations)
    paths: dict[str, dict[str, Any]] = {}
    for each in operations:
        operation = _operation(each, schemas)
        _put_before_examples(prefix, operation["responses"])
        paths.setdefault(each.path, {})[each.method.lower()] = operation
    subjects = dict.fromkeys(each.subject for each in operations)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Heliograph",
            "summary": "Runs the pipelines of an observatory and shows live what they do",
            "description": INTRODUCTION,
            "version": metadata.version("heliograph"),
            "license": {"name": "BSD-3-Clause", "identifier": "BSD-3-Clause"},
        },
        "servers": [{"url": prefix or "/"}],
        "tags": [{"name": each.name, "description": each.description} for each in subjects],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.components.items())),
            "securitySchemes": SECURITY_SCHEMES,
            "parameters": {"IfNoneMatch": _parameter(IF_NONE_MATCH)},
            "headers": {name: _header(name) for name in HEADER_MEANINGS},
        },
    }


def _put_before_examples(prefix: str, responses: Mapping[str, Any]) -> None:
    """Put a prefix before the paths in the examples of answers, where answers have it too."""
    for answer in responses.values():
        for content in answer.get("content", {}).values():
            if prefix and "example" in content:
                content["example"] = _prefixed(prefix, content["example"])


def _prefixed(prefix: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _prefixed(prefix, each) for key, each in value.items()}
    if isinstance(value, list):
        return [_prefixed(prefix, each) for each in value]
    return prefix + value if isinstance(value, str) and value.startswith("/") else value


def _schemas(operations: list[Described]) -> Schemas:
    said = [each.operation for each in operations]
    answers = [answer.schema for each in said for answer in each.answers.values()]
    return Schemas(answers, [each.body.schema for each in said if each.body])


def _operation(each: Described, schemas: Schemas) -> dict[str, Any]:
    said = each.operation
    found: dict[str, Any] = {
        "operationId": each.name,
        "tags": [each.subject.name],
        "summary": said.summary,
        "description": said.description,
        "parameters": _parameters(each),
        "requestBody": _body(said, schemas),
        "responses": _answers(each, schemas),
        "security": _security(each),
        "x-heliograph-role": role_of(each),
        "x-heliograph-websocket": each.live or None,
    }
    return {key: value for key, value in found.items() if value not in (None, "")}


def role_of(each: Described) -> str | None:
    """Return the role that an operation needs, None if it is open to all."""
    return None if each.handler.open_to_all else str(needed_role(each.handler, each.method))


def _security(each: Described) -> list[dict[str, list[str]]]:
    if each.handler.open_to_all:
        return []
    ways = ["bearer", "cookie", *(["ticket"] if each.live else [])]
    return [{way: []} for way in ways]


def _parameters(each: Described) -> list[dict[str, Any]] | None:
    parts = [_part(name) for name in parts_of(each.path)]
    others = [_parameter(parameter) for parameter in each.operation.parameters]
    version = [{"$ref": "#/components/parameters/IfNoneMatch"}] if each.operation.versioned else []
    return [*parts, *others, *version] or None


def _part(name: str) -> dict[str, Any]:
    """Return the parameter for a part of a path."""
    schema = PK_SCHEMA if name.startswith("pk") else {"type": "string", "minLength": 1}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _parameter(parameter: Parameter) -> dict[str, Any]:
    commas = {"style": "form", "explode": False} if parameter.schema["type"] == "array" else {}
    return {
        "name": parameter.name,
        "in": parameter.where,
        "description": parameter.description,
        "schema": parameter.schema,
        **commas,
    }


def _header(name: str) -> dict[str, Any]:
    kind = "integer" if name == "Retry-After" else "string"
    return {"description": HEADER_MEANINGS[name], "schema": {"type": kind}}


def _headers(names: Iterable[str]) -> dict[str, Any]:
    references = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
    return {"headers": references} if references else {}


def _body(said: Operation, schemas: Schemas) -> dict[str, Any] | None:
    if said.body is None:
        return None
    content = {"schema": schemas.of(said.body.schema)}
    if said.body.example is not None and "multipart" not in said.body.media_type:
        content["example"] = said.body.example
    return {"required": said.body.required, "content": {said.body.media_type: content}}


def _answers(each: Described, schemas: Schemas) -> dict[str, Any]:
    said = each.operation
    found = {status: _answer(said, answer, schemas) for status, answer in said.answers.items()}
    if said.versioned:
        found[304] = {"description": "You have this version.", **_headers(["ETag"])}
    for status, when in errors_of(each.handler, each.method, each.path, said).items():
        content = {"content": error_content(status, each.handler, each.path)}
        error = {"description": when, **_headers(HEADERS.get(status, ())), **content}
        found.setdefault(status, error)  # but what the operation itself describes
    return {str(status): found[status] for status in sorted(found)}


def _answer(said: Operation, answer: Answer, schemas: Schemas) -> dict[str, Any]:
    names = [*answer.headers, *(["ETag"] if said.versioned else [])]
    found = {"description": answer.description, **_headers(names)}
    if answer.media_type is not None:
        found["content"] = _contents(answer, schemas)
    if answer.links:
        found["links"] = dict(answer.links)
    return found


def _contents(answer: Answer, schemas: Schemas) -> Mapping[str, Any]:
    """Return the content by media type; after the first one, the others are texts."""
    first, *others = str(answer.media_type).split(", ")
    content: dict[str, Any] = {"schema": schemas.of(answer.schema)}
    if answer.example is not None:
        content["example"] = answer.example
    return {first: content} | {other: {"schema": {"type": "string"}} for other in others}
