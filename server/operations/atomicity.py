"""Refuses a database that loses changes made at the same time: every promise rests on them."""

from __future__ import annotations

import asyncio
import secrets

from server.core.errors import DatabaseAway, NoRoom, StartError
from server.store.installation import Installation

#: How many changes of one document are made at once.
CHANGES = 20


async def check_atomic(installation: Installation, server: str) -> None:
    """Change one document many times at once, and compare what was answered with what is stored.

    :raises StartError: a number was handed out twice, or a change was lost.
    """
    # A change whose answer was lost may come late: it finds no document of its trial any more.
    trial = f"t{secrets.token_hex(8)}"
    await installation.begin_trial(server, trial)
    answers = await asyncio.gather(
        *(installation.count(server, trial) for _ in range(CHANGES)), return_exceptions=True
    )
    for answer in answers:
        if isinstance(answer, DatabaseAway | NoRoom):
            raise answer
    stored = await installation.end_trial(server)
    if set(answers) != set(range(1, CHANGES + 1)) or stored != CHANGES:
        raise StartError(
            "mongodb.uri: this database loses changes that are made at the same time "
            f"(of {CHANGES}, {stored or 0} were kept), so accepted work would be lost; "
            "use MongoDB 4.4 or newer, or leave mongodb.uri out for the embedded engine"
        )
