// @ts-check
/** The rows that exist: one for each line of a span, in order, those left behind used again. */

import { contains } from "./range.js";
import { drawRow, drawnLength, makeRow } from "./row.js";

/**
 * @typedef {object} Look
 * @property {(seconds: number) => string} clock
 * @property {string} query what is marked
 * @property {import("./range.js").Range | null} chosen
 * @property {number} here the line of the present hit, or 0
 */

/** @typedef {{row: HTMLElement, entry: unknown, look: Look | null}} Drawn */

const KEPT_SPARE = 100;

export class Rows {
  /** The longest line that was ever drawn, in characters. */
  longest = 0;
  /** @type {Map<number, Drawn>} */
  #drawn = new Map();
  /** @type {HTMLElement[]} */
  #spare = [];

  /**
   * @param {HTMLElement} place
   * @param {import("./lines.js").Lines} lines
   */
  constructor(place, lines) {
    this.place = place;
    this.lines = lines;
  }

  /**
   * @param {number} first
   * @param {number} last
   * @param {Look} look rows are drawn anew when it is another object
   */
  draw(first, last, look) {
    this.#drop(first, last);
    /** @type {HTMLElement | null} */
    let next = null;
    for (let number = last; number >= first; number--) {
      const drawn = this.#drawn.get(number) ?? this.#open(number);
      this.#refresh(number, drawn, look);
      if (drawn.row.nextSibling !== next || !drawn.row.isConnected) {
        this.place.insertBefore(drawn.row, next);
      }
      next = drawn.row;
    }
  }

  /**
   * @param {number} first
   * @param {number} last
   */
  #drop(first, last) {
    for (const [number, { row }] of this.#drawn) {
      if (number >= first && number <= last) continue;
      this.#drawn.delete(number);
      row.remove();
      if (this.#spare.length < KEPT_SPARE) this.#spare.push(row);
    }
  }

  /** @param {number} number */
  #open(number) {
    /** @type {Drawn} */
    const drawn = { row: this.#spare.pop() ?? makeRow(), entry: null, look: null };
    this.#drawn.set(number, drawn);
    return drawn;
  }

  /**
   * @param {number} number
   * @param {Drawn} drawn
   * @param {Look} look
   */
  #refresh(number, drawn, look) {
    const entry = this.lines.get(number);
    if (drawn.entry === entry && drawn.look === look) return;
    drawRow(drawn.row, number, entry, look);
    drawn.row.classList.toggle("chosen", contains(look.chosen, number));
    drawn.row.classList.toggle("here", number === look.here);
    this.longest = Math.max(this.longest, drawnLength(entry));
    drawn.entry = entry;
    drawn.look = look;
  }
}
