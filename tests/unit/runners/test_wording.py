"""What users are told of errors has nothing in it that only a programmer understands."""

from __future__ import annotations

import errno
import gzip
import io
import json
import os
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from runners.confinement.wording import in_words, is_for_users
from runners.examiner.child import serve
from runners.fits import metadata
from runners.fits.files import MACHINE_ERRORS

INTERNAL = re.compile(
    r"Errno|Error|Exception|ufunc|dtype|ndarray|NoneType|operand|object at|Traceback|0x[0-9a-f]"
)


def raised(call: Callable[[], object]) -> Exception:
    """Return the error that a call raises."""
    try:
        call()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


LIBRARIES: list[Callable[[], object]] = [
    lambda: np.add("a", np.ones(2)),
    lambda: np.zeros(2) + None,
    lambda: np.zeros((2, 3)) + np.zeros((4, 5)),
    lambda: np.array([object()]).astype(float),
    lambda: np.frombuffer(b"abc", ">f4"),
    lambda: int("x" * 10),
    lambda: {}["missing"],
    lambda: b"\xff".decode(),
    lambda: zlib.decompress(b"nothing"),
    lambda: gzip.decompress(gzip.compress(b"x" * 1000)[:20]),
    lambda: Image.open(io.BytesIO(b"no picture")),
    lambda: fits.open(io.BytesIO(b"SIMPLE  =                    T")),
    lambda: Path("/nonexistent/secret/place").read_text(),
    lambda: Path("/proc/self/secret").mkdir(),
    lambda: Path("/etc/passwd/x").read_bytes(),
    lambda: None.read(),  # type: ignore[attr-defined]
]


@pytest.mark.parametrize("call", LIBRARIES, ids=range(len(LIBRARIES)))
def test_no_error_of_a_library_shows_its_inside(call: Callable[[], object]) -> None:
    words = in_words(raised(call))
    assert words
    assert not INTERNAL.search(words), words
    assert "/" not in words


@pytest.mark.parametrize("number", sorted(errno.errorcode))
def test_an_error_of_the_system_is_named_without_number_and_path(number: int) -> None:
    words = in_words(OSError(number, os.strerror(number), "/srv/heliograph/files/12"))
    assert words == os.strerror(number)


@pytest.mark.parametrize(
    "text", ["of 12 pixels only 3 are there", "there are more than 10000", "a.fits is no JSON: x"]
)
def test_a_sentence_is_kept(text: str) -> None:
    assert is_for_users(text)
    assert in_words(ValueError(text)) == text


def test_a_text_given_in_place_of_the_systems_is_kept() -> None:
    full = "The server's disk is full"
    assert in_words(OSError(errno.ENOSPC, full)) == full


def frame(**cards: object) -> bytes:
    """Return a small FITS file with some cards changed."""
    buffer = io.BytesIO()
    hdu = fits.PrimaryHDU(np.arange(6400, dtype=np.float32).reshape(80, 80))
    hdu.writeto(buffer)
    data = buffer.getvalue()
    for name, value in cards.items():
        card = f"{name:<8}= {value:>20}".encode()
        start = data.index(f"{name:<8}=".encode())
        data = data[:start] + card + data[start + len(card) :]
    return data


BROKEN = {
    "empty.fits": b"",
    "text.fits": b"no FITS at all",
    "start.fits": frame()[:100],
    "header.fits": frame()[:2000],
    "cut.fits": frame()[:9000],
    "bitpix.fits": frame(BITPIX="17"),
    "bitpix_text.fits": frame(BITPIX="'x'"),
    "naxis.fits": frame(NAXIS="'two'"),
    "naxis_large.fits": frame(NAXIS="999"),
    "naxis1.fits": frame(NAXIS1="-5"),
    "naxis1_text.fits": frame(NAXIS1="'wide'"),
    "naxis1_float.fits": frame(NAXIS1="1.5"),
    "naxis2_huge.fits": frame(NAXIS2="99999999999"),
    "naxis_not.fits": frame(NAXIS="F"),
    "packed.fits.gz": gzip.compress(frame())[:-900],
    "torn.fits.gz": gzip.compress(frame())[:300] + b"\0" * 300 + gzip.compress(frame())[600:],
    "picture.png": b"\x89PNG\r\n\x1a\n" + b"\0" * 40,
    "picture.jpg": b"\xff\xd8\xff\xe0" + b"\0" * 40,
}


#: The headers of these can be read, and they have this size.
LEGIBLE = {
    "cut.fits": (80, 80),
    "bitpix.fits": (80, 80),
    "naxis1.fits": (None, None),
    "naxis_not.fits": (None, None),
}


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """Return a folder of broken files, a missing one, and a folder in place of a file."""
    folder = tmp_path / "secret"
    folder.mkdir()
    for name, data in BROKEN.items():
        (folder / name).write_bytes(data)
    (folder / "folder.fits").mkdir()
    return folder


def answers_of(kind: str, folder: Path) -> dict[str, dict[str, Any]]:
    """Ask an examiner about each of the broken files; return its answers by name."""
    files = [*BROKEN, "missing.fits", "folder.fits"]
    paths = [str(folder / name) for name in files]
    picture = str(folder.parent / "p.png")
    asked = [
        {kind: [path, picture, 512, "linear"] if kind == "preview" else path} for path in paths
    ]
    answers = io.StringIO()
    serve(io.StringIO("".join(json.dumps(each) + "\n" for each in asked)), answers)
    _, *lines = answers.getvalue().splitlines()
    return {name: json.loads(line) for name, line in zip(files, lines, strict=True)}


def check_sentence(error: str) -> None:
    """Check that a user may read an error."""
    assert not INTERNAL.search(error), error
    assert "/" not in error
    assert "secret" not in error


@pytest.mark.parametrize("kind", ["headers", "preview"])
@pytest.mark.filterwarnings("ignore")
def test_no_broken_file_is_told_of_in_a_librarys_words(broken: Path, kind: str) -> None:
    told = [answer["error"] for answer in answers_of(kind, broken).values() if "error" in answer]
    assert len(told) >= 8
    for error in told:
        check_sentence(error)


@pytest.mark.filterwarnings("ignore")
def test_metadata_of_a_broken_file_are_what_its_headers_give_or_none(broken: Path) -> None:
    answers = answers_of("metadata", broken)
    assert [name for name, answer in answers.items() if answer.keys() != {"metadata"}] == []
    found = {name: each["metadata"] for name, each in answers.items() if each["metadata"]}
    assert {name: (each["width"], each["height"]) for name, each in found.items()} == LEGIBLE
    others = {value for each in found.values() for value in list(each.values())[:4]}
    assert others == {None}


@pytest.mark.parametrize("number", sorted(MACHINE_ERRORS))
def test_a_machine_that_cannot_read_a_file_now_is_told_of_in_words(
    broken: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fail(path: Path, name: str) -> NoReturn:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(metadata, "open_fits", fail)
    told = {answer["error"] for answer in answers_of("metadata", broken).values()}
    assert told == {f"It failed: {os.strerror(number)}"}
