"""The `pipelines` of the configuration: names, classes, and what differs for one of them.

Reads the paths only; whether there are such classes is for the runners to find out.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from server.config.rules import Refused, Rule, read_mapping, text, whole, within
from server.config.sections import Limits, rules_of
from server.config.sources import parse_yaml

CLASS_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")
RETRIES = whole(0, 100)
ALLOWED = "a mapping of names to classes such as {My pipeline: my_package.module.Class}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PipelineEntry:
    """A pipeline of the configuration: its class, and what overrides the general settings.

    `limits` has only those that were given, as null means no limit there.
    """

    path: str
    retries: int | None = None
    retries_on_failure: int | None = None
    limits: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def _read_limits(value: object) -> dict[str, Any]:
    return read_mapping(rules_of(Limits), value)


ENTRY_RULES = {
    "class": text("a dotted path such as my_package.module.Class", CLASS_PATH.fullmatch),
    "timeout_seconds": rules_of(Limits)["timeout_seconds"],
    "retries": RETRIES,
    "retries_on_failure": RETRIES,
    "limits": Rule("a mapping of limits", _read_limits),
}


def _read_entry(value: object) -> PipelineEntry:
    if not isinstance(value, dict):
        return PipelineEntry(path=ENTRY_RULES["class"].read(value))
    given = read_mapping(ENTRY_RULES, value)
    if "class" not in given:
        raise Refused(value, "a mapping with at least the key class")
    limits = given.pop("limits", {})
    if "timeout_seconds" in given:
        limits = {**limits, "timeout_seconds": given.pop("timeout_seconds")}
    return PipelineEntry(path=given.pop("class"), limits=limits, **given)


def _read_pipelines(value: object) -> dict[str, PipelineEntry]:
    if not isinstance(value, dict | None):
        raise ValueError
    entry = Rule("a dotted path or a mapping", _read_entry)
    for name in value or {}:
        if not isinstance(name, str) or not name.isprintable() or not 0 < len(name.strip()) <= 100:
            raise Refused(name, "a name of 1 to 100 visible characters")
    return {name.strip(): within(name, entry, each) for name, each in (value or {}).items()}


def _from_text(written: str) -> object:
    try:
        return parse_yaml(written)
    except ValueError:
        return written  # refused as what it is: a text that is no mapping


PIPELINES = Rule(ALLOWED, _read_pipelines, _from_text, show=str)
