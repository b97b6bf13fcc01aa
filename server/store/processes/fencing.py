"""Writes to a process record that take effect only in the state that the writer believes it is in.

Each write of a run is fenced by attempt and owner, so that a server that has lost the run can no
longer write to it. What is written, and what it means, is left to `records`.
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
    *,
    only: Mapping[str, Any] | None = None,
    keys: Mapping[str, int | str] | None = None,
) -> ProcessRecord:
    """Change the record of a run; `keys` are fields of the document that only indexes need.

    `only` is what else must hold of it.

    :raises LeaseLost: the run no longer belongs to this owner, or `only` does not hold.
    """
    document = await collection.change(
        {"_id": pk, "attempt": attempt, "owner": owner, "state": State.RUNNING.value}
        | dict(only or {}),
        set=_checked(changes) | dict(keys or {}),
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
    *,
    unset: Iterable[str] = (),
    keys: Mapping[str, int | str] | None = None,
) -> ProcessRecord | None:
    """Change the record of a process in this state; return None if it has left the state."""
    document = await collection.change(
        {"_id": pk, "state": state.value},
        set=_checked(changes) | dict(keys or {}),
        inc={"version": 1},
        unset=unset,
    )
    return None if document is None else ProcessRecord.from_document(document)


def _checked(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the changes as a document has them. :raises TypeError: there is no such field."""
    if unknown := changes.keys() - _FIELDS:
        raise TypeError(f"A process record has no field {', '.join(sorted(unknown))}")
    builtins: dict[str, Any] = msgspec.to_builtins(dict(changes))
    return builtins
