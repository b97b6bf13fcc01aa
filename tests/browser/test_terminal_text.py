"""Text with escape sequences and progress bars in the log viewer: what the scripts make of it."""

from __future__ import annotations

import io
import itertools
import json
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from rich.console import Console
from rich.progress import Progress
from tqdm import tqdm

from server.execution.child.line_assembler import LineAssembler
from server.logs.entries import encode_entries
from server.logs.terminal_text import visible_text
from tests.browser.conftest import Open
from tests.browser.support.observatory import Observatory

pytestmark = pytest.mark.slow

CASES = json.loads(
    (Path(__file__).parents[1] / "samples" / "terminal_text.json").read_text(encoding="utf-8")
)
#: Loads a log in pieces, in an order, and returns its rows: first and last line, level and text.
ROWS = """
  async ([entries, pieces, root]) => {
    const { Lines } = await import(root + '/static/log/lines.js');
    const { Sections } = await import(root + '/static/log/sections.js');
    const { ShownLines } = await import(root + '/static/log/shown_lines.js');
    const { seenText } = await import(root + '/static/log/terminal/overwriting.js');
    const { piecesOf } = await import(root + '/static/log/terminal/text.js');
    const shown = new ShownLines(number => lines.get(number), change => change());
    const lines = new Lines(entries.length, async () => [], () => {}, shown);
    const sections = new Sections(lines, shown);
    for (const [first, last] of pieces) lines.add(entries.slice(first - 1, last));
    const rows = [];
    for (let at = 1; at <= sections.length; at++) {
      const { number, last, row, entry, style } = sections.at(at);
      const parts = row?.pieces() ?? piecesOf(entry[3], style, 2000).pieces;
      const text = parts.map(part => part.text).join('').trimEnd();
      const classes = parts.map(part => part.classes).join('|');
      rows.push([number, last, (row?.entry ?? entry)[2], text, classes]);
    }
    return { rows, copied: seenText(entries) };
  }
"""
VISIBLE = """
  async ([texts, root]) => {
    const { visibleText } = await import(root + '/static/log/terminal/text.js');
    return texts.map(visibleText);
  }
"""


@pytest.fixture(scope="module")
def scripts(browser: Browser, observatory: Observatory) -> Iterator[Page]:
    """Yield a page in which scripts can be imported."""
    page = browser.new_page()
    page.goto(f"{observatory.url}/")
    yield page
    page.close()


class Run:
    """What a run writes, as entries. Each write has a time of its own."""

    def __init__(self) -> None:
        self.assembler = LineAssembler()
        self._time = itertools.count(1)

    def stream(self, name: str, level: str) -> io.TextIOBase:
        """Return a stream of the run, as `sys.stderr` is one."""
        run = self

        class Stream(io.StringIO):
            # Programs ask for it; `StringIO` declares a property.
            encoding = "utf-8"  # type: ignore[assignment]

            def write(self, text: str) -> int:
                if text:
                    run.assembler.feed(name, float(next(run._time)), level, text, now=0.0)
                return len(text)

        return Stream()

    def log(self, text: str) -> None:
        """Write a line with `logging`, at level warning."""
        self.assembler.feed("logging", float(next(self._time)), "warning", f"{text}\n", now=0.0)

    @property
    def entries(self) -> list[list[Any]]:
        """All that was written."""
        self.assembler.release()
        lines = self.assembler.take()
        return list(json.loads(b"[%b]" % encode_entries(1, lines)))


def rows_of(scripts: Page, entries: list[list[Any]], *pieces: tuple[int, int]) -> list[list[Any]]:
    """Return the rows of a log that is loaded in these pieces, else line by line."""
    parts = pieces or [(number, number) for number in range(1, len(entries) + 1)]
    answer = scripts.evaluate(ROWS, [entries, parts, ""])
    return list(answer["rows"])


def texts_of(rows: list[list[Any]]) -> list[str]:
    """Return what stands in the rows."""
    return [row[3] for row in rows]


def bars_of_tqdm(run: Run, log: bool) -> None:
    """Write two nested bars, with lines of a log in between."""
    stderr = run.stream("stderr", "warning")
    for night in tqdm(
        range(3), "nights", file=stderr, mininterval=0, ncols=40, bar_format="{desc} {n}"
    ):
        for _ in tqdm(
            range(4),
            "frames",
            file=stderr,
            mininterval=0,
            bar_format="{desc} {n}",
            leave=night == 2,
        ):
            run.assembler.release(now=2.0 if log else 0.0)
        if log:
            run.log(f"night {night}")


def bars_of_rich(run: Run, log: bool) -> None:
    """Write three bars, with lines of a log in between."""
    console = Console(file=run.stream("stderr", "warning"), force_terminal=True, width=30)
    with Progress(
        "{task.description} {task.completed}", console=console, auto_refresh=False
    ) as bars:
        tasks = [bars.add_task(name, total=3) for name in ("dark", "flat", "light")]
        for frame in range(1, 4):
            for task in tasks:
                bars.advance(task)
            bars.refresh()
            run.assembler.release(now=2.0 if frame == 2 else 0.0)
            if log:
                run.log(f"frame {frame}")


