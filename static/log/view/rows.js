// @ts-check
/** The rows that exist in the page, in order. Those that scroll out of view are used again. */

import { overlaps } from "../range.js";
import { drawHeading, makeHeading } from "./heading.js";
import { drawRow, makeRow } from "./row.js";

/** @typedef {import("../../server/log_feed.js").Entry} Entry */

/**
 * What is in a row: a line, its entry undefined while it is fetched, or a section's heading, whose
 * number is that of the first line under it. A row is drawn again when `version` changes.
 *
 * @typedef {object} RowContent
 * @property {number} key
 * @property {number} number
 * @property {Entry | undefined} entry
 * @property {number} last the last line that was written over it
 * @property {import("../terminal/screen.js").Row} [row] what is in it, if that is not the entry alone
 * @property {number} style the one in which the entry begins
 * @property {import("./heading.js").Heading | null} heading
 * @property {unknown} version
 */

/**
 * What can be shown, row by row from 1 on.
 *
 * @typedef {object} RowSource
 * @property {number} length how many rows
 * @property {number} lineCount how many lines, also those in no row now
 * @property {(row: number) => RowContent} at
 * @property {(line: number) => number} rowOf
 * @property {(first: number, last: number) => void} need fetch what is missing of the rows in view
 * @property {(line: number) => Promise<void> | void} reach make sure that a line has a row
 */

/**
 * @typedef {object} Look
 * @property {(seconds: number) => string} clock
 * @property {string} query what is marked
 * @property {import("../range.js").Range | null} chosen
 * @property {number} here the line of the present hit, or 0
 */

/** @typedef {{row: HTMLElement, version: unknown, look: Look | null}} Drawn */

const KEPT_SPARE = 100;
/** How many rows are drawn above and below the view. */
export const SPARE_ROWS = 15;

/**
 * Return which rows to draw: those in view, and some around them.
 *
 * @param {import("../geometry.js").Geometry} geometry
 * @param {number} length how many rows there are
 */
export function rowsAround({ firstVisible, lastVisible }, length) {
  return { first: Math.max(1, firstVisible - SPARE_ROWS), last: Math.min(length, lastVisible + SPARE_ROWS) };
}

/**
 * @param {RowSource} source
 * @param {number} first
 * @param {number} last
 */
export function contentsOf(source, first, last) {
  const contents = [];
  for (let row = first; row <= last; row++) contents.push(source.at(row));
  return contents;
}

export class Rows {
  /** The longest line that was ever drawn, in characters. */
  longest = 0;
  /** @type {Map<number, Drawn>} */
  #drawn = new Map();
  /** @type {HTMLElement[]} */
  #spare = [];

  /** @param {HTMLElement} place */
  constructor(place) {
    this.place = place;
  }

  /**
   * @param {RowContent[]} contents
   * @param {Look} look rows are drawn again when it is another object
   */
  draw(contents, look) {
    this.#drop(new Set(contents.map((content) => content.key)));
    /** @type {HTMLElement | null} */
    let next = null;
    for (let index = contents.length - 1; index >= 0; index--) {
      const content = contents[index];
      const drawn = this.#drawn.get(content.key) ?? this.#open(content);
      this.#refresh(drawn, content, look);
      if (drawn.row.nextSibling !== next || !drawn.row.isConnected) {
        this.place.insertBefore(drawn.row, next);
      }
      next = drawn.row;
    }
  }

  /**
   * @param {number} key of a row that is drawn
   * @returns {number} its height in the page
   */
  heightOf(key) {
    return this.#drawn.get(key)?.row.offsetHeight ?? 0;
  }

  /** @param {Set<number>} kept */
  #drop(kept) {
    for (const [key, { row }] of this.#drawn) {
      if (kept.has(key)) continue;
      this.#drawn.delete(key);
      if (row.contains(document.activeElement)) this.place.closest("[tabindex]")?.focus({ preventScroll: true });
      row.remove();
      if (key > 0 && this.#spare.length < KEPT_SPARE) this.#spare.push(row);
    }
  }

  /** @param {RowContent} content */
  #open(content) {
    const row = content.heading ? makeHeading() : (this.#spare.pop() ?? makeRow());
    /** @type {Drawn} */
    const drawn = { row, version: null, look: null };
    this.#drawn.set(content.key, drawn);
    return drawn;
  }

  /**
   * @param {Drawn} drawn
   * @param {RowContent} content
   * @param {Look} look
   */
  #refresh(drawn, content, look) {
    if (drawn.version === content.version && drawn.look === look) return;
    const { number, last, heading } = content;
    if (heading) {
      drawHeading(drawn.row, number, heading, look.clock);
    } else {
      this.longest = Math.max(this.longest, drawRow(drawn.row, content, look));
      drawn.row.classList.toggle("chosen", overlaps(look.chosen, number, last));
      drawn.row.classList.toggle("here", number <= look.here && look.here <= last);
    }
    drawn.version = content.version;
    drawn.look = look;
  }
}

/**
 * Make the sheet as wide as the longest line so far, so that it does not jump.
 *
 * @param {HTMLElement} box
 * @param {Rows} rows
 * @param {number} last the number of the last line
 */
export function widen(box, rows, last) {
  box.style.setProperty("--longest", `${rows.longest}ch`);
  box.style.setProperty("--digits", `${Math.max(5, String(last).length)}ch`);
}
