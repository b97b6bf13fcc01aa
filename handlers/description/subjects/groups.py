"""Groups of data products."""

from __future__ import annotations

from msgspec import Struct

from handlers.api.groups import AddedProducts, NewGroup
from handlers.description.operation import DAMAGED, Answer, Body, Operation, Subject, delete, read
from handlers.description.parameters import PAGE

PK_OF_GROUP = {"pk": "$response.body#/pk"}
EXAMPLE = {
    "pk": 1,
    "name": "dummy_m13_2026-03-01-215950_outputs",
    "url": "/dataproducts/data/group/1/",
    "products": [4],
    "process": 1,
    "created": 1772402391.0,
}


class Group(Struct):
    """Data products that belong together; `process` made them, null for any other group."""

    pk: int
    name: str
    url: str
    products: list[int]
    process: int | None
    created: float


class Groups(Struct):
    """A page of groups, newest first."""

    groups: list[Group]
    next: int | None


GROUPS = Subject(
    "Groups",
    "Data products that belong together, such as the outputs of a process.",
    {
        "/api/groups/": {
            "GET": read(
                "List groups", Groups, {"groups": [EXAMPLE], "next": None}, parameters=PAGE
            ),
            "POST": Operation(
                "Make a group",
                {
                    201: Answer(
                        "The group that was made.",
                        Group,
                        {**EXAMPLE, "name": "Best frames", "products": [1, 2], "process": None},
                        headers=("Location",),
                        links={
                            "get": {"operationId": "get_api_groups_pk", "parameters": PK_OF_GROUP},
                            "delete": {
                                "operationId": "delete_api_groups_pk",
                                "parameters": PK_OF_GROUP,
                            },
                        },
                    )
                },
                body=Body(NewGroup, {"name": "Best frames", "products": [1, 2]}),
            ),
        },
        "/api/groups/{pk}/": {
            "GET": read("Get a group", Group, EXAMPLE),
            "DELETE": delete("Delete a group", description="Its data products stay.", example_pk=2),
        },
        "/api/groups/{pk}/products/": {
            "POST": Operation(
                "Add data products to a group",
                {200: Answer("The group as it is now.", Group, {**EXAMPLE, "process": None})},
                body=Body(AddedProducts, {"products": [4]}),
                description="Those that are in it already keep their place.",
                errors={409: "The group holds the outputs of a process."},
                example_pk=2,
            ),
        },
        "/dataproducts/data/group/{pk}/zip": {
            "GET": Operation(
                "Download a group as a ZIP archive",
                {
                    200: Answer(
                        "All files, in an archive that is made while it is sent.",
                        {"type": "string", "format": "binary"},
                        media_type="application/zip",
                    )
                },
                errors={500: DAMAGED},
            ),
        },
    },
)
