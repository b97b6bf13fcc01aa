"""One page of a list, as all readers of the store return it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Page(Generic[T]):
    """Items newest first; `next` is the `before` of the following page, None on the last."""

    items: list[T]
    next: int | None
