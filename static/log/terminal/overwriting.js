// @ts-check
/**
 * Follows the entries of a log as a terminal would, and says which of them get a row of their own:
 * progress bars write again and again over the rows that they have. Only what overwrites itself is
 * ever overwritten. Other lines that come in between have rows of their own, and the bar comes after
 * them from then on; an error leaves it where it stood.
 */

import { Row, Screen } from "./screen.js";
import { visibleText } from "./text.js";

/** @typedef {import("../../server/log_feed.js").Entry} Entry */

/** Back to the start of the line, other than at its end as on Windows; back at all; or up. */
const OVERWRITES = /\r(?!\r*$)|[\b]|(?:\x1b\[|\x9b)\d*[AF]/;
/** How many rows are remembered, to be reached by moving up. */
const RECENT_ROWS = 40;
const LONGEST_RECENT = 2000;

/**
 * What an entry does to the rows: whether it has none of its own, which rows of a bar it changed, by
 * which numbers rows were known before, and the style in which its text begins.
 *
 * @typedef {{hidden: boolean, changed: Row[], moved: number[], style: number}} Taken
 */

/** A row that is the text of one entry. @typedef {{number: number, entry: Entry, style: number}} Plain */

export class Overwriting {
  /** The lowest of its rows is the one that was begun last. */
  #screen = new Screen(0, false);
  /** @type {(Row | Plain)[]} the latest last */
  #recent = [];
  /** Whether the cursor is in a row that may be written on. */
  #open = false;
  /** @type {Entry | null} the last one that was not between those of a bar */
  #last = null;
  /** The last line that came in between. */
  #between = 0;

  copy() {
    const copy = new Overwriting();
    copy.#screen = this.#screen.copy();
    copy.#recent = this.#recent.map((row) => {
      const index = row instanceof Row ? this.#screen.rows.indexOf(row) : -1;
      if (index >= 0) return copy.#screen.rows[index];
      return row instanceof Row ? row.copy() : row;
    });
    [copy.#open, copy.#last, copy.#between] = [this.#open, this.#last, this.#between];
    return copy;
  }

  /** What decides on the rows of the entries to come, to compare. */
  get key() {
    const { up, column, style } = this.#screen;
    const bars = this.#recent.filter((row) => row instanceof Row);
    if (!bars.length) return JSON.stringify([style]);
    const rows = bars.map((row) => [row.number, row.text]);
    return JSON.stringify([this.#open, this.#between, up, column, style, rows]);
  }

  /**
   * @param {Entry} entry
   * @returns {Taken}
   */
  take(entry) {
    const [, , , text, unended] = entry;
    const { style } = this.#screen;
    const overwrites = OVERWRITES.test(text) || Boolean(unended && text.endsWith("\r"));
    if (!overwrites && this.#open && !this.#continues(entry)) return this.#takeBetween(entry, style);
    if (!overwrites && !this.#open && unended && entry[0] > 1 && !visibleText(text).trim()) {
      this.#screen.restyle(text);
      return { hidden: true, changed: [], moved: [], style };
    }
    const sameFrame = entry[1] === this.#last?.[1] && this.#recent[this.#recent.length - 1] instanceof Row;
    if (overwrites || this.#open || sameFrame) return { ...this.#overwrite(entry), style };
    this.#addPlain(entry, style);
    return { hidden: false, changed: [], moved: [], style };
  }

  /**
   * Return whether a text that does not overwrite belongs to the bar: it was written together with
   * it, or shows nothing.
   *
   * @param {Entry} entry
   */
  #continues([, time, , text]) {
    return time === this.#last?.[1] || !visibleText(text).trim();
  }

  /**
   * Take a line that does not belong to the bar.
   *
   * @param {Entry} entry
   * @param {number} style
   * @returns {Taken}
   */
  #takeBetween(entry, style) {
    const { rows, up, column } = this.#screen;
    const blank = !rows[0].text.trim();
    const given = !up && !column && (rows.length === 1 || blank); // the bar went back for it
    const gone = given && (blank || entry[2] !== "error");
    const moved = gone && rows[0].number ? [rows[0].number] : [];
    if (gone) this.#recent = this.#recent.filter((row) => row !== rows[0]);
    if (given || entry[2] === "error") {
      this.#open = false;
      this.#addPlain(entry, style);
    } else {
      this.#between = entry[0];
      this.#screen.restyle(entry[3]);
    }
    return { hidden: false, changed: [], moved, style };
  }

  /**
   * @param {Entry} entry
   * @param {number} style
   */
  #addPlain(entry, style) {
    const last = this.#recent[this.#recent.length - 1];
    if (last?.entry?.[1] !== entry[1] && !this.#recent.some((row) => row instanceof Row)) this.#recent = [];
    if (entry[3].length <= LONGEST_RECENT) this.#remember({ number: entry[0], entry, style });
    this.#screen.restyle(entry[3]);
    this.#last = entry;
  }

  /** @param {Row | Plain} row */
  #remember(row) {
    this.#recent.push(row);
    if (this.#recent.length > RECENT_ROWS) this.#recent.shift();
  }

  /** @param {Entry} entry */
  #overwrite(entry) {
    const screen = this.#screen;
    const begins = !this.#open;
    if (begins) this.#begin(entry);
    screen.entry = this.#last = entry;
    screen.top = screen.up;
    screen.feed(entry[3]);
    const begun = begins ? screen.rows[0] : null;
    const own = begun?.text.trim() ? begun : (this.#outdated() ?? begun);
    const moved = own && own !== begun ? this.#leave(own) : [];
    if (begun && own !== begun) begun.number = 0; // as it is blank, it can wait for the next entry
    if (own) [own.number, own.entry] = [entry[0], own.entry ?? entry];
    this.#open = Boolean(entry[4]) || screen.up > 0;
    if (!entry[4]) [screen.up, screen.column] = [Math.max(0, screen.up - 1), 0];
    const sorted = moved.length ? this.#sort() : [];
    const isChanged = (row) => row.entry === entry || row === own || sorted.includes(row);
    const changed = screen.rows.filter((row) => row.number > 0 && isChanged(row));
    return { hidden: !own, changed, moved };
  }

  /**
   * Begin a row below those that can be reached from it: rows of bars, and texts of the same write.
   *
   * @param {Entry} entry
   */
  #begin([number, time]) {
    const screen = this.#screen;
    const row = Object.assign(new Row(), { number });
    screen.rows = [row];
    for (let index = this.#recent.length - 1; index >= 0; index--) {
      const above = this.#recent[index];
      if (!(above instanceof Row) && above.entry[1] !== time) {
        this.#between = Math.max(this.#between, above.number);
        continue;
      }
      this.#recent[index] = above instanceof Row ? above : rowOf(above);
      screen.rows.push(/** @type {Row} */ (this.#recent[index]));
    }
    screen.up = screen.column = 0;
    this.#remember(row);
  }

  /**
   * Take their numbers from the rows that were reached, above a line that came in between, and are
   * blank; and from the one that has a new number.
   *
   * @param {Row} moving
   * @returns {number[]} the numbers
   */
  #leave(moving) {
    const left = this.#reached.filter((row) => row === moving || (row.number < this.#between && !row.text.trim()));
    const numbers = left.map((row) => row.number).filter(Boolean);
    for (const row of left) row.number = 0;
    return numbers;
  }

  get #reached() {
    return this.#screen.rows.slice(0, this.#screen.top + 1);
  }

  /** Give the rows that were reached their numbers in order again, and return these rows. */
  #sort() {
    const reached = this.#reached.filter((row) => row.number > 0);
    const numbers = reached.map((row) => row.number).sort((one, other) => other - one);
    for (const [index, row] of reached.entries()) row.number = numbers[index];
    return reached;
  }

  /** Return the highest of the bar's rows that stands above a line that came in between. */
  #outdated() {
    return this.#reached.findLast((row) => row.number < this.#between && row.text.trim()) ?? null;
  }
}

/** @param {Plain} plain */
function rowOf({ number, entry, style }) {
  const screen = new Screen(style, false);
  screen.entry = entry;
  screen.feed(entry[3]);
  return Object.assign(screen.rows[0], { number, entry });
}

/**
 * Return entries as a reader sees them: without what was overwritten.
 *
 * @param {Entry[]} entries that follow each other
 */
export function seenText(entries) {
  const terminal = new Overwriting();
  /** @type {Map<number, () => string>} */
  const rows = new Map();
  for (const entry of entries) {
    const { hidden, changed, moved } = terminal.take(entry);
    for (const number of moved) rows.delete(number);
    if (!hidden) rows.set(entry[0], () => visibleText(entry[3]) + (entry[4] ? "" : "\n"));
    for (const row of changed) rows.set(row.number, () => `${row.text}\n`);
  }
  return [...rows.values()].map((text) => text()).join("");
}
