"""What a target's fields may be, and what files may be called."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.archive.files.names import (
    content_type,
    output_name,
    output_type_word,
    uploaded_name,
)
from server.archive.target_fields import checked, checked_name, identifier_of
from server.core.errors import InvalidInput


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "M 13: Große Galaxie"),
        ("name", "x" * 200),
        ("identifier", "0"),
        ("identifier", "2026-11-24_m13"),
        ("identifier", "a" * 50),
        ("ra", 0),
        ("ra", 359.999),
        ("ra", None),
        ("dec", -90),
        ("dec", 90.0),
        ("dec", None),
        ("extra_fields", {}),
        ("extra_fields", {"a.b": [1, {"$c": None}]}),
    ],
)
def test_a_good_field_is_taken_as_it_is(field: str, value: Any) -> None:
    assert checked({field: value}) == {field: value}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "  "),
        ("name", "x" * 201),
        ("name", "a\nb"),
        ("name", "\ud800"),
        ("name", None),
        ("identifier", ""),
        ("identifier", "-a"),
        ("identifier", "M13"),
        ("identifier", "a" * 51),
        ("identifier", "a\n"),
        ("identifier", None),
        ("ra", 360),
        ("ra", -0.1),
        ("ra", True),
        ("ra", float("nan")),
        ("ra", "12"),
        ("dec", 90.1),
        ("dec", float("-inf")),
        ("extra_fields", []),
        ("extra_fields", None),
        ("extra_fields", {"x": "y" * 65_536}),
        ("extra_fields", {"x": object()}),
        ("colour", "blue"),
    ],
)
def test_a_bad_field_is_named(field: str, value: Any) -> None:
    with pytest.raises(InvalidInput) as raised:
        checked({"name": "fine"} | {field: value})
    assert list(raised.value.fields) == [field]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("M 13", ["m-13", "m-13-2", "m-13-3"]),
        ("  Große Äpfel & Birnen! ", ["gro-e-apfel-birnen", "gro-e-apfel-birnen-2"]),
        ("_-9_-", ["9", "9-2"]),
        ("星", ["target-7", "target-7-2"]),
        ("y" * 60, ["y" * 50, "y" * 48 + "-2"]),
    ],
)
def test_an_identifier_is_made_from_the_name(name: str, expected: list[str]) -> None:
    made = [identifier_of(name, 7, number) for number, _ in enumerate(expected, 1)]
    assert made == expected


@given(st.text(min_size=1, max_size=200), st.integers(1, 10**9))
def test_every_identifier_made_is_a_legal_one_and_new(name: str, pk: int) -> None:
    made = [identifier_of(name, pk, number) for number in range(1, 121)]
    assert len(set(made)) == 120
    assert all(checked({"identifier": identifier}) for identifier in made)


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("a.fits", "a.fits"),
        ("C:\\frames\\a b.fits", "a b.fits"),
        ("../../etc/passwd", "passwd"),
        (".hidden", ".hidden"),
        ("é" * 100, "é" * 100),
    ],
)
def test_an_upload_is_called_what_follows_the_last_slash(sent: str, name: str) -> None:
    assert uploaded_name(sent) == name


@pytest.mark.parametrize(
    "sent", ["", "a/", "..", "x/..", ".", "a\0b", "a\x7fb", "é" * 101, "\udc80"]
)
def test_a_name_that_cannot_be_stored_is_invalid(sent: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        uploaded_name(sent)
    assert list(raised.value.fields) == ["file"]


@pytest.mark.parametrize(
    "number", [0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
)
def test_no_name_changes_the_direction_of_text(number: int) -> None:
    name = f"a{chr(number)}sv.exe"
    with pytest.raises(InvalidInput, match="direction"):
        uploaded_name(name)
    with pytest.raises(ValueError, match="direction"):
        checked_name(name)
    assert output_name("dummy", name) == "dummy_a_sv.exe"


def test_names_in_any_script_are_fine() -> None:
    for name in ("مجرة.fits", "גלקסיה.fits", "銀河.fits", "आकाश\u200dगंगा.fits", "e\u0301.fits"):
        assert uploaded_name(name) == checked_name(name) == name


def test_an_output_is_called_by_its_process_and_file() -> None:
    assert output_name("dummy_m13_2026-11-24-001002", "a.csv") == (
        "dummy_m13_2026-11-24-001002_a.csv"
    )


@given(st.text(st.characters(exclude_characters="/"), min_size=1, max_size=255))
def test_every_output_gets_a_name_that_can_be_stored(name: str) -> None:
    made = output_name("dummy_m13_2026-11-24-001002", name)
    assert uploaded_name(made.replace("\\", "")) == made.replace("\\", "")
    assert made.startswith("dummy_m13_2026-11-24-001002_")


@pytest.mark.parametrize(
    ("word", "stored"),
    [
        (" plot ", "plot"),
        ("", ""),
        ("a\nb\x00c", "a_b_c"),
        ("\u202etolp", "_tolp"),
        ("\ud800", "_"),
        ("é" * 60, "é" * 50),
    ],
)
def test_the_word_for_an_outputs_type_is_short_and_has_no_control_characters(
    word: str, stored: str
) -> None:
    assert output_type_word(word) == stored


def test_a_long_output_keeps_its_suffix() -> None:
    made = output_name("dummy", "é" * 300 + ".fits.fz")
    assert made.endswith("é.fits.fz")
    assert 190 <= len(made.encode()) <= 200


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.FITS", "application/fits"),
        ("a.fit", "application/fits"),
        ("a.fits.fz", "application/fits"),
        ("a.fits.gz", "application/gzip"),
        ("a.csv", "text/csv"),
        ("a.txt", "text/plain"),
        ("a.json", "application/json"),
        ("a.webm", "video/webm"),
        ("a.mp4", "video/mp4"),
        ("a.gif", "image/gif"),
        ("a.png", "image/png"),
        ("a.unheard-of", "application/octet-stream"),
        ("noextension", "application/octet-stream"),
    ],
)
def test_the_content_type_follows_the_suffix(name: str, expected: str) -> None:
    assert content_type(name) == expected


def test_content_types_are_media_types() -> None:
    for suffix in ("html", "svg", "tar.gz", "", "x y", "é"):
        assert re.fullmatch(r"[a-z]+/[a-z0-9.+-]+", content_type(f"a.{suffix}"))
