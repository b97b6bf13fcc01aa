// @ts-check
/**
 * Rows of text, and a cursor that writes, erases and overwrites as in a terminal. Each code point
 * takes one column. What a text costs is bounded by its length.
 */

import { hasControls, symbol, tokens } from "./grammar.js";
import { classesOf, restyled } from "./style.js";

/** @typedef {{text: string, classes: string, href: string}} Piece */
/** A style, with the address if the text is a link. @typedef {number | {style: number, href: string}} Pen */
/** @typedef {import("../../server/log_feed.js").Entry} Entry */

/** The farthest that a sequence moves the cursor. */
const COLUMNS_LIMIT = 4096;
const ROWS_LIMIT = 100;
/** Spelt so that the lines of a module have backticks in pairs, which sending it without comments needs. */
const BACKTICK = "\x60";
const SAFE_LINK = /^https?:\/\/[^\s]+$/i;

let changes = 0;

export class Row {
  /** @type {string[]} */
  characters = [];
  /** @type {Pen[]} */
  pens = [];
  /** The columns before this one are blank: erasing them again is free. */
  blank = 0;
  /** The line by which it is known. */
  number = 0;
  /** @type {Entry | null} the last one that changed it */
  entry = null;
  version = 0;

  copy() {
    const row = Object.assign(new Row(), this);
    row.characters = [...this.characters];
    row.pens = [...this.pens];
    return row;
  }

  get text() {
    return this.characters.join("");
  }

  /**
   * Cut it into pieces of one style each.
   *
   * @param {number} [most] how many characters
   * @returns {Piece[]}
   */
  pieces(most = Infinity) {
    /** @type {Piece[]} */
    const found = [];
    const end = Math.min(most, this.characters.length);
    for (let from = 0, at = 1; at <= end; at++) {
      if (at < end && this.pens[at] === this.pens[from]) continue;
      const pen = this.pens[from];
      const [style, href] = typeof pen === "number" ? [pen, ""] : [pen.style, pen.href];
      found.push({ text: this.characters.slice(from, at).join(""), classes: classesOf(style), href });
      from = at;
    }
    return found;
  }
}

export class Screen {
  /** The lowest first. */
  rows = [new Row()];
  /** How many rows the cursor is above the lowest. */
  up = 0;
  column = 0;
  /** The highest row that was reached since this was set. */
  top = 0;
  /** @type {Entry | null} whose text is being written */
  entry = null;
  /** @type {Pen} */
  #pen = 0;
  #href = "";

  /**
   * @param {number} style
   * @param {boolean} growing whether rows above the known ones can be reached
   */
  constructor(style, growing) {
    this.style = style;
    this.growing = growing;
    this.#pen = style;
  }

  copy() {
    const screen = Object.assign(new Screen(this.style, this.growing), this);
    screen.rows = this.rows.map((row) => row.copy());
    return screen;
  }

  /** @param {string} text */
  feed(text) {
    if (!hasControls(text)) return this.#write(text);
    for (const token of tokens(text)) {
      if (token.text) this.#write(token.text);
      else if (token.control) this.#control(token.control);
      else if (token.sequence) this.#sequence(token.sequence);
      else if (token.osc) this.#link(token.osc);
    }
    this.#href = ""; // a link ends with its text
    this.#pen = this.style;
  }

  /**
   * Take over the style that a text leaves, and nothing else of it.
   *
   * @param {string} text
   */
  restyle(text) {
    if (!hasControls(text)) return;
    for (const { sequence } of tokens(text)) {
      if (sequence?.final === "m") this.#sequence(sequence);
    }
  }

  get #row() {
    return this.rows[this.up];
  }

  /** @param {string} text */
  #write(text) {
    const row = this.#changing();
    const { characters, pens } = row;
    while (characters.length < this.column) pens[characters.push(" ") - 1] = 0;
    row.blank = Math.min(row.blank, this.column);
    for (const character of text) {
      characters[this.column] = character;
      pens[this.column++] = this.#pen;
    }
  }

  #changing() {
    const row = this.#row;
    row.entry = this.entry;
    row.version = ++changes;
    return row;
  }

  /** @param {string} control */
  #control(control) {
    if (control === "\r") this.column = 0;
    else if (control === "\b") this.column = Math.max(0, this.column - 1);
    else this.#write(symbol(control));
  }

  /** @param {{parameters: string, between: string, final: string}} sequence */
  #sequence({ parameters, between, final }) {
    if (between) return;
    if (final === "m" && /^[\d;:]*$/.test(parameters)) {
      this.style = restyled(this.style, parameters);
      this.#pen = this.#href ? { style: this.style, href: this.#href } : this.style;
    } else if (/^\d*$/.test(parameters)) {
      this.#move(final, Number(parameters.slice(0, 6)));
    }
  }

  /**
   * @param {string} final
   * @param {number} number
   */
  #move(final, number) {
    const count = number || 1;
    if (final === "A" || final === "F") this.#go(this.up + count);
    else if (final === "B" || final === "E") this.#go(this.up - count);
    else if (final === "C") this.column = Math.max(this.column, Math.min(this.column + count, COLUMNS_LIMIT));
    else if (final === "D") this.column = Math.max(0, this.column - count);
    else if (final === "G" || final === BACKTICK) this.column = Math.min(count - 1, COLUMNS_LIMIT);
    else if (final === "K") this.#erase(number);
    else if (final === "J" && number === 0) this.#eraseBelow();
    if (final === "E" || final === "F") this.column = 0;
  }

  /** @param {number} up */
  #go(up) {
    this.up = Math.max(0, Math.min(up, this.growing ? ROWS_LIMIT : this.rows.length - 1));
    while (this.rows.length <= this.up) this.rows.push(new Row());
    this.top = Math.max(this.top, this.up);
    this.#row.blank = 0;
  }

  /** @param {number} number */
  #erase(number) {
    if (number > 2) return;
    const row = this.#changing();
    if (number === 1) {
      const end = Math.min(this.column + 1, row.characters.length);
      if (end > row.blank) {
        row.characters.fill(" ", row.blank, end);
        row.pens.fill(0, row.blank, end);
        row.blank = end;
      }
    } else {
      const left = number === 0 ? this.column : 0;
      row.characters.length = Math.min(row.characters.length, left);
      row.pens.length = row.characters.length;
    }
  }

  #eraseBelow() {
    this.#erase(0);
    const { up, column } = this;
    for (this.up = up - 1, this.column = 0; this.up >= 0; this.up--) this.#erase(2);
    [this.up, this.column] = [up, column];
  }

  /** @param {string} osc `8;parameters;address` begins a link, one without address ends it */
  #link(osc) {
    const match = /^8;[^;]*;(.*)$/s.exec(osc);
    if (!match) return;
    this.#href = SAFE_LINK.test(match[1]) ? match[1] : "";
    this.#pen = this.#href ? { style: this.style, href: this.#href } : this.style;
  }
}
