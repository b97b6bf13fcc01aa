"""Failure messages say what is wrong, without the server's paths and numbers of errors."""

from __future__ import annotations

import errno
import os

import pytest

from server.core.errors import InvalidInput, NoRoom, NotFound
from server.execution.conclusion import reason_of


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EACCES, errno.ENOSPC, errno.EIO])
def test_an_error_of_the_system_is_told_in_its_words(number: int) -> None:
    error = OSError(number, os.strerror(number), "/srv/heliograph/runs/12/work/a.fits")
    assert reason_of(error) == os.strerror(number)


def test_an_error_of_the_domain_is_told_in_its_own_words() -> None:
    assert reason_of(NoRoom()) == "The server's disk is full"
    assert reason_of(NotFound("target", 5)) == "There is no target 5"
    assert reason_of(InvalidInput.of("outputs", "a.csv is no JSON")) == "outputs: a.csv is no JSON"
    assert reason_of(ValueError("there are more than 10000")) == "there are more than 10000"


def test_a_defect_is_told_as_one() -> None:
    assert reason_of(TypeError("unsupported operand type(s)")) == "an unexpected error occurred"
