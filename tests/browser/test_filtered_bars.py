"""Progress bars among the lines of a level, and among hits: which lines have rows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.support.observatory import Observatory
from tests.browser.test_terminal_text import Run, bars_of_tqdm, rows_of, texts_of

pytestmark = pytest.mark.slow

#: Filters a log that is searched from a line on, in pages, and returns its rows: the line, the last
#: line in it, and the text; also how many lines match, and the row of each line.
FILTERED = """
  async ([entries, query, origin, size, root]) => {
    const { Matches } = await import(root + '/static/log/find/matches.js');
    const matching = entries.filter(entry => entry[3].includes(query.q) && entry[2] !== 'debug');
    const log = {
      total: () => entries.length,
      fetchHits: async ({ after, before }) => {
        if (before === undefined) {
          const lines = matching.filter(entry => entry[0] > after).slice(0, size);
          return { lines, next: lines.length < size ? entries.length : lines[size - 1][0] };
        }
        const lines = matching.filter(entry => entry[0] < before).slice(-size);
        return { lines, next: lines.length < size ? 1 : lines[0][0] };
      },
    };
    const matches = new Matches(query, log, origin, change => change());
    await matches.search.continue();
    const rows = [];
    for (let at = 1; at <= matches.length; at++) {
      const { number, last, row, entry } = matches.at(at);
      rows.push([number, last, (row?.text ?? entry[3]).trimEnd()]);
    }
    const places = entries.map(entry => rows[matches.rowOf(entry[0]) - 1][0]);
    return { rows, places, lines: matches.lineCount };
  }
"""


@pytest.fixture(scope="module")
def scripts(browser: Browser, observatory: Observatory) -> Iterator[Page]:
    """Yield a page in which scripts can be imported."""
    page = browser.new_page()
    page.goto(f"{observatory.url}/")
    yield page
    page.close()


@pytest.mark.parametrize("size", [1, 7, 1_000])
def test_a_bar_takes_one_row_under_a_level(scripts: Page, size: int) -> None:
    run = Run()
    run.log("begins")
    bars_of_tqdm(run, True)
    entries = run.entries
    entries.append([len(entries) + 1, 1e9, "debug", "not to be seen"])
    query = {"q": "", "level": "info"}
    # From the first line on, all is found in its order, in whatever pages.
    found = scripts.evaluate(FILTERED, [entries, query, 1, size, ""])
    assert found["lines"] == len(entries) - 1
    rows = [(number, last, text) for number, last, _, text, _ in rows_of(scripts, entries)[:-1]]
    assert [text for *_, text in rows] == [text for *_, text in found["rows"]]
    assert [number for number, *_ in rows] == [number for number, *_ in found["rows"]]
    assert found["places"] == sorted(found["places"])


def test_each_line_is_shown_where_a_text_is_searched_for(scripts: Page) -> None:
    run = Run()
    bars_of_tqdm(run, False)
    entries = run.entries
    found = scripts.evaluate(FILTERED, [entries, {"q": "frames", "level": ""}, 0, 5, ""])
    assert [number for number, *_ in found["rows"]] == [
        entry[0] for entry in entries if "frames" in entry[3]
    ]


def test_a_bar_that_grows_under_a_level_stays_one_row(scripts: Page) -> None:
    run = Run()
    bars_of_tqdm(run, False)
    entries = run.entries
    # The search begins at the end, so the first page is the last lines.
    found = scripts.evaluate(FILTERED, [entries, {"q": "", "level": "info"}, 0, 1_000, ""])
    assert [text for *_, text in found["rows"]] == texts_of(rows_of(scripts, entries))
