"""Add up the closing lines of several pytest runs, each in a file with everything it printed.

Prints one line in pytest's own form. Exits with 1 when a file has no closing line.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path

CLOSING = re.compile(r"^=*\s*(\d+ \w+(?:, \d+ \w+)*) in ([\d.]+)s\b.*$", re.MULTILINE)
#: The order in which pytest names outcomes.
OUTCOMES = ("failed", "passed", "skipped", "deselected", "xfailed", "xpassed", "warnings", "errors")
SINGULARS = {"warning": "warnings", "error": "errors"}


def closing_of(path: Path) -> tuple[Counter[str], float]:
    """Return the counts of the last closing line in a file, and its seconds."""
    found = CLOSING.findall(path.read_text(encoding="utf-8", errors="replace"))
    if not found:
        raise SystemExit(f"{path.name} has no closing line of pytest")
    counts: Counter[str] = Counter()
    words, seconds = found[-1]
    for part in words.split(", "):
        number, outcome = part.split()
        counts[SINGULARS.get(outcome, outcome)] += int(number)
    return counts, float(seconds)


def main() -> None:
    """Print the sum. What one run leaves out, another may run: `deselected` is not added up."""
    total: Counter[str] = Counter()
    seconds = 0.0
    for name in sys.argv[1:]:
        counts, taken = closing_of(Path(name))
        total += counts
        seconds += taken
    del total["deselected"]
    words = ", ".join(f"{total[outcome]} {outcome}" for outcome in OUTCOMES if total[outcome])
    print(f" {words} in {seconds:.2f}s ".center(80, "="))


if __name__ == "__main__":
    main()
