"""An examination that says nothing about the file is no answer about the file."""

from __future__ import annotations

import asyncio

import pytest

from handlers.http.error_responses import error_response_of
from runners.examiner import ExaminationError
from server.app.examinations import or_later
from server.core.errors import NotExamined


async def examine(name: str, *, error: Exception | None = None) -> str:
    """Act as the examiner."""
    if error is not None:
        raise error
    return name


def test_an_answer_is_passed_on() -> None:
    assert asyncio.run(or_later(examine)("a.fits")) == "a.fits"


def test_an_error_of_the_file_stays_one() -> None:
    with pytest.raises(ValueError, match="is empty"):
        asyncio.run(or_later(examine)("a.fits", error=ValueError("a.fits is empty")))


def test_an_examiner_that_died_is_503_and_to_be_asked_again() -> None:
    died = ExaminationError("The file could not be examined")
    with pytest.raises(NotExamined) as raised:
        asyncio.run(or_later(examine)("a.fits", error=died))
    response = error_response_of(raised.value)
    sentence = "The file could not be examined, try again later."
    assert (response.status, response.body) == (503, {"detail": sentence})
    assert response.retry_seconds == 5
