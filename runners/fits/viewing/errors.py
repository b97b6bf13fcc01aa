"""What is wrong with a request of a viewer, as opposed to the file that it asks about."""

from __future__ import annotations


class WrongRequest(ValueError):
    """A request that this file cannot answer; `field` is the parameter at fault."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
