"""Examinations for requests, with the errors of the domain in place of those of the examiner.

One that did not come about is to be asked for again later.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

from runners.examiner import ExaminationError, UnsuitableRequest
from server.core.errors import InvalidInput, NotExamined, NotFound

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


def of_view(examine: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """Return the function with NotFound in place of an error of the file, InvalidInput of a field.

    Also with NotExamined, as `or_later`.
    """
    later = or_later(examine)

    async def viewed(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await later(*args, **kwargs)
        except UnsuitableRequest as error:
            raise InvalidInput.of(error.field, str(error)) from error
        except ValueError as error:
            raise NotFound("image", str(error)) from error

    return viewed


def of_sky(compute: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """Return the function with NotExamined in place of an error of the child that computes."""

    async def computed(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await compute(*args, **kwargs)
        except ExaminationError as error:
            raise NotExamined("The sky could not be computed, try again later") from error

    return computed
