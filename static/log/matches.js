// @ts-check
/** The lines of a log that match a filter, as rows: found and fetched as far as the reader scrolls. */

import { Lines } from "./lines.js";
import { LogSearch } from "./search.js";

/** @typedef {import("./view/rows.js").RowContent} RowContent */
/** @typedef {import("./search.js").Query} Query */
/** @typedef {import("../server/log_feed.js").Entry} Entry */

/** How far beyond the visible rows to search for matches. */
const AHEAD_ROWS = 2000;

export class Matches {
  /** @type {Lines} the found lines, by their places among them */
  #found;

  /**
   * @param {(query: Query & {after: number, limit: number}) =>
   *   Promise<{lines: Entry[], next: number}>} fetchHits
   * @param {() => number} total how many lines the log has now
   * @param {() => void} changed
   */
  constructor(fetchHits, total, changed) {
    this.search = new LogSearch(fetchHits, total, () => {
      this.#found.grow(this.length);
      changed();
    });
    this.#found = new Lines(0, (after, limit) => this.#fetch(after, limit), changed);
  }

  get length() {
    return this.search.hits.length;
  }

  get lineCount() {
    return this.length;
  }

  /**
   * @param {Query} query
   * @param {number} line the one to keep in view
   */
  async start(query, line) {
    await this.search.start(query, line);
  }

  /** @param {number} line */
  async reach(line) {
    await this.search.reachLine(line);
  }

  /**
   * @param {number} row
   * @returns {RowContent}
   */
  at(row) {
    const number = this.search.hits[row - 1] ?? 0;
    const entry = this.#found.get(row);
    return { key: number, number, last: number, entry, style: 0, heading: null, version: entry };
  }

  /**
   * @param {number} line
   * @returns {number} its row, or that of the next line that matches
   */
  rowOf(line) {
    return Math.max(1, Math.min(this.length, this.search.countUpTo(line - 1) + 1));
  }

  /**
   * @param {number} first
   * @param {number} last
   */
  need(first, last) {
    this.#found.need(Array.from({ length: last - first + 1 }, (_, index) => first + index));
    const beyond = last + AHEAD_ROWS;
    if (beyond > this.length && !this.search.complete) void this.search.reachHits(beyond);
  }

  /**
   * @param {number} after a place among the matches
   * @param {number} limit
   */
  async #fetch(after, limit) {
    const { hits, query } = this.search;
    const first = hits[after];
    if (first === undefined) return [];
    const page = await this.search.fetchHits({ ...query, after: first - 1, limit });
    return page.lines;
  }
}
