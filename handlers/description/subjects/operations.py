"""What operators ask, and what describes the API itself."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from handlers.description.operation import Answer, Operation, Subject, read


class Well(Struct):
    """All is well."""

    status: Literal["ok"]


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
