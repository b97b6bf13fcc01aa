"""Callers of every role, without tokens: each is who the header or the cookie says."""

from __future__ import annotations

import pytest
from tornado.httputil import HTTPServerRequest

from handlers.access.identification import COOKIE, Identification
from server.access.identity import Identity, NotIdentified
from server.access.roles import Caller, Role

ROLES = tuple(Role)


def identify_by_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take `Authorization: Bearer viewer:alice`, and a cookie of that, at its word."""

    def identify(
        _self: Identification, request: HTTPServerRequest, *, cookies: bool = True
    ) -> Identity:
        word = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not word and cookies and COOKIE in request.cookies:
            word = request.cookies[COOKIE].value
        role, _, name = word.partition(":")
        if role not in ROLES:
            raise NotIdentified
        return Identity(Caller(name or None, Role(role)), lambda: True)

    monkeypatch.setattr(Identification, "identify", identify)


def bearer(role: str, name: str = "") -> dict[str, str]:
    """Return the headers of a caller of this role and name."""
    return {"Authorization": f"Bearer {role}:{name}"}