def test_the_page_sees_what_the_server_searches(scripts: Page) -> None:
    seen = scripts.evaluate(VISIBLE, [[case["text"] for case in CASES], ""])
    assert {case["case"]: text for case, text in zip(CASES, seen, strict=True)} == {
        case["case"]: case["seen"] for case in CASES
    }


def test_page_and_server_agree_on_any_text(scripts: Page) -> None:
    chance = random.Random(14)
    signs = [*"\x1b\x07\x08\r\x18\x9b\x9d\x90\x9c[]P\\(0;:?123mKACGJ", "text", "é", "\u202e", "😀"]
    texts = ["".join(chance.choices(signs, k=chance.randint(1, 30))) for _ in range(3000)]
    seen = scripts.evaluate(VISIBLE, [texts, ""])
    for text, one in zip(texts, seen, strict=True):
        assert one == visible_text(text), repr(text)


@pytest.mark.parametrize(
    "piece", ["\x1b[", "\x1b]", "\x1b", "\x1bP\x1b]8;;", "\rx\x1b[4000C\x1b[1K"]
)
def test_a_hostile_text_costs_what_it_is_long(scripts: Page, piece: str) -> None:
    script = """
      async ([piece, times]) => {
        const { visibleText } = await import('/static/log/terminal/text.js');
        const seconds = text => {
          const before = performance.now();
          visibleText(text);
          return (performance.now() - before) / 1000;
        };
        seconds(piece.repeat(times / 10));
        return [seconds(piece.repeat(times / 10)), seconds(piece.repeat(times))];
      }
    """
    little, much = scripts.evaluate(script, [piece, 100_000])
    # Quadratic, it would be 100 times; the rest is room for a busy computer.
    assert much < 30 * little + 1


@pytest.mark.parametrize("log", [False, True], ids=["alone", "among lines"])
def test_nested_bars_take_a_row_each(scripts: Page, log: bool) -> None:
    run = Run()
    bars_of_tqdm(run, log)
    entries = run.entries
    rows = rows_of(scripts, entries)
    assert len(entries) > 10
    assert {entry[2] for entry in entries if not entry[3].startswith("night ")} == {"info"}
    assert [text for text in texts_of(rows) if text.startswith("nights")] == ["nights 3"]
    assert [text for text in texts_of(rows) if text.startswith("frames")] == ["frames 4"]
    assert [text for text in texts_of(rows) if text.startswith("night ")] == (
        ["night 0", "night 1", "night 2"] if log else []
    )


@pytest.mark.parametrize("log", [False, True], ids=["alone", "among lines"])
def test_bars_of_rich_take_a_row_each(scripts: Page, log: bool) -> None:
    run = Run()
    bars_of_rich(run, log)
    entries = run.entries
    texts = texts_of(rows_of(scripts, entries))
    lines = [f"frame {number}" for number in (1, 2, 3)] if log else []
    assert sorted(texts) == sorted([*lines, "dark 3", "flat 3", "light 3"])
    assert [text for text in texts if text in lines] == lines
    assert texts[-3:] == ["dark 3", "flat 3", "light 3"]
    assert {entry[2] for entry in entries if entry[3] not in lines} == {"info"}


def long_log() -> list[list[Any]]:
    """Return lines, and a bar over two thousand of them, in colour."""
    entries: list[list[Any]] = [[1, 1.0, "info", "\x1b[32mgreen"]]
    entries += [[number, float(number), "info", f"line {number}"] for number in range(2, 701)]
    entries += [[number, float(number), "info", f"\r{number}", True] for number in range(701, 2701)]
    entries += [[2701, 2701.0, "info", ""], [2702, 2702.0, "info", "end\x1b[0m"]]
    entries += [[number, float(number), "info", f"line {number}"] for number in range(2703, 3300)]
    return entries


@pytest.mark.parametrize(
    "order",
    [
        lambda blocks: blocks,
        lambda blocks: blocks[::-1],
        lambda blocks: [*blocks[3:], *blocks[:3]],
        lambda blocks: [*blocks[2:4], *blocks[:2], blocks[3], *blocks[4:]],
    ],
    ids=["forwards", "backwards", "from the middle", "to and fro"],
)
def test_rows_do_not_depend_on_what_was_loaded_first(
    scripts: Page, order: Callable[[Any], list[tuple[int, int]]]
) -> None:
    entries = long_log()
    blocks = [(first, min(first + 499, 3299)) for first in range(1, 3300, 500)]
    rows = rows_of(scripts, entries, *order(blocks))
    assert rows[:1] == [[1, 1, "info", "green", "f2"]]
    assert rows[699:703] == [
        [700, 700, "info", "line 700", "f2"],
        [701, 2701, "info", "2700", "f2"],
        [2702, 2702, "info", "end", "f2"],
        [2703, 2703, "info", "line 2703", ""],
    ]
    assert len(rows) == 3299 - 2000


