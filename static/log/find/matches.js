// @ts-check
/** The lines of a log that match a filter, as rows: found and fetched as far as the reader scrolls. */

import { FoldedBars } from "./folded_bars.js";
import { countUpTo, LogSearch } from "./search.js";

/** @typedef {import("../view/rows.js").RowContent} RowContent */
/** @typedef {import("./search.js").Query} Query */
/** @typedef {import("../../server/log_feed.js").Entry} Entry */

/** How far beyond the visible rows to search for matches. */
const AHEAD_ROWS = 2000;
/** So many lines and characters are kept; others are fetched again when they come into view. */
const KEPT = { lines: 20_000, characters: 32_000_000 };
const PAGE_LINES = 500;
const RETRY_MS = 1500;

export class Matches {
  /** @type {Map<number, Entry>} by line, those first that came first */
  #kept = new Map();
  #characters = 0;
  #fetching = false;
  /** @type {number[]} the matches that have rows */
  #rows = [];

  /**
   * @param {Query} query
   * @param {import("./search.js").Searched} log
   * @param {number} origin the line to begin at, 0 for the end
   * @param {(change: () => void) => void} changing called with what changes the rows
   */
  constructor(query, log, origin, changing) {
    this.changing = changing;
    /** Of a text that is searched for, each hit is shown. */
    this.bars = query.q ? null : new FoldedBars();
    this.search = new LogSearch(query, log, origin, (found, change) => {
      for (const entry of found) this.#keep(entry);
      changing(() => {
        change();
        this.#place(found);
      });
    });
  }

  get length() {
    return this.#rows.length;
  }

  get lineCount() {
    return this.search.hits.length;
  }

  /** A line that does not match has no row, so there is nothing to wait for. */
  reach() {}

  /**
   * @param {number} row
   * @returns {RowContent}
   */
  at(row) {
    const number = this.#rows[row - 1] ?? 0;
    const entry = this.#kept.get(number);
    const bar = this.bars?.rows.get(number);
    const last = Math.max(number, bar?.entry?.[0] ?? 0);
    return { key: number, number, last, entry, row: bar, style: 0, heading: null, version: bar?.version ?? entry };
  }

  /**
   * @param {number} line
   * @returns {number} its row, that of the bar it is part of, or that of the next line that matches
   */
  rowOf(line) {
    const row = this.bars?.hidden.has(line) ? countUpTo(this.#rows, line) : countUpTo(this.#rows, line - 1) + 1;
    return Math.max(1, Math.min(this.length, row));
  }

  /**
   * @param {number} first
   * @param {number} last
   */
  need(first, last) {
    const isMissing = (/** @type {number} */ line) => !this.#kept.has(line) && !this.bars?.rows.has(line);
    const missing = this.#rows.slice(first - 1, last).find(isMissing);
    if (missing && !this.#fetching) void this.#fetch(missing);
    this.search.reachRow(this.#hitOf(last) + AHEAD_ROWS);
    this.search.reachRow(this.#hitOf(first) - AHEAD_ROWS);
  }

  /** @param {Entry[]} found */
  #place(found) {
    this.bars?.take(found);
    const { hits } = this.search;
    const hidden = this.bars?.hidden;
    this.#rows = hidden?.size ? hits.filter((line) => !hidden.has(line)) : hits;
  }

  /**
   * @param {number} row
   * @returns {number} its place among all matches
   */
  #hitOf(row) {
    const { length } = this.#rows;
    if (row < 1 || !length) return row;
    return this.search.countUpTo(this.#rows[Math.min(row, length) - 1]) + Math.max(0, row - length);
  }

  /** @param {number} line fetch this match and those after it */
  async #fetch(line) {
    this.#fetching = true;
    try {
      const { lines } = await this.search.page({ after: line - 1, limit: PAGE_LINES });
      if (lines[0]?.[0] !== line) throw new Error("The line is not there any more");
      for (const entry of lines) this.#keep(entry);
      this.#fetching = false;
      this.changing(() => {});
    } catch {
      setTimeout(() => {
        this.#fetching = false;
        this.changing(() => {});
      }, RETRY_MS);
    }
  }

  /** @param {Entry} entry */
  #keep(entry) {
    if (this.#kept.has(entry[0])) return;
    this.#kept.set(entry[0], entry);
    this.#characters += entry[3].length;
    for (const [line, oldest] of this.#kept) {
      if (this.#kept.size <= KEPT.lines && this.#characters <= KEPT.characters) return;
      this.#kept.delete(line);
      this.#characters -= oldest[3].length;
    }
  }
}
