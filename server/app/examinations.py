"""Examinations for requests: one that did not come about is to be asked for again later."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

from runners.examiner import ExaminationError
from server.core.errors import NotExamined

P = ParamSpec("P")
T = TypeVar("T")


def or_later(examine: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """Return the function with NotExamined raised in place of an error that is not the file's."""

    async def examined(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await examine(*args, **kwargs)
        except ExaminationError as error:
            raise NotExamined(f"{error}, try again later") from error

    return examined
