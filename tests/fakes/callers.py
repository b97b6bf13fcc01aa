"""Callers of every role, without tokens: each is who the header or the cookie says."""

from __future__ import annotations

import pytest
from tornado.web import HTTPError

from handlers.http.access_control import GuardedHandler
from server.access.roles import Caller, Role

ROLES = tuple(Role)


def identify_by_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take `Authorization: Bearer viewer:alice`, and a cookie of that, at its word."""

    def identified(handler: GuardedHandler) -> Caller:
        word = handler.request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not word and not handler.from_elsewhere:
            word = handler.get_cookie("heliograph") or ""
        role, _, name = word.partition(":")
        if role not in ROLES:
            raise HTTPError(401)
        return Caller(name or None, Role(role))

    monkeypatch.setattr(GuardedHandler, "_identified", identified)


def bearer(role: str, name: str = "") -> dict[str, str]:
    """Return the headers of a caller of this role and name."""
    return {"Authorization": f"Bearer {role}:{name}"}
