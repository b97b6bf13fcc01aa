"""What operators ask, and what describes the API itself."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from handlers.description.operation import Answer, Operation, Subject, read
from handlers.description.parameters import PAGE


class Well(Struct):
    """All is well."""

    status: Literal["ok"]


class ServerStatus(Struct):
    """The server at a glance. Figures that have not been measured yet are null."""

    timestamp: float
    version: str
    schema: int
    server_id: str
    started: float
    slots: int
    dashboard: str | None
    running: int
    running_here: int
    queue_length: int
    queue_age_seconds: float | None
    failed_24h: int | None
    viewers: int
    disk_free_bytes: int | None
    disk_used_bytes: int | None
    database_bytes: int | None


class Webhook(Struct):
    """Who is told: a receiver, the events that it is told of, and whether calls are signed."""

    receiver: str
    events: list[str]
    signed: bool


class Delivery(Struct):
    """What a receiver was told, or is to be told: of which event of which process, and how far."""

    pk: int
    created: float
    receiver: str
    event: str
    process: int
    state: Literal["waiting", "delivered", "failed"]
    tries: int
    last_try: float | None
    next_try: float | None
    answer: int | None
    error: str | None


class Webhooks(Struct):
    """All receivers, and a page of the deliveries, newest first."""

    webhooks: list[Webhook]
    deliveries: list[Delivery]
    next: int | None


OPERATIONS = Subject(
    "Operations",
    "Whether the server lives and works, and this description.",
    {
        "/healthz": {"GET": read("Ask whether the server is alive", Well, {"status": "ok"})},
        "/readyz": {
            "GET": read(
                "Ask whether the server is ready",
                Well,
                {"status": "ok"},
                errors={503: "It is not; `detail` says why."},
            )
        },
        "/api/status/": {
            "GET": read(
                "Get the server at a glance",
                ServerStatus,
                {
                    "timestamp": 1795666434.66,
                    "version": "0.2.0",
                    "schema": 4,
                    "server_id": "s54c92a9f7dcda716",
                    "started": 1795666134.3,
                    "slots": 4,
                    "dashboard": None,
                    "running": 6,
                    "running_here": 4,
                    "queue_length": 3,
                    "queue_age_seconds": 12.4,
                    "failed_24h": 1,
                    "viewers": 2,
                    "disk_free_bytes": 69594415104,
                    "disk_used_bytes": 28198879232,
                    "database_bytes": 377037,
                },
            )
        },
        "/metrics": {
            "GET": Operation(
                "Get the metrics",
                {
                    200: Answer(
                        "All metrics, in the format that `Accept` asks for.",
                        {"type": "string"},
                        media_type="text/plain, application/openmetrics-text",
                    )
                },
                description="For Prometheus.",
            )
        },
        "/api/webhooks/": {
            "GET": read(
                "List webhooks and deliveries",
                Webhooks,
                {
                    "webhooks": [
                        {
                            "receiver": "https://hooks.example",
                            "events": ["failed"],
                            "signed": True,
                        }
                    ],
                    "deliveries": [
                        {
                            "pk": 1,
                            "created": 1772402391.1,
                            "receiver": "https://hooks.example",
                            "event": "failed",
                            "process": 1,
                            "state": "delivered",
                            "tries": 1,
                            "last_try": 1772402391.2,
                            "next_try": None,
                            "answer": 204,
                            "error": None,
                        }
                    ],
                    "next": None,
                },
                parameters=PAGE,
            )
        },
        "/api/openapi.json": {
            "GET": Operation(
                "Get this description",
                {200: Answer("OpenAPI 3.1.", {"type": "object"}, {"openapi": "3.1.0"})},
                versioned=True,
            )
        },
        "/api/docs/": {
            "GET": Operation(
                "This description as a page",
                {200: Answer("The page.", {"type": "string"}, media_type="text/html")},
            )
        },
    },
)
