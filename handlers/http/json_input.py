"""From the bytes of a JSON body to typed input; every error names its field."""

from __future__ import annotations

import codecs
import re
from typing import Annotated, Any, TypeVar

import msgspec

from server.archive.target_fields import NAME_LENGTH
from server.core.characters import NAME_PATTERN
from server.core.errors import InvalidInput
from server.core.records import LARGEST_INTEGER, LARGEST_PK

Input = TypeVar("Input", bound=msgspec.Struct)

#: The name of a target or a group, as a description shows it: the archive checks it.
Name = Annotated[
    str,
    msgspec.Meta(
        extra_json_schema={"minLength": 1, "maxLength": NAME_LENGTH, "pattern": NAME_PATTERN}
    ),
]
Pk = Annotated[int, msgspec.Meta(ge=1, le=LARGEST_PK)]

MAX_DEPTH = 64
TYPES = re.compile("`([^`]*)`")
TYPE_NAMES = {
    "int": "a whole number",
    "float": "a number",
    "str": "a string",
    "bool": "a boolean",
    "array": "a list",
    "object": "an object",
}
PLACE = re.compile(r" - at `\$(.*)`$")


def read_input(body: bytes, kind: type[Input]) -> Input:
    """Return the input in a body. Raise InvalidInput naming each field that is wrong."""
    given = decode(body)
    if not isinstance(given, dict):
        raise InvalidInput(detail="A JSON object is expected.")
    errors: dict[str, list[str]] = {}
    values: dict[str, Any] = {}
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    for name in given.keys() - fields.keys():
        errors[name] = ["There is no such field."]
    for name, field in fields.items():
        if name in given:
            _read_field(name, given[name], field.type, values, errors)
        elif field.required:
            errors[name] = ["This field is required."]
    if errors:
        raise InvalidInput(errors)
    return kind(**values)


def given_fields(value: msgspec.Struct) -> dict[str, Any]:
    """Return the fields of the input that were given; the others are UNSET."""
    return {
        name: each
        for name in value.__struct_fields__
        if (each := getattr(value, name)) is not msgspec.UNSET
    }


def decode(body: bytes) -> Any:
    """Return the value of a JSON text. Raise InvalidInput beyond the limits of depth and size.

    A byte order mark is left aside, as RFC 8259 allows.
    """
    try:
        value = msgspec.json.decode(body.removeprefix(codecs.BOM_UTF8))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(detail=f"This is not valid JSON: {_reason(error)}.") from error
    _check(value, MAX_DEPTH)
    return value


def _reason(error: Exception) -> str:
    """Return what is wrong with a JSON text, and where if that is known."""
    if isinstance(error, UnicodeDecodeError):
        return "a string in it is not valid UTF-8"
    if isinstance(error, RecursionError):
        return f"it has more than {MAX_DEPTH} levels of nesting"
    message = PLACE.sub("", str(error)).removeprefix("JSON is malformed: ")
    if message.startswith("Input data was truncated"):
        return "it is empty or ends too early"
    return message[:1].lower() + message[1:]


def _check(value: Any, levels: int) -> None:
    if isinstance(value, dict | list):
        if levels == 0:
            raise InvalidInput(detail=f"More than {MAX_DEPTH} levels of nesting are not accepted.")
        for each in value.values() if isinstance(value, dict) else value:
            _check(each, levels - 1)
    elif isinstance(value, int) and not -LARGEST_INTEGER - 1 <= value <= LARGEST_INTEGER:
        raise InvalidInput(detail="Whole numbers beyond 64 bits are not accepted.")


def _read_field(
    name: str, given: Any, kind: Any, values: dict[str, Any], errors: dict[str, list[str]]
) -> None:
    try:
        values[name] = msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        errors[name] = [_sentence(str(error))]


def _sentence(message: str) -> str:
    """Return msgspec's message as a sentence, with places and types in words."""
    return TYPES.sub(_types_in_words, PLACE.sub(r" at \1", message)) + "."


def _types_in_words(types: re.Match[str]) -> str:
    return " or ".join(TYPE_NAMES.get(name, name) for name in types[1].split(" | "))
