"""Scripts and style sheets are sent without their comments, and nothing else is lost of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import static
from handlers.pages.assets.comments import SUFFIXES, without_comments
from handlers.pages.assets.plot import bokeh_folder
from handlers.pages.assets.static_files import content_of

FOLDER = Path(static.__file__).parent
FILES = sorted(path for path in FOLDER.rglob("*") if path.suffix in SUFFIXES)

SOURCE = """// @ts-check
/**
 * Says `hello`.
 */

import { a } from "./a.js"; // stays: it shares its line
/** @type {Map<number, string>} by PK */
const b = /** @type {HTMLElement} */ (a);  /* stays */
  /** @type {number} */ (a); /** 2 * 3 **/ (b); /* stays
  too */
const url = "http://127.0.0.1//x"; const half = 1 / 2;
  // one more
const pattern = /[/]*[*]/;
"""
SENT = """




import { a } from "./a.js"; // stays: it shares its line

const b = (a);  /* stays */
  (a); /** 2 * 3 **/ (b); /* stays
  too */
const url = "http://127.0.0.1//x"; const half = 1 / 2;

const pattern = /[/]*[*]/;
"""


def test_comments_are_left_out_and_lines_keep_their_numbers() -> None:
    assert without_comments(SOURCE) == SENT
    for nothing in ("", "\n", "a", "/* never ended\na\n", "`//` + a"):
        assert without_comments(nothing) == nothing


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_of_our_own_files_only_comments_go(path: Path) -> None:
    source = path.read_text()
    plain, _, _ = content_of(str(path), True)
    left = plain.decode().split("\n")
    assert len(left) == source.count("\n") + 1
    inside = False
    for line, kept in zip(source.split("\n"), left, strict=True):
        begins = line.lstrip().startswith("/*") and "*/" not in line
        if line != kept and not (inside or begins):
            comment = re.fullmatch(r"\s*(//.*|/\*.*\*/)\s*", line) and "*/ " not in line.strip()
            assert comment or re.sub(r"/\*\* @.*?\*/ ?", "", line) == kept
        inside = (inside or begins) and "*/" not in line
    assert all(line.count("`") % 2 == 0 for line in left), (
        "a text could hold what looks like a comment"
    )
    assert not re.search(r"^\s*/[/*]", plain.decode(), re.MULTILINE)


def test_what_others_wrote_is_sent_as_it_is() -> None:
    script = bokeh_folder() / "bokeh.min.js"
    plain, _, _ = content_of(str(script), False)
    assert plain == script.read_bytes()
