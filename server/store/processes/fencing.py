"""Writes to the record of a process that count only as long as it is what the writer takes it for.

Each write of a run is fenced by attempt and owner, so that a server that lost a run cannot write to
it any more. What is written, and what it means, is left to `processes`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from server.core.errors import LeaseLost
from server.core.records import ProcessRecord, State
from server.store.driver.collection import Collection

_FIELDS = frozenset(ProcessRecord.__struct_fields__)


async def fenced(
    collection: Collection,
    pk: int,
    attempt: int,
    owner: str,
    changes: Mapping[str, Any],
    **keys: int | str,
) -> ProcessRecord:
    """Change the record of a run; `keys` are what the document has for the indexes only.

    :raises LeaseLost: the run is not this owner's any more.
    """
    document = await collection.change(
        {"_id": pk, "attempt": attempt, "owner": owner, "state": State.RUNNING.value},
        set=_checked(changes) | keys,
        inc={"version": 1},
    )
    if document is None:
        raise LeaseLost(pk, attempt)
    return ProcessRecord.from_document(document)


async def changed_in(
    collection: Collection,
    state: State,
    pk: int,
    changes: Mapping[str, Any],
    unset: Iterable[str] = (),
    **keys: int | str,
) -> ProcessRecord | None:
    """Change the record of a process that is in this state; None when it is not any more."""
    document = await collection.change(
        {"_id": pk, "state": state.value},
        set=_checked(changes) | keys,
        inc={"version": 1},
        unset=unset,
    )
    return None if document is None else ProcessRecord.from_document(document)


def _checked(changes: Mapping[str, Any]) -> dict[str, Any]:
    """The changes as a document has them. :raises TypeError: a record has no such field."""
    if unknown := changes.keys() - _FIELDS:
        raise TypeError(f"A process record has no field {', '.join(sorted(unknown))}")
    builtins: dict[str, Any] = msgspec.to_builtins(dict(changes))
    return builtins
