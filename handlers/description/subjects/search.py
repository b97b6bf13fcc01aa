"""Finding targets, processes and data products by a text."""

from __future__ import annotations

from msgspec import Struct

from handlers.description.operation import Parameter, Subject, read
from handlers.description.parameters import limit
from handlers.description.subjects.processes import EXAMPLE as PROCESS
from handlers.description.subjects.processes import Process
from handlers.description.subjects.products import EXAMPLE as PRODUCT
from handlers.description.subjects.products import DataProduct
from handlers.description.subjects.targets import EXAMPLE as TARGET
from handlers.description.subjects.targets import Target


class Found(Struct):
    """What was found, of each kind up to the limit."""

    targets: list[Target]
    processes: list[Process]
    dataproducts: list[DataProduct]


SEARCH = Subject(
    "Search",
    "Targets, processes and data products by what one knows of them.",
    {
        "/api/search/": {
            "GET": read(
                "Search everything",
                Found,
                {"targets": [TARGET], "processes": [PROCESS], "dataproducts": [PRODUCT]},
                parameters=(
                    Parameter("q", {"type": "string"}, "What to search for."),
                    limit(50, 8),
                ),
                description="Each kind is read along an index: targets by how the words of their "
                "names and identifiers begin, processes by PK, day, pipeline, target and how their "
                "identifiers begin, data products by how their names begin.",
                example_query={"q": "m13"},
            )
        }
    },
)
