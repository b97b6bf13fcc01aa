"""What the forms of tom_education send: one field for each data product that was chosen."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

from handlers.http.body import BODY_LIMIT_BYTES
from handlers.pages.login import FormPage
from server.core.errors import InvalidInput
from server.core.records import LARGEST_PK
from server.processes.validation import MAX_INPUTS

#: One for each product, and as many again for flags and the rest.
MOST_FIELDS = 2 * MAX_INPUTS
#: A PK as Django writes it.
PK = re.compile(r"[1-9][0-9]{0,9}", re.ASCII)
#: What a check box of Django takes for a box that is not ticked.
UNTICKED = frozenset({"", "0", "false", "False"})


class OldForm(FormPage):
    """A handler of such a form. Fields that it does not know are ignored, as Django does."""

    limit_bytes = BODY_LIMIT_BYTES

    @property
    def fields(self) -> dict[str, str]:
        """The last value of each field. Raise InvalidInput for too many of them."""
        try:
            body = bytes(self.body).decode(errors="replace")
            return dict(parse_qsl(body, keep_blank_values=True, max_num_fields=MOST_FIELDS))
        except ValueError as error:
            raise InvalidInput(detail=f"A form of over {MOST_FIELDS:,} fields.") from error


def ticked(fields: dict[str, str]) -> list[int]:
    """Return the PKs that are ticked, in the order of the form."""
    return [
        int(name)
        for name, value in fields.items()
        if PK.fullmatch(name) and int(name) <= LARGEST_PK and value not in UNTICKED
    ]


def pks_of(values: list[str]) -> list[int]:
    """Return the PKs in texts such as `1,2,3`, each once. Raise InvalidInput for anything else."""
    parts = [part.strip() for value in values for part in value.split(",") if part.strip()]
    if not all(PK.fullmatch(part) and int(part) <= LARGEST_PK for part in parts):
        raise InvalidInput.of("product_pks", "PKs with commas between them are expected.")
    return list(dict.fromkeys(map(int, parts)))
