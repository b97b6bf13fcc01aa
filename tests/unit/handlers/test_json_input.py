"""The words for JSON bodies that cannot be read: fit for people, nothing of the libraries'."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from handlers.http.json_input import decode, read_input
from server.core.errors import InvalidInput

INTERNAL = re.compile(r"codec|0x|recursion|deserializ|Input data|[$`|]|JSON is malformed|\w+Error")


class Body(msgspec.Struct):
    """A body of each type of field."""

    ra: float | None = None
    name: str = ""
    products: list[int] = []
    force: bool = False


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "it is empty or ends too early"),
        (b'{"name": ', "it is empty or ends too early"),
        (b'{"name": "\xff"}', "a string in it is not valid UTF-8"),
        (b"[" * 100_000, "it has more than 64 levels of nesting"),
        (b'{"ra": NaN}', "invalid character (byte 7)"),
        (b'{"ra": 1e999}', "number out of range"),
        ('{"name": "x"}'.encode("utf-16"), "invalid character (byte 0)"),
    ],
)
def test_what_is_not_json_is_refused_in_words(body: bytes, reason: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        decode(body)
    assert str(refused.value) == f"This is not valid JSON: {reason}."


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        (b'{"ra": true}', {"ra": ["Expected a number or null, got a boolean."]}),
        (b'{"name": 5}', {"name": ["Expected a string, got a whole number."]}),
        (b'{"products": {}}', {"products": ["Expected a list, got an object."]}),
        (b'{"products": ["a"]}', {"products": ["Expected a whole number, got a string at [0]."]}),
        (b'{"force": null}', {"force": ["Expected a boolean, got null."]}),
    ],
)
def test_a_field_of_a_wrong_type_is_named_in_words(body: bytes, errors: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_input(body, Body)
    assert refused.value.fields == errors
    assert not INTERNAL.search(str(errors))
