"""The key `pipelines` of the configuration: names, classes, and what each of them overrides.

Class paths are read only as text; whether there are such classes is for the runners to find out.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Mapping
from typing import Any

from server.config.rules import Refused, Rule, integer, read_inner, read_mapping, rules_of, text
from server.config.sections import Limits
from server.config.sources import yaml_or_text

CLASS_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")
EXAMPLE = "my_package.module.Class"
RETRIES = integer(0, 100)
LIMITS = rules_of(Limits)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PipelineEntry:
    """A configured pipeline: the path of its class, and what overrides the general settings.

    `limits` has only the given ones, as None is a value there: no limit.
    """

    path: str
    retries: int | None = None
    retries_on_failure: int | None = None
    limits: Mapping[str, Any] = dataclasses.field(default_factory=dict)


ENTRY_RULES = {
    "class": text(f"a dotted path such as {EXAMPLE}", CLASS_PATH.fullmatch),
    "timeout_seconds": LIMITS["timeout_seconds"],
    "retries": RETRIES,
    "retries_on_failure": RETRIES,
    "limits": Rule("a mapping of limits", functools.partial(read_mapping, LIMITS)),
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


ENTRY = Rule("a dotted path or a mapping", _read_entry)


def _is_name(name: object) -> bool:
    return isinstance(name, str) and name.isprintable() and 0 < len(name.strip()) <= 100


def _read_pipelines(value: object) -> dict[str, PipelineEntry]:
    if not isinstance(value, dict | None):
        raise ValueError
    for name in value or {}:
        if not _is_name(name):
            raise Refused(name, "a name of 1 to 100 visible characters")
    return {name.strip(): read_inner(name, ENTRY, each) for name, each in (value or {}).items()}


PIPELINES = Rule(
    f"a mapping of names to classes such as {{My pipeline: {EXAMPLE}}}",
    _read_pipelines,
    yaml_or_text,
    show=str,
)
