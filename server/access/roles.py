"""The roles, each with all that the ones below it may do, and the callers who have them."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from server.core.errors import HeliographError


class Role(enum.StrEnum):
    """What a caller may do; `docs/api.md` says it of each role."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def includes(self, other: Role) -> bool:
        """Return whether who has this role may do all that the other one may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True)
class Caller:
    """Who sent a request: the name of the token, None where no token has one, and the role."""

    name: str | None
    role: Role


#: Everybody, where the server has no tokens.
ANYBODY = Caller(None, Role.ADMIN)


class RoleNeeded(HeliographError):
    """A caller asked for something that needs another role."""

    def __init__(self, needed: Role, caller: Caller) -> None:
        super().__init__(f"This needs the role {needed}; you have the role {caller.role}")
        self.needed = needed
        self.caller = caller
