"""What a start would refuse and a person accepts; imports nothing, as the command line asks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """What a person has looked at and accepts for this start."""

    missing_database: bool = False
    older_database: bool = False
    other_files: bool = False
