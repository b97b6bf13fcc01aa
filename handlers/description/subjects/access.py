"""Who may do what: tickets for websockets, links to one process, and the pages to sign in."""

from __future__ import annotations

from msgspec import Struct

from handlers.api.shares import NewShare
from handlers.description.operation import Answer, Body, Operation, Parameter, Subject, delete, read

PAGE = Answer("The page.", {"type": "string"}, media_type="text/html")
FORM = "application/x-www-form-urlencoded"


class Ticket(Struct):
    """A ticket for one websocket, and until when it is good."""

    ticket: str
    expires: float


class Share(Struct):
    """When a link was made, until when it is good, and the token by which it was made."""

    created: float
    expires: float
    by: str | None


class Shares(Struct):
    """The links to a process that are still good, without the links themselves."""

    shares: list[Share]


class SharedLink(Struct):
    """A link by which anybody sees one process. It is shown this once."""

    url: str


def _form(**fields: str) -> dict[str, object]:
    properties = {name: {"type": "string", "description": text} for name, text in fields.items()}
    return {"type": "object", "properties": properties}


def _moved(description: str, *headers: str) -> Answer:
    return Answer(description, media_type=None, headers=("Location", *headers))


ACCESS = Subject(
    "Access",
    "Tickets for websockets, links to one process, and the pages on which people sign in and out.",
    {
        "/api/tickets/": {
            "POST": Operation(
                "Get a ticket for a websocket",
                {
                    201: Answer(
                        "The ticket: good once, as `?ticket=`, within 30 s.",
                        Ticket,
                        {"ticket": "q7n0Zb3v", "expires": 1772402431.5},
                    )
                },
                body=Body({"type": "object", "additionalProperties": False}, {}, required=False),
                description="For pages elsewhere, whose websockets can send no header.",
                errors={429: "Too many tickets in the last seconds, or too many wrong secrets."},
            )
        },
        "/api/processes/{pk}/share/": {
            "GET": read(
                "List the links to a process",
                Shares,
                {"shares": [{"created": 1772402400.0, "expires": 1773007200.0, "by": "ana"}]},
            ),
            "POST": Operation(
                "Make a link to a process",
                {
                    201: Answer(
                        "The link, by which anybody sees this process, read-only.",
                        SharedLink,
                        {"url": "/shared/AAAAAWmkfQ/"},
                    )
                },
                body=Body(NewShare, {"days": 7}, required=False),
                errors={409: "It has too many links already."},
            ),
            "DELETE": delete("Revoke all links to a process"),
        },
        "/shared/{name}/": {
            "GET": Operation(
                "The page of a process, by a link to it",
                {200: PAGE, 303: _moved("You may see the process anyway; this is its page.")},
                description="404 once the link has ended or was revoked.",
            )
        },
        "/shared/{name}/preview.png": {
            "GET": Operation(
                "The picture that other sites show of a link to a process",
                {
                    200: Answer(
                        "A PNG.", {"type": "string", "format": "binary"}, media_type="image/png"
                    )
                },
                description="404 where nothing can be shown, and as for the page.",
                example_name="AAAAAAAAAAxB2smD0qFHru7",
                versioned=True,
            )
        },
        "/login": {
            "GET": Operation(
                "The form in which people sign in",
                {
                    200: Answer("The form.", {"type": "string"}, media_type="text/html"),
                    302: _moved("Nobody needs to sign in here."),
                },
                parameters=(Parameter("next", {"type": "string"}, "Where to go from there."),),
            ),
            "POST": Operation(
                "Sign in",
                {303: _moved("The cookie is set.", "Set-Cookie")},
                body=Body(
                    _form(token="The secret of a token.", next="Where to go from there."),
                    {"token": "…", "next": "/"},
                    FORM,
                    required=False,
                ),
                errors={
                    401: "The token is not valid; the form is shown again.",
                    429: "Too many wrong secrets came from this address; the form is shown again.",
                },
            ),
        },
        "/logout": {
            "POST": Operation("Sign out", {303: _moved("The session has ended.", "Set-Cookie")})
        },
        "/sessions/": {
            "GET": Operation(
                "The page of one's own sessions",
                {200: PAGE, 302: _moved("There are no sessions here.")},
            ),
            "POST": Operation(
                "End sessions",
                {303: _moved("The sessions that are left.")},
                body=Body(
                    _form(end="The session to end, or `others` for all but this one."),
                    {"end": "others"},
                    FORM,
                    required=False,
                ),
            ),
        },
    },
)
