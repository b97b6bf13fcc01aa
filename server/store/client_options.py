"""How we speak with the database: what a write waits for, and how long anything may take."""

from __future__ import annotations

from typing import Any

SELECTION_SECONDS = 2.0
#: For heartbeats as well: one that is late cancels everything under way, so not too short.
CONNECT_SECONDS = 10.0
SOCKET_SECONDS = 20.0


def client_options() -> dict[str, Any]:
    """The options of a client, by the names that they have in a URI as well."""
    return {
        "appname": "heliograph",
        "w": "majority",
        "journal": True,
        "serverSelectionTimeoutMS": round(SELECTION_SECONDS * 1000),
        "connectTimeoutMS": round(CONNECT_SECONDS * 1000),
        "socketTimeoutMS": round(SOCKET_SECONDS * 1000),
        "waitQueueTimeoutMS": round(SOCKET_SECONDS * 1000),
    }
