// @ts-check
/**
 * Which of the lines of a level have rows: a progress bar takes one that changes, as in the whole
 * log. Lines that were found one after the other are followed as a terminal would; where the search
 * went backwards, a bar may begin anew.
 */

import { Overwriting } from "../terminal/overwriting.js";

/** @typedef {import("../../server/log_feed.js").Entry} Entry */
/** @typedef {import("../terminal/screen.js").Row} Row */

/** Of so many bars the last states are kept; of others, the line by which they are known is shown. */
const KEPT_ROWS = 2000;

export class FoldedBars {
  /** @type {Set<number>} lines without a row of their own */
  hidden = new Set();
  /** @type {Map<number, Row>} those that are other than the text of their line */
  rows = new Map();
  /** After the last line. */
  #end = new Overwriting();
  #last = 0;

  /** @param {Entry[]} entries that were found in one go */
  take(entries) {
    if (!entries.length) return;
    const newest = entries[0][0] > this.#last;
    const terminal = newest ? this.#end : new Overwriting();
    for (const entry of entries) this.#takeEntry(terminal, entry);
    if (newest) this.#last = entries[entries.length - 1][0];
  }

  /**
   * @param {Overwriting} terminal
   * @param {Entry} entry
   */
  #takeEntry(terminal, entry) {
    const { hidden, changed, moved } = terminal.take(entry);
    if (hidden) this.hidden.add(entry[0]);
    for (const line of moved) {
      this.hidden.add(line);
      this.rows.delete(line);
    }
    for (const row of changed) this.#keep(row);
  }

  /** @param {Row} row */
  #keep(row) {
    this.rows.delete(row.number); // the latest change comes last
    this.rows.set(row.number, row);
    if (this.rows.size <= KEPT_ROWS) return;
    for (const number of this.rows.keys()) {
      this.rows.delete(number);
      return;
    }
  }
}
