"""Checks of who is let in: whether named tokens can be read, and how many are over."""

from __future__ import annotations

import time
from collections.abc import Iterator

from server.access.token_file import TokenFile
from server.operations.checks.results import Result, counted, ok
from server.operations.checks.subject import Subject


def check_tokens(subject: Subject) -> Iterator[Result]:
    """Look whether the named tokens of the data folder can be read; no secret is in them.

    With MongoDB they are in the database.

    :raises TokenProblem: they cannot be read.
    """
    if subject.config.mongodb.uri is not None:
        with subject.documents() as documents:
            ends = [document.get("expires") for document in documents.documents("tokens")]
    else:
        ends = [token.expires for token in TokenFile(subject.config.data).read()]
    over = sum(1 for end in ends if end is not None and end <= time.time())
    yield ok(f"{counted(len(ends), 'named token')}" + (f", {over} expired" if over else ""))
