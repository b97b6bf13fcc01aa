"""The audit trail: who changed what, and from where, as one line of the server's log a change.

Its lines have stable actions, and come from a logger of their own, so that they can be kept apart.
"""

from __future__ import annotations

import logging

from server.access.roles import Caller

#: Not `log`: the action of each line is given by the handler that has made the change.
trail = logging.getLogger("heliograph.audit")


def record(
    action: str, caller: Caller, address: str | None, ids: dict[str, object], level: int
) -> None:
    """Write that a caller at an address has done something to what has these ids."""
    trail.log(
        level,
        "%s by %s from %s",
        action.replace("_", " ").capitalize(),
        "an unnamed caller" if caller.name is None else caller.name,
        address,
        extra={"action": action, "address": address, "token": caller.name, **ids},
    )
