"""What is said of a line of a pipeline that was written for tom_education."""

from __future__ import annotations

import ast
import enum
from typing import NamedTuple


class Kind(enum.StrEnum):
    """What a line needs."""

    WORKS = "works"  #: nothing
    LOOK = "look"  #: it runs, but does something else than it did
    CHANGE = "change"  #: it would fail here


class Finding(NamedTuple):
    """What is said of a line; `what` is as it stands there, `say` what to do or why it works."""

    line: int
    kind: Kind
    what: str
    say: str


def dotted(node: ast.AST | None, most: int = 8) -> str:
    """Return a name with dots, as in `self.target.name`; empty for any other node."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute) and len(parts) < most:
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    return ".".join([node.id, *reversed(parts)])
