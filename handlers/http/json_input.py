"""From the bytes of a JSON body to typed input, every fault named by its field."""

from __future__ import annotations

import re
from typing import Annotated, Any, TypeVar

import msgspec

from handlers.http.query import LARGEST, LARGEST_PK
from server.core.errors import InvalidInput

Input = TypeVar("Input", bound=msgspec.Struct)

Pk = Annotated[int, msgspec.Meta(ge=1, le=LARGEST_PK)]

DEEPEST = 64
PLACE = re.compile(r" - at `\$(.*)`$")


def read_input(body: bytes, kind: type[Input]) -> Input:
    """The input that a body holds. Raises InvalidInput naming each field that is at fault."""
    given = decode(body)
    if not isinstance(given, dict):
        raise InvalidInput(detail="A JSON object is expected.")
    faults: dict[str, list[str]] = {}
    values: dict[str, Any] = {}
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    for name in given.keys() - fields.keys():
        faults[name] = ["There is no such field."]
    for name, field in fields.items():
        if name in given:
            _read_field(name, given[name], field.type, values, faults)
        elif field.required:
            faults[name] = ["This field is required."]
    if faults:
        raise InvalidInput(faults)
    return kind(**values)


def given_fields(value: msgspec.Struct) -> dict[str, Any]:
    """The fields that were given, of input whose others are UNSET."""
    return {
        name: each
        for name in value.__struct_fields__
        if (each := getattr(value, name)) is not msgspec.UNSET
    }


def decode(body: bytes) -> Any:
    """The value of a JSON text, within the limits of depth and of whole numbers."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(detail=f"This is no JSON that can be read: {error}.") from error
    _check(value, DEEPEST)
    return value


def _check(value: Any, levels: int) -> None:
    if isinstance(value, dict | list):
        if levels == 0:
            raise InvalidInput(detail=f"More than {DEEPEST} levels of nesting are not accepted.")
        for each in value.values() if isinstance(value, dict) else value:
            _check(each, levels - 1)
    elif isinstance(value, int) and not -LARGEST - 1 <= value <= LARGEST:
        raise InvalidInput(detail="Whole numbers beyond 64 bits are not accepted.")


def _read_field(
    name: str, given: Any, kind: Any, values: dict[str, Any], faults: dict[str, list[str]]
) -> None:
    try:
        values[name] = msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        faults[name] = [_sentence(str(error))]


def _sentence(message: str) -> str:
    """What msgspec found, with the place in words."""
    return PLACE.sub(r" at \1", message).replace("`", "") + "."
