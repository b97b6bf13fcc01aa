"""The key `compat.settings`: what pipelines of tom_education read in place of Django's settings.

Runs get these values, so nothing that looks like a secret is taken: `limits.environment` is for
those.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from server.config.rules import Refused, Rule, read_inner
from server.config.sources import yaml_or_text

NAME = re.compile(r"[A-Z][A-Z0-9_]{0,99}", re.ASCII)
MOST_CHARACTERS = 65_536
DEEPEST = 8
#: Of a key at any depth, and of the text under it.
_SECRET = re.compile(
    r"token|secret|passw|passphrase|credential|cookie|(api|access|private|signing)_?key|_keys?$"
    r"|^key$|_auth$|_dsn$|^databases?$|^broker",
    re.IGNORECASE,
)
_PASSWORD_IN_URL = re.compile(
    r"[a-z][a-z0-9+.-]{0,20}://[^\s/@:]{0,200}:[^\s/@]{1,200}@", re.IGNORECASE
)

NO_SECRETS = "settings without secrets, which runs get by limits.environment if they need them"
PLAIN = "texts, numbers, true, false, null, and lists and mappings of these"


def _read_settings(value: object) -> dict[str, Any]:
    if not isinstance(value, dict | None):
        raise ValueError
    for name in value or {}:
        if not (isinstance(name, str) and NAME.fullmatch(name)):
            raise Refused(name, "a name in capitals such as DATA_PRODUCT_TYPES")
    pairs = (value or {}).items()
    settings = {name: read_inner(name, _SETTING, {name: each}) for name, each in pairs}
    if len(json.dumps(settings)) > MOST_CHARACTERS:
        raise Refused("…", f"{MOST_CHARACTERS:,} characters of JSON in all")
    return settings


def _read_setting(value: Any) -> Any:
    [(name, given)] = value.items()
    for key in _secrets(name, given):
        raise Refused(key, NO_SECRETS)
    return _plain(given, DEEPEST)


def _secrets(key: str, value: object, depth: int = DEEPEST) -> Iterator[str]:
    """Yield the keys under which something looks like a secret; never a value."""
    if _SECRET.search(key) or (isinstance(value, str) and _PASSWORD_IN_URL.search(value)):
        yield key
    elif depth and isinstance(value, dict):
        for name, each in value.items():
            yield from _secrets(str(name), each, depth - 1)
    elif depth and isinstance(value, list):
        for each in value:
            yield from _secrets("", each, depth - 1)


def _plain(value: object, depth: int) -> object:
    """Return a value as JSON has it. Raise Refused for any other."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | float) and math.isfinite(value) and abs(value) < 2**63:
        return value
    if depth and isinstance(value, list):
        return [_plain(each, depth - 1) for each in value]
    if depth and isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _plain(each, depth - 1) for key, each in value.items()}
    raise Refused(value, PLAIN)


_SETTING = Rule(PLAIN, _read_setting)

SETTINGS = Rule(
    "a mapping of names to values such as {TIME_ZONE: UTC}, without secrets",
    _read_settings,
    yaml_or_text,
    show=str,
)
