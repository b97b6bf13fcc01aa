// @ts-check
/**
 * All lines of a log as rows, each section under its heading: the status of the process then. A
 * folded section is its heading alone. Positions are computed, so that a million lines cost nothing.
 */

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
  #version = 0;

  /**
   * @param {import("./lines.js").Lines} lines
   * @param {import("./shown_lines.js").ShownLines} shown
   */
  constructor(lines, shown) {
    this.lines = lines;
    this.shown = shown;
  }

  /** How many rows there are. */
  get length() {
    this.#refresh();
    if (!this.#rows.length) return this.shown.countUpTo(this.lines.total);
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
   * Fold the sections of a failed run that were successful: all but the last and those with errors.
   *
   * @param {number[]} errors lines
   */
  foldSuccessful(errors) {
    const kept = new Set(errors.map((line) => this.#sectionOf(line)));
    kept.add(this.#sections.length - 1);
    this.#folded = new Set(this.#firstLines.filter((_, index) => !kept.has(index)));
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
    this.#refresh();
    const index = countUpTo(this.#rows, row) - 1;
    if (index < 0) return this.#line(this.shown.lineAt(row));
    if (this.#rows[index] === row) return this.#heading(index);
    return this.#line(this.shown.lineAt(this.#countBefore(index) + row - this.#rows[index]));
  }

  /**
   * @param {number} line
   * @returns {number} its row, that of the bar it is part of, or of the heading it is folded under
   */
  rowOf(line) {
    this.#refresh();
    const index = this.#sectionOf(line);
    const count = this.shown.countUpTo(line);
    if (index < 0) return Math.max(1, count);
    const inside = count - this.#countBefore(index);
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
    this.lines.need([...numbers, ...(numbers.length ? this.shown.linesBefore(numbers[0]) : [])]);
  }

  /** @param {number} line */
  #sectionOf(line) {
    return countUpTo(this.#firstLines, line) - 1;
  }

  /** Place the rows anew if other lines have rows. */
  #refresh() {
    if (this.#version !== this.shown.version) this.#place();
  }

  #place() {
    this.#version = this.shown.version;
    this.#rows = [];
    let row = this.#sections.length ? this.#countBefore(0) + 1 : 0;
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
    if (this.#folded.has(this.#firstLines[index])) return 0;
    const last = this.#firstLines[index] + this.#lengthOf(index) - 1;
    return this.shown.countUpTo(last) - this.#countBefore(index);
  }

  /**
   * @param {number} index
   * @returns {number} how many lines before the section have rows
   */
  #countBefore(index) {
    return this.shown.countUpTo(this.#firstLines[index] - 1);
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
    const row = this.shown.rowOf(number);
    const entry = this.lines.get(number);
    const style = this.shown.styleOf(number);
    const version = row?.version ?? (entry && style ? `${number} ${style}` : entry);
    const last = row ? this.shown.lineAt(this.shown.countUpTo(number) + 1) - 1 : number;
    return { key: number, number, last, entry, row, style, heading: null, version };
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
    return { key: -line, number: line, last: line, entry: undefined, style: 0, heading, version };
  }
}
