// @ts-check
/**
 * All lines of a log as rows, each section under its heading: the status of the process then. A
 * folded section is its heading alone. Positions are computed, so that a million lines cost nothing.
 */

import { isOver } from "./ansi.js";
import { countUpTo } from "./find/search.js";

/** @typedef {[line: number, time: number, title: string]} Section its first line's number first */
/** @typedef {import("./view/rows.js").RowContent} RowContent */

export class Sections {
  /** @type {Section[]} */
  #sections = [];
  /** @type {number[]} the first line of each */
  #firstLines = [];
  /** @type {number[]} the row of each heading */
  #rows = [];
  /** @type {Set<number>} the first lines of those that are folded */
  #folded = new Set();
  /** When the last section ended; null while it goes on. @type {number | null} */
  #end = null;

  /** @param {import("./lines.js").Lines} lines */
  constructor(lines) {
    this.lines = lines;
  }

  /** How many rows there are. */
  get length() {
    if (!this.#rows.length) return this.lines.total;
    const last = this.#rows.length - 1;
    return Math.max(this.#rows[last] + this.#shown(last), 0);
  }

  /** How many lines there are, folded ones too. */
  get lineCount() {
    return this.lines.total;
  }

  /** How many sections there are. */
  get count() {
    return this.#sections.length;
  }

  get allFolded() {
    return this.#firstLines.every((line) => this.#folded.has(line));
  }

  /**
   * @param {Section[]} sections by their lines, ascending
   * @param {number | null} end when the process ended
   */
  set(sections, end) {
    this.#sections = sections;
    this.#end = end;
    this.#firstLines = sections.map((section) => section[0]);
    this.#place();
  }

  /** @param {number} line the first one of a section */
  toggle(line) {
    if (!this.#folded.delete(line)) this.#folded.add(line);
    this.#place();
  }

  /** @param {boolean} folded */
  foldAll(folded) {
    this.#folded = new Set(folded ? this.#firstLines : []);
    this.#place();
  }

  /**
   * Fold the sections of a failed run that went well: all but the last and those with errors.
   *
   * @param {number[]} errors lines
   */
  foldGood(errors) {
    const bad = new Set(errors.map((line) => this.#sectionOf(line)));
    bad.add(this.#sections.length - 1);
    this.#folded = new Set(this.#firstLines.filter((_, index) => !bad.has(index)));
    this.#place();
  }

  /**
   * Unfold the section that a line is in.
   *
   * @param {number} line
   */
  reach(line) {
    const index = this.#sectionOf(line);
    if (index >= 0 && this.#folded.delete(this.#firstLines[index])) this.#place();
  }

  /**
   * @param {number} row
   * @returns {RowContent}
   */
  at(row) {
    const index = countUpTo(this.#rows, row) - 1;
    if (index < 0) return this.#line(row);
    if (this.#rows[index] === row) return this.#heading(index);
    return this.#line(this.#firstLines[index] + row - this.#rows[index] - 1);
  }

  /**
   * @param {number} line
   * @returns {number} its row, or that of the heading that it is folded under
   */
  rowOf(line) {
    const index = this.#sectionOf(line);
    if (index < 0) return line;
    const inside = line - this.#firstLines[index] + 1;
    return this.#rows[index] + Math.min(inside, this.#shown(index));
  }

  /**
   * Fetch what is missing of the rows in view.
   *
   * @param {number} first
   * @param {number} last
   */
  need(first, last) {
    const numbers = [];
    for (let row = first; row <= last; row++) {
      const content = this.at(row);
      if (!content.heading) numbers.push(content.number);
    }
    this.lines.need(numbers);
  }

  /** @param {number} line */
  #sectionOf(line) {
    return countUpTo(this.#firstLines, line) - 1;
  }

  #place() {
    this.#rows = [];
    let row = this.#firstLines[0];
    for (let index = 0; index < this.#sections.length; index++) {
      this.#rows.push(row);
      row += 1 + this.#shown(index);
    }
  }

  /**
   * @param {number} index
   * @returns {number} how many rows follow the heading
   */
  #shown(index) {
    return this.#folded.has(this.#firstLines[index]) ? 0 : this.#lengthOf(index);
  }

  /** @param {number} index */
  #lengthOf(index) {
    const next = this.#firstLines[index + 1] ?? this.lines.total + 1;
    return Math.max(0, next - this.#firstLines[index]);
  }

  /**
   * @param {number} number
   * @returns {RowContent}
   */
  #line(number) {
    const entry = this.lines.get(number);
    const over = isOver(entry, this.lines.get(number + 1));
    return { key: number, number, entry, heading: null, over, version: over ? number : entry };
  }

  /**
   * @param {number} index
   * @returns {RowContent}
   */
  #heading(index) {
    const [line, time, title] = this.#sections[index];
    const folded = this.#folded.has(line);
    const lines = this.#lengthOf(index);
    const end = this.#sections[index + 1]?.[1] ?? this.#end;
    const version = `${title} ${folded} ${lines} ${end}`;
    const heading = { title, time, end, folded, lines };
    return { key: -line, number: line, entry: undefined, heading, over: false, version };
  }
}
