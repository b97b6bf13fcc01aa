// @ts-check
/**
 * Which lines of a log have rows: all but those that progress bars wrote over. What is known of this
 * grows with the lines that were loaded, block by block; how a block begins follows from the one
 * before it, or is unknown, and then it begins plain.
 */

import { blockOf, BLOCK_LINES } from "./lines.js";
import { countUpTo } from "./find/search.js";
import { Overwriting } from "./terminal/overwriting.js";

/** @typedef {import("../server/log_feed.js").Entry} Entry */
/** @typedef {import("./terminal/screen.js").Row} Row */

/**
 * @typedef {object} Block
 * @property {number} first the first line of it that was read
 * @property {number} next the line to read next
 * @property {Overwriting} terminal after the lines that were read
 * @property {number[]} hidden
 * @property {number[]} moved lines, of any block, whose rows are now known by later ones
 */

/** How far before the lines in view to look for what they take over, at least. */
const LOOK_BACK = 200;

export class ShownLines {
  /** Grows when other lines have rows. */
  version = 0;
  /** @type {Map<number, Block>} */
  #blocks = new Map();
  /** @type {Map<number, Overwriting>} how blocks begin */
  #begins = new Map();
  /** @type {Map<number, Row>} */
  #rows = new Map();
  /** @type {Map<number, number>} styles other than plain in which lines begin */
  #styles = new Map();
  /** @type {Map<number, Set<number>>} by block, its lines whose rows are now known by later ones */
  #moved = new Map();
  /** @type {Set<number>} blocks whose hidden lines have changed */
  #dirty = new Set();
  /** @type {Map<number, number[]>} */
  #hidden = new Map();
  /** @type {number[]} the blocks with hidden lines, ascending */
  #keys = [];
  /** @type {number[]} how many lines are hidden before each of them, and in all */
  #before = [0];

  /**
   * @param {(number: number) => Entry | undefined} lineOf
   * @param {(change: () => void) => void} changing calls `change`, which changes which rows there are
   */
  constructor(lineOf, changing) {
    this.lineOf = lineOf;
    this.changing = changing;
  }

