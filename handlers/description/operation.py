"""What is said of an operation, a method of a path, beyond what its handler tells by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

#: A schema as a type that msgspec can describe, or as JSON Schema.
Schema = Any
JSON = "application/json"
#: When 500 is to be expected, which is a defect of the server anywhere else.
DAMAGED = "A stored file is not what was stored; the server's log has the details."


@dataclass(frozen=True)
class Parameter:
    """A parameter of the query, or a header of the request."""

    name: str
    schema: dict[str, Any]
    description: str
    where: str = "query"


@dataclass(frozen=True)
class Body:
    """A body that a request has; `schema` is a Struct, or JSON Schema for what is not JSON."""

    schema: Schema
    example: Any = None
    media_type: str = JSON
    required: bool = True


@dataclass(frozen=True)
class Answer:
    """A successful answer; `media_type` is None for one without a body."""

    description: str
    schema: Schema = None
    example: Any = None
    media_type: str | None = JSON
    headers: tuple[str, ...] = ()
    links: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Operation:
    """A method of a path. `errors` says when statuses come that the handler does not tell."""

    summary: str
    answers: Mapping[int, Answer]
    description: str = ""
    parameters: tuple[Parameter, ...] = ()
    body: Body | None = None
    errors: Mapping[int, str] = field(default_factory=dict)
    versioned: bool = False  #: whether a GET answers 304 to a version that the client has
    example_pk: int = 1  #: the PK in the path of the examples
    example_name: str | None = None  #: and the name
    example_query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Subject:
    """Operations that belong together: by path, as in a URL with `{pk}`, and by method."""

    name: str
    description: str
    paths: Mapping[str, Mapping[str, Operation]]


def read(summary: str, schema: type[Struct], example: Any = None, **more: Any) -> Operation:
    """Return the operation of a GET that answers with JSON and a version."""
    answer = Answer("The answer.", schema, example)
    return Operation(summary, {200: answer}, versioned=True, **more)


def delete(summary: str, **more: Any) -> Operation:
    """Return the operation of a DELETE."""
    return Operation(summary, {204: Answer("It is deleted.", media_type=None)}, **more)
