"""What schemathesis must not send as valid: limits of JSON that JSON Schema cannot express."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import schemathesis

from server.core.records import LARGEST_INTEGER


@schemathesis.hook
def filter_case(_context: Any, case: Any) -> bool:
    """Return whether the description can say what becomes of a request.

    An integer beyond 64 bits in the body is 400; an empty parameter, as forms send, counts as none.
    """
    if "" in dict(case.query or {}).values():
        return False
    return all(abs(number) <= LARGEST_INTEGER for number in _integers(case.body))


def _integers(value: Any) -> Iterator[int]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _integers(each)
    elif isinstance(value, int):
        yield value


@schemathesis.hook
def before_load_schema(_context: Any, raw_schema: dict[str, Any]) -> None:
    """Let bodies of links be sent as they are, or no submit would name products that exist.

    Leave out the types in lists of fixed length: schemathesis 4.32 writes `prefixItems` in the way
    of an older JSON Schema, and then finds that invalid. Other tests compare them.
    """
    _forget_prefix_items(raw_schema)
    for methods in raw_schema["paths"].values():
        for operation in methods.values():
            for answer in operation["responses"].values():
                for link in answer.get("links", {}).values():
                    link["x-schemathesis"] = {"merge_body": False}


def _forget_prefix_items(schema: Any) -> None:
    if isinstance(schema, dict):
        if schema.pop("prefixItems", None) is not None:
            schema.pop("items", None)
        schema = list(schema.values())
    if isinstance(schema, list):
        for each in schema:
            _forget_prefix_items(each)