  /**
   * Take note of lines that are loaded now.
   *
   * @param {number} first
   * @param {number} last
   */
  take(first, last) {
    for (let key = blockOf(first); key <= blockOf(last); key++) {
      this.#read(key, Math.max(first, headOf(key)));
    }
    if (this.#dirty.size) this.changing(() => this.#apply());
  }

  /**
   * Forget the rows of a block whose lines are no longer loaded, but not how many they are.
   *
   * @param {number} key
   */
  forget(key) {
    for (let number = headOf(key); number <= (key + 1) * BLOCK_LINES; number++) {
      this.#styles.delete(number);
      const last = this.#rows.get(number)?.entry?.[0] ?? 0;
      if (blockOf(last) === key) this.#rows.delete(number);
    }
    const block = this.#blocks.get(key);
    if (block) block.first = Infinity;
  }

  /**
   * Return lines to load, so that it is known how a line begins.
   *
   * @param {number} number
   */
  linesBefore(number) {
    const key = blockOf(number);
    const known = key <= 0 || this.#begins.has(key) || number > headOf(key) + LOOK_BACK;
    return (known ? [key] : [key, key - 1]).map(headOf).filter((head) => this.lineOf(head) === undefined);
  }

  /**
   * @param {number} number
   * @returns {Row | undefined} if the row is other than the text of the line alone
   */
  rowOf(number) {
    return this.#rows.get(number);
  }

  /** @param {number} number */
  styleOf(number) {
    return this.#styles.get(number) ?? 0;
  }

  /**
   * @param {number} number
   * @returns {number} how many of the lines up to this one have rows
   */
  countUpTo(number) {
    const key = blockOf(number);
    const index = countUpTo(this.#keys, key - 1);
    const inside = this.#keys[index] === key ? countUpTo(this.#hidden.get(key) ?? [], number) : 0;
    return number - this.#before[index] - inside;
  }

  /**
   * @param {number} count
   * @returns {number} the line up to which there are so many rows
   */
  lineAt(count) {
    let [low, high] = [count, count + this.#before[this.#before.length - 1]];
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (this.countUpTo(middle) >= count) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /**
   * @param {number} key
   * @param {number} first a line that is loaded
   */
  #read(key, first) {
    const block = this.#blocks.get(key);
    if (!block || first < block.first) this.#begin(key, first);
    this.#readOn(key);
  }

  /**
   * @param {number} key
   * @param {number} first
   */
  #begin(key, first) {
    const before = this.#blocks.get(key);
    if (before?.hidden.length) this.#dirty.add(key);
    for (const line of before?.moved ?? []) this.#move(line, false);
    const begun = first === headOf(key) ? this.#begins.get(key)?.copy() : undefined;
    const terminal = begun ?? new Overwriting();
    this.#blocks.set(key, { first, next: first, terminal, hidden: [], moved: [] });
  }

  /** @param {number} key */
  #readOn(key) {
    const block = /** @type {Block} */ (this.#blocks.get(key));
    const end = (key + 1) * BLOCK_LINES;
    for (; block.next <= end; block.next++) {
      const entry = this.lineOf(block.next);
      if (!entry) return;
      this.#takeEntry(key, block, entry);
    }
    if (block.first === headOf(key)) this.#passOn(key + 1, block.terminal);
  }

  /**
   * @param {number} key
   * @param {Overwriting} terminal after the block before
   */
  #passOn(key, terminal) {
    if (this.#begins.get(key)?.key === terminal.key) return;
    const known = this.#begins.has(key) || terminal.key !== new Overwriting().key;
    this.#begins.set(key, terminal.copy());
    const block = this.#blocks.get(key);
    if (!known || block?.first !== headOf(key)) return;
    this.#begin(key, block.first);
    this.#readOn(key);
  }

  /**
   * @param {number} key
   * @param {Block} block
   * @param {Entry} entry
   */
  #takeEntry(key, block, entry) {
    const { hidden, changed, moved, style } = block.terminal.take(entry);
    if (hidden) block.hidden.push(entry[0]);
    if (hidden) this.#dirty.add(key);
    block.moved.push(...moved);
    for (const line of moved) this.#move(line, true);
    if (style) this.#styles.set(entry[0], style);
    else this.#styles.delete(entry[0]);
    for (const row of changed) {
      const last = this.#rows.get(row.number)?.entry?.[0] ?? 0;
      if (last <= entry[0]) this.#rows.set(row.number, row);
    }
  }

  /**
   * @param {number} line
   * @param {boolean} moved whether its row is now known by a later line
   */
  #move(line, moved) {
    const key = blockOf(line);
    const lines = this.#moved.get(key) ?? new Set();
    if (moved) lines.add(line);
    else lines.delete(line);
    this.#moved.set(key, lines);
    this.#dirty.add(key);
    if (moved) this.#rows.delete(line);
  }

  /** Count anew what is hidden. */
  #apply() {
    for (const key of this.#dirty) {
      const lines = new Set([...(this.#blocks.get(key)?.hidden ?? []), ...(this.#moved.get(key) ?? [])]);
      if (lines.size) this.#hidden.set(key, [...lines].sort((one, other) => one - other));
      else this.#hidden.delete(key);
    }
    this.#dirty.clear();
    this.#keys = [...this.#hidden.keys()].sort((one, other) => one - other);
    this.#before = [0];
    for (const key of this.#keys) {
      this.#before.push(this.#before[this.#before.length - 1] + (this.#hidden.get(key)?.length ?? 0));
    }
    this.version++;
  }
}

/** @param {number} key */
function headOf(key) {
  return key * BLOCK_LINES + 1;
}
