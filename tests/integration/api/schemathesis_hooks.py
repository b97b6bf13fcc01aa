"""What schemathesis must not send as valid: limits of JSON that JSON Schema cannot express."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import schemathesis

from server.core.records import LARGEST_INTEGER


@schemathesis.hook
def filter_case(_context: Any, case: Any) -> bool:
    """Return whether no number in the body is an integer beyond 64 bits, which is 400."""
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
    """Let bodies of links be sent as they are, or no submit would name products that exist."""
    for methods in raw_schema["paths"].values():
        for operation in methods.values():
            for answer in operation["responses"].values():
                for link in answer.get("links", {}).values():
                    link["x-schemathesis"] = {"merge_body": False}
