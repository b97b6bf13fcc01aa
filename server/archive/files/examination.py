"""Examines the files of new products; what fails is stored without metadata and tried again."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from runners.examiner import ExaminationError

log = logging.getLogger(__name__)

#: Returns the metadata of a FITS file, None for any other file, or raises ExaminationError.
Examine = Callable[[Path], Awaitable[dict[str, Any] | None]]

#: How often a file that could not be examined is examined again. Some will never be: they kill or
#: hold up the examiner each time.
EXAMINATIONS = 5


async def examined(examine: Examine, path: Path, name: str) -> dict[str, Any]:
    """Examine a file and return the fields that its product gets from that."""
    try:
        return {"fits": await examine(path)}
    except ExaminationError as error:
        log.warning(
            "%s is stored without metadata and will be examined again: %s",
            name,
            error,
            extra={"action": "examination_postponed"},
        )
        return {"examinations_left": EXAMINATIONS}
