"""What the page of the API shows of each operation and of each schema: rows of text and links."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from handlers.description.document import Described, role_of
from handlers.description.examples import curl, has_examples, python
from handlers.description.schemas import REFERENCE

#: What the reference to a schema has before its name.
BEFORE_NAME = REFERENCE.format(name="")


@dataclass(frozen=True)
class Row:
    """A parameter or a field: its name, where it is, its type in words, and what it means."""

    name: str
    place: str
    kind: str
    schemas: list[str]
    meaning: str
    required: bool


@dataclass(frozen=True)
class AnswerShown:
    """An answer: its status, when it comes, its type, its schemas, and an example as text."""

    status: str
    meaning: str
    media_type: str
    kind: str
    schemas: list[str]
    headers: list[str]
    example: str

    @property
    def good(self) -> bool:
        """Whether this is what was asked for."""
        return self.status < "400"


@dataclass(frozen=True)
class OperationShown:
    """An operation with all that the page shows of it."""

    name: str
    method: str
    path: str
    summary: str
    description: str
    role: str | None
    parameters: list[Row]
    body: list[AnswerShown]
    answers: list[AnswerShown]
    examples: list[tuple[str, str]]


@dataclass(frozen=True)
class Chapter:
    """A subject and its operations."""

    name: str
    description: str
    operations: list[OperationShown]


@dataclass(frozen=True)
class SchemaShown:
    """A schema with its fields, or with its type in words where it has none."""

    name: str
    description: str
    fields: list[Row]
    kind: str


def chapters_of(operations: Iterable[Described], document: dict[str, Any]) -> list[Chapter]:
    """Return the operations by subject, as the document describes them."""
    chapters: dict[str, Chapter] = {}
    for each in operations:
        subject = each.subject
        chapter = chapters.setdefault(subject.name, Chapter(subject.name, subject.description, []))
        chapter.operations.append(_shown(each, document))
    return list(chapters.values())


def schemas_shown(document: dict[str, Any]) -> list[SchemaShown]:
    """Return all schemas of the document, by name."""
    components: dict[str, Any] = document["components"]["schemas"]
    return [
        SchemaShown(name, each.get("description", ""), list(_fields(each)), kind_of(each))
        for name, each in components.items()
    ]


def pieces(text: str) -> Iterator[tuple[bool, str]]:
    """Yield the parts of a text, each with whether it stands between backticks, as code does."""
    for at, part in enumerate(text.split("`")):
        if part:
            yield bool(at % 2), part


def kind_of(schema: dict[str, Any]) -> str:
    """Return what a value of this schema is, in words."""
    if "$ref" in schema:
        return str(schema["$ref"]).removeprefix(BEFORE_NAME)
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(kind_of(each) for each in choices)
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema["enum"])
    if "const" in schema:
        return json.dumps(schema["const"])
    return _plain_kind(schema)


def _plain_kind(schema: dict[str, Any]) -> str:
    kind = schema.get("type", "anything")
    if kind == "array":
        if parts := schema.get("prefixItems"):
            return f"[{', '.join(kind_of(each) for each in parts)}]"
        return f"list of {kind_of(schema.get('items') or {})}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {kind_of(schema['additionalProperties'])}"
    if kind == "string" and schema.get("format") == "binary":
        return "bytes"
    return f"{kind}{_bounds(schema)}"


def _bounds(schema: dict[str, Any]) -> str:
    least = schema.get("minimum", schema.get("minLength"))
    most = schema.get("maximum", schema.get("maxLength"))
    if most is not None and most < 2**31 - 1:
        return f", {least if least is not None else 'up'} to {most}"
    return "" if least is None else f", from {least}"


def _schemas_in(schema: Any) -> list[str]:
    """Return the names of the schemas that this one refers to, each once."""
    return list(dict.fromkeys(_references(schema)))


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, list):
        for each in schema:
            yield from _references(each)
    elif isinstance(schema, dict):
        if "$ref" in schema:
            yield str(schema["$ref"]).removeprefix(BEFORE_NAME)
        for each in schema.values():
            yield from _references(each)


def _fields(schema: dict[str, Any]) -> Iterator[Row]:
    for name, each in schema.get("properties", {}).items():
        needed = name in schema.get("required", ())
        yield Row(name, "", kind_of(each), _schemas_in(each), each.get("description", ""), needed)


def _shown(each: Described, document: dict[str, Any]) -> OperationShown:
    said: dict[str, Any] = document["paths"][each.path][each.method.lower()]
    examples = [("curl", curl(each)), ("requests", python(each))] if has_examples(each) else []
    return OperationShown(
        name=each.name,
        method="WS" if each.live else each.method,
        path=each.path,
        summary=said["summary"],
        description=said.get("description", ""),
        role=role_of(each),
        parameters=[_parameter(parameter, document) for parameter in said.get("parameters", ())],
        body=list(_contents("", "", said.get("requestBody", {}))),
        answers=[
            answer
            for status, given in said["responses"].items()
            for answer in _contents(status, given["description"], given)
        ],
        examples=examples,
    )


def _parameter(parameter: dict[str, Any], document: dict[str, Any]) -> Row:
    if "$ref" in parameter:
        parameter = document["components"]["parameters"][parameter["$ref"].rpartition("/")[2]]
    schema = parameter["schema"]
    kind = kind_of(schema)
    if "default" in schema:
        kind += f", by default {schema['default']}"
    meaning = parameter.get("description", "")
    return Row(
        parameter["name"], parameter["in"], kind, [], meaning, parameter.get("required", False)
    )


def _contents(status: str, meaning: str, given: dict[str, Any]) -> Iterator[AnswerShown]:
    """Yield an answer, or a body, once for each media type; one without a body once too."""
    headers = list(given.get("headers", ()))
    for media_type, content in given.get("content", {}).items():
        example = content.get("example")
        yield AnswerShown(
            status,
            meaning,
            media_type,
            kind_of(content["schema"]),
            _schemas_in(content["schema"]),
            headers,
            "" if example is None else json.dumps(example, indent=2, ensure_ascii=False),
        )
    if status and "content" not in given:
        yield AnswerShown(status, meaning, "", "", [], headers, "")
