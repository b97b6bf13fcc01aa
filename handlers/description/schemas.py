"""JSON Schema of the bodies: msgspec makes that of Structs, from types and docstrings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from handlers.description.operation import Schema

REFERENCE = "#/components/schemas/{name}"


class Detail(msgspec.Struct, forbid_unknown_fields=True):
    """What is wrong, in a sentence."""

    detail: str


#: The body of a 400: the messages of each field that is wrong, or `detail` where none is at fault.
INVALID: dict[str, Any] = {
    "title": "Invalid",
    "description": "What is wrong with each field, or `detail` where no field is at fault.",
    "anyOf": [
        {"$ref": REFERENCE.format(name="Detail")},
        {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {"type": "array", "items": {"type": "string"}, "minItems": 1},
        },
    ],
}


class Schemas:
    """The schemas of all bodies: `components`, and what refers to them.

    Inputs take no fields but their own; of answers, the next version may have more.
    """

    def __init__(self, answers: Iterable[Schema], inputs: Iterable[Schema]) -> None:
        inputs = [each for each in inputs if isinstance(each, type)]
        structs = [each for each in answers if isinstance(each, type)] + inputs
        structs = list(dict.fromkeys([Detail, *structs]))
        found, self.components = msgspec.json.schema_components(structs, ref_template=REFERENCE)
        self._references = dict(zip(structs, found, strict=True))
        for each in inputs:
            self.components[each.__name__]["additionalProperties"] = False
        self.components["Invalid"] = INVALID

    def of(self, schema: Schema) -> dict[str, Any]:
        """Return the schema of a body as it stands in the description."""
        found: dict[str, Any]
        found = self._references[schema] if isinstance(schema, type) else schema
        return found
