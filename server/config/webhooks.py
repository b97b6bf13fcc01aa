"""The key `webhooks` of the configuration: whom the server calls when processes move on."""

from __future__ import annotations

import dataclasses
import hashlib
from urllib.parse import urlsplit

from server.config.rules import Refused, Rule, list_of, read_inner, read_mapping, text
from server.config.sources import yaml_or_text
from server.core.records import State

EVENTS = tuple(state.value for state in State)
#: What a webhook is told unless it says otherwise.
ENDS = ("succeeded", "failed", "cancelled")
MOST_WEBHOOKS = 100


@dataclasses.dataclass(frozen=True, kw_only=True)
class Webhook:
    """A URL that is called with each of these events; `secret` signs what is sent."""

    url: str = dataclasses.field(repr=False)
    events: tuple[str, ...] = ENDS
    secret: str | None = dataclasses.field(default=None, repr=False)

    @property
    def id(self) -> str:
        """What tells it from others in the database, which is to hold no secret."""
        return f"w{hashlib.sha256(self.url.encode()).hexdigest()[:16]}"

    @property
    def shown(self) -> str:
        """The URL without what may be a secret: user, password, path, query."""
        parts = urlsplit(self.url)
        port = f":{parts.port}" if parts.port else ""
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        return f"{parts.scheme}://{host}{port}/…"


def _is_url(written: str) -> bool:
    try:
        parts = urlsplit(written)
        port = parts.port
    except ValueError:
        return False
    plain = written.isascii() and " " not in written and len(written) <= 2048 and port != 0
    return plain and parts.scheme in {"http", "https"} and bool(parts.hostname)


ENTRY_RULES = {
    "url": text("a URL that begins with http:// or https://", _is_url, secret=True),
    "events": list_of(text(f"{', '.join(EVENTS[:-1])} and {EVENTS[-1]}", EVENTS.__contains__)),
    "secret": text(
        "a secret of 8 to 1024 characters", lambda it: 8 <= len(it) <= 1024, secret=True
    ),
}


def _read_entry(value: object) -> Webhook:
    if not isinstance(value, dict):
        return Webhook(url=ENTRY_RULES["url"].read(value))
    given = read_mapping(ENTRY_RULES, value)
    if "url" not in given:
        raise Refused(value, "a mapping with at least the key url")
    if given.get("events") == ():
        raise Refused(value, "at least one event")
    return Webhook(**given)


ENTRY = Rule("a URL, or a mapping of url, events and secret", _read_entry, secret=True)


def _read_webhooks(value: object) -> tuple[Webhook, ...]:
    if not isinstance(value, list | tuple | None) or len(value or ()) > MOST_WEBHOOKS:
        raise ValueError
    read = [read_inner(str(at), ENTRY, each) for at, each in enumerate(value or (), 1)]
    if len({webhook.url for webhook in read}) < len(read):
        raise Refused(None, "each URL once; give all its events in one place")
    return tuple(read)


WEBHOOKS = Rule(
    "a list of {url, events, secret}, of which only the url is needed",
    _read_webhooks,
    yaml_or_text,
    show=lambda value: str(list(value)),
    secret=True,
)