def test_a_line_is_never_lost_under_a_bar(scripts: Page) -> None:
    chance = random.Random(4)
    bars = [
        "\r10 %",
        "\x1b[A",
        "\x1b[2A\r\x1b[K",
        "\x1b[J",
        "two\r\x1b[2K\x1b[1A\x1b[2Kone",
        "\b\b",
        "",
    ]
    for _ in range(40):
        entries: list[list[Any]] = []
        for number in range(1, 60):
            line = chance.random() < 0.4
            text = f"line {number}" if line else chance.choice(bars)
            entries.append([number, float(number), "info", text])
            if not line and chance.random() < 0.6:
                entries[-1].append(True)
        lines = [entry[3] for entry in entries if entry[3].startswith("line")]
        texts = texts_of(rows_of(scripts, entries))
        assert [text for text in texts if text.startswith("line")] == lines, entries


def test_what_is_copied_is_what_is_seen(scripts: Page) -> None:
    entries = [
        [1, 1.0, "info", "\x1b[31mred\x1b[0m"],
        [2, 2.0, "info", "\r10 %", True],
        [3, 3.0, "info", "\r20 %"],
        [4, 4.0, "info", "x" * 10, True],
        [5, 5.0, "info", "the rest"],
    ]
    copied = scripts.evaluate(ROWS, [entries, [[1, 5]], ""])["copied"]
    assert copied == f"red\n20 %\n{'x' * 10}the rest\n"


def test_terminal_text_on_the_page(open_page: Open, observatory: Observatory) -> None:
    process = observatory.run("Terminal")
    observatory.ended(process)
    page = open_page(f"/pipeline/{process}#L1")
    text = page.locator(".line .text")
    expect(text.first).to_have_text("plain and saved")
    assert text.all_inner_texts()[1:8] == [
        "red begins",
        "still red, no more",
        "a link and no link",
        "a trap",
        "user ⟨U+202E⟩nimda⟨U+202C⟩ is in",
        "5 moons",
        "of parts of 256 all",
    ]
    expect(text.nth(2).locator(".f1")).to_have_text("still red")
    expect(text.nth(3).locator("a")).to_have_attribute("href", "https://example.org/a")
    expect(text.nth(3).locator("a")).to_have_attribute("rel", "noopener noreferrer nofollow")
    expect(text.nth(4).locator("a")).to_have_count(0)
    page.locator("#find").fill("red, no")
    expect(text.nth(2).locator("mark").first).to_be_visible()


def test_colours_are_there_in_the_middle(open_page: Open, observatory: Observatory) -> None:
    process = observatory.run("Terminal")
    observatory.ended(process)
    page = open_page(f"/pipeline/{process}#L700")
    expect(page.locator('.line[data-number="700"] .text .a4')).to_have_text("line 701")


def test_a_bar_is_one_row_that_changes(
    open_page: Open, observatory: Observatory, run_long: Callable[..., int]
) -> None:
    process = run_long("Bars", stay=True)
    page = open_page(f"/pipeline/{process}")
    staying = page.locator(".line", has_text="staying:")
    expect(staying).to_have_count(1)
    seen = staying.inner_text()
    expect(staying).not_to_have_text(seen)
    expect(staying).to_have_count(1)
    expect(page.locator(".line", has_text="single:")).to_have_count(1)
    expect(page.locator(".line", has_text="frames:")).to_have_count(0)
    expect(page.locator(".line", has_text="no stars")).to_have_attribute("data-level", "warning")
    for name, state in (("nights", "3/3"), ("dark", "100%"), ("flat", "100%"), ("light", "100%")):
        expect(page.locator(".line", has_text=re.compile(rf"{name}\b.*{state}"))).to_have_count(1)
    lines = observatory.call("GET", f"/api/processes/{process}/logs/?level=warning")["lines"]
    assert [line[3].removeprefix("\x1b[?25h") for line in lines] == [
        "bars: night 0 was cloudy",
        "bars: night 1 was cloudy",
        "bars: night 2 was cloudy",
        "no stars",
    ]


def test_a_state_that_was_overwritten_can_be_linked_to(
    open_page: Open, observatory: Observatory
) -> None:
    process = observatory.run("Bars")
    observatory.ended(process)
    page = open_page(f"/pipeline/{process}#L3")
    expect(page.locator(".line.chosen")).to_contain_text("single: 100%")
    expect(page.locator(".line.chosen .no")).to_have_attribute(
        "aria-label", re.compile(r"Lines 2 to \d+")
    )
    page.reload()
    expect(page.locator(".line", has_text="light ")).to_have_count(1)
