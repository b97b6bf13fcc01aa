"""The URLs of tom_education that still work: its form, its photometry, its bookmarks."""

from __future__ import annotations

from handlers.description.operation import Answer, Body, Operation, Parameter, Subject

PAGE = Answer("The page.", {"type": "string"}, media_type="text/html")
FORM = "application/x-www-form-urlencoded"
PRODUCTS = Parameter("product_pks", {"type": "string"}, "PKs with commas between them.")


def _led_on(description: str) -> Answer:
    return Answer(description, media_type=None, headers=("Location",))


def _form(**fields: str) -> dict[str, object]:
    properties = {name: {"type": "string", "description": text} for name, text in fields.items()}
    return {"type": "object", "properties": properties}


PREDECESSOR = Subject(
    "URLs of tom_education",
    "For bookmarks and scripts of sites that have moved in. New programs use the API.",
    {
        "/targets/{pk}/data/": {
            "GET": Operation(
                "The old page of a target's data",
                {
                    302: _led_on("It is on the page of the target."),
                    301: _led_on("The target has got another PK when it was moved in."),
                },
            ),
            "POST": Operation(
                "Run a pipeline, as the form of tom_education does",
                {
                    200: Answer(
                        "The process is in the queue.",
                        {
                            "type": "object",
                            "properties": {"ok": {"const": True}},
                            "required": ["ok"],
                        },
                        {"ok": True},
                    ),
                    302: _led_on("`view_gallery` and `delete` have pages of their own."),
                    400: Answer(
                        "What is wrong, as text.",
                        {"type": "string"},
                        media_type="text/plain, text/html",
                    ),
                },
                description=(
                    "Besides these fields, `<product pk>=on` for each input, and"
                    " `pipeline_flag_<name>` with any value for each flag that is to be true: all"
                    " others are false. What is wrong is said as text."
                ),
                body=Body(
                    _form(action="`pipeline`.", pipeline_name="The pipeline, by its name."),
                    {"action": "pipeline", "pipeline_name": "Dummy", "1": "on"},
                    media_type=FORM,
                    required=False,
                ),
                errors={503: "Too many processes wait, or the database is away."},
            ),
        },
        "/targets/{pk}/data/download/": {
            "GET": Operation(
                "The magnitudes of a target as CSV",
                {
                    200: Answer(
                        "Time (ISO 8601, UTC), magnitude and error, without a header.",
                        {"type": "string"},
                        media_type="text/csv",
                    ),
                    301: _led_on("The target has got another PK when it was moved in."),
                },
            )
        },
        "/data/{path}": {
            "GET": Operation(
                "A media file by its old address",
                {
                    301: _led_on("It was moved in."),
                    302: _led_on("It is the first one of its name that the target has."),
                },
                example_name="M%2013/none/frame0.fits",
            )
        },
        "/gallery/": {
            "GET": Operation(
                "The page of chosen data products",
                {200: PAGE},
                parameters=(
                    PRODUCTS,
                    Parameter("product", {"type": "string"}, "The same, once or more often."),
                ),
            ),
            "POST": Operation(
                "Put data products into a group",
                {302: _led_on("The page of the group.")},
                description="Besides these fields, `<product pk>=on` for each one.",
                body=Body(
                    _form(product_pks="All that are on the page.", group="PK of the group."),
                    {"product_pks": "1,2", "group": "1", "1": "on"},
                    media_type=FORM,
                    required=False,
                ),
            ),
        },
        "/dataproducts/deletemultiple/": {
            "GET": Operation(
                "The page that asks whether data products are to be deleted",
                {200: PAGE},
                parameters=(
                    PRODUCTS,
                    Parameter("next", {"type": "string"}, "Where to go afterwards."),
                ),
            ),
            "POST": Operation(
                "Delete data products",
                {302: _led_on("They are deleted; to `next`.")},
                body=Body(
                    _form(
                        product_pks="PKs with commas between them.",
                        next="Where to go afterwards, a path of this server.",
                    ),
                    {"product_pks": "1,2", "next": "/"},
                    media_type=FORM,
                    required=False,
                ),
                errors={409: "A process needs one: those before it are deleted."},
            ),
        },
    },
)
