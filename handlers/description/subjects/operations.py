"""What operators ask, and what describes the API itself."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from handlers.description.operation import Answer, Operation, Subject, read
from handlers.description.parameters import PAGE


class Well(Struct):
    """All is well."""

    status: Literal["ok"]


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
