"""Pages for people, and the files that they need. Most need no more than their handlers tell."""

from __future__ import annotations

from handlers.description.operation import Answer, Operation, Parameter, Subject
from handlers.description.parameters import BEFORE, INSTANT, OF_PROCESSES, PK_SCHEMA

BINARY = {"type": "string", "format": "binary"}


def _page(summary: str) -> dict[str, Operation]:
    page = Answer("The page.", {"type": "string"}, media_type="text/html")
    return {"GET": Operation(summary, {200: page})}


PAGES = Subject(
    "Pages",
    "Pages for people, and the style sheets and scripts that they need.",
    {
        "/": {
            "GET": Operation(
                "The page of all targets",
                {200: Answer("The page.", {"type": "string"}, media_type="text/html")},
                parameters=(
                    Parameter(
                        "search", {"type": "string"}, "A text in the name or the identifier."
                    ),
                    Parameter("active", INSTANT, "With `before`, where to go on."),
                    Parameter("before", PK_SCHEMA, "The PK of the last target before."),
                ),
            )
        },
        "/now": _page("The page of what runs, waits and has failed, over all targets"),
        "/processes/": {
            "GET": Operation(
                "The page of all processes",
                {200: Answer("The page.", {"type": "string"}, media_type="text/html")},
                parameters=(*OF_PROCESSES, BEFORE),
            )
        },
        "/pipeline/{pk}": _page("The page of a pipeline: its log, live"),
        "/processes/{pk}": _page("The page of a process of any type: its log, live"),
        "/processes/{pk}/compare/{pk2}/": _page(
            "The page of two runs side by side, and what differs between their receipts"
        ),
        "/plot": _page("An empty page, for the frame in which light curves are drawn"),
        "/static/{path}": {
            "GET": Operation(
                "A style sheet or script of the pages",
                {200: Answer("The file.", BINARY, media_type="*/*")},
                versioned=True,
            )
        },
        "/plot/bokeh.min.js": {
            "GET": Operation(
                "BokehJS, for the page that draws light curves",
                {200: Answer("The script.", BINARY, media_type="text/javascript")},
                versioned=True,
            )
        },
        "/plot/bokeh-api.min.js": {
            "GET": Operation(
                "The programming interface of BokehJS",
                {200: Answer("The script.", BINARY, media_type="text/javascript")},
                versioned=True,
            )
        },
    },
)
