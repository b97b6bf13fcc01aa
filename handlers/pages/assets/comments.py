"""Scripts and style sheets without their comments, which are for those who read the source.

A quarter of what a page would load is comments. Lines keep their numbers, so that an error in a
browser leads to its place in the source.
"""

from __future__ import annotations

import re

#: What has comments that browsers need not get.
SUFFIXES = (".js", ".css")

#: Comments on lines of their own, and type comments, which may share a line with code.
#: What begins like a comment within a text that spans lines would be taken for one: a test sees to
#: it that no module of ours has any.
_BLOCK = r"/\*(?:[^*]|\*(?!/))*\*/"
_COMMENT = re.compile(
    rf"^[ \t]*(?://.*|{_BLOCK}[ \t]*)$|/\*\* @(?:[^*\n]|\*(?!/))*\*/ ?", re.MULTILINE
)


def without_comments(source: str) -> str:
    """Return the source with each comment replaced by as many line ends as it spans."""
    return _COMMENT.sub(lambda comment: "\n" * comment[0].count("\n"), source)
