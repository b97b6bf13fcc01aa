"""The server's own log: its format, what is in it."""

from __future__ import annotations

import dataclasses

from server.config.rules import boolean, choice, setting


@dataclasses.dataclass(frozen=True, kw_only=True)
class Log:
    """What the server writes to standard error; the logs of runs are in `limits`."""

    format: str = setting(
        "text", choice("text", "json"), "lines for people, or a JSON object a line"
    )
    level: str = setting(
        "info",
        choice("debug", "info", "warning", "error"),
        "the least level that is written",
    )
    requests: bool = setting(
        True, boolean(), "whether each request gets a line; polls do at level `debug` only"
    )
