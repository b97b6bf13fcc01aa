// @ts-check
/**
 * The lines of a log that are at hand: blocks of them, the least recently looked at forgotten
 * first, what is missing fetched when it is needed. A million lines cost as much as a screenful.
 */

/** @typedef {import("../server/log_feed.js").Entry} Entry */

const BLOCK_LINES = 500;
const KEPT_BLOCKS = 40;
const KEPT_CHARACTERS = 32_000_000;
const REQUESTS_AT_ONCE = 2;
const RETRY_MS = 1500;

/** @typedef {{lines: (Entry | undefined)[], characters: number}} Block */

export class Lines {
  /** @type {Map<number, Block>} in the order of use */
  #blocks = new Map();
  #characters = 0;
  /** @type {Set<number>} */
  #fetching = new Set();
  #wanted = { first: 1, last: 0 };

  /**
   * @param {number} total how many lines there are
   * @param {(after: number, limit: number) => Promise<Entry[]>} fetchLines
   * @param {() => void} changed
   */
  constructor(total, fetchLines, changed) {
    this.total = total;
    this.fetchLines = fetchLines;
    this.changed = changed;
  }

  /**
   * @param {number} number
   * @returns {Entry | undefined}
   */
  get(number) {
    return this.#blocks.get(blockOf(number))?.lines[(number - 1) % BLOCK_LINES];
  }

  /** @param {Entry[]} lines */
  add(lines) {
    for (const line of lines) this.#put(line);
    if (lines.length) this.total = Math.max(this.total, lines[lines.length - 1][0]);
    this.#forget();
    this.changed();
  }

  /** @param {number} total as the record has it */
  grow(total) {
    if (total <= this.total) return;
    this.total = total;
    this.changed();
  }

  /**
   * These lines are looked at: fetch what is missing of them.
   *
   * @param {number} first
   * @param {number} last
   */
  need(first, last) {
    this.#wanted = { first: Math.max(1, first), last: Math.min(last, this.total) };
    this.#fetchWanted();
  }

  /**
   * Lines to copy, however many, without keeping them.
   *
   * @param {number} first
   * @param {number} last
   * @returns {Promise<Entry[]>}
   */
  async read(first, last) {
    /** @type {Entry[]} */
    const found = [];
    for (let next = first; next <= last; ) {
      const lines = await this.fetchLines(next - 1, Math.min(last - next + 1, 10_000));
      if (!lines.length) break;
      found.push(...lines.filter((line) => line[0] <= last));
      next = lines[lines.length - 1][0] + 1;
    }
    return found;
  }

  #fetchWanted() {
    const { first, last } = this.#wanted;
    for (let block = blockOf(first); block <= blockOf(last); block++) {
      if (this.#fetching.size >= REQUESTS_AT_ONCE) return;
      const hole = this.#firstHole(block, first, last);
      if (hole) void this.#fetch(block, hole);
    }
  }

  /**
   * @param {number} block
   * @param {number} first
   * @param {number} last
   * @returns {number} the first missing line among these of the block, or 0
   */
  #firstHole(block, first, last) {
    if (this.#fetching.has(block)) return 0;
    const from = Math.max(first, block * BLOCK_LINES + 1);
    const to = Math.min(last, (block + 1) * BLOCK_LINES);
    for (let number = from; number <= to; number++) if (!this.get(number)) return number;
    this.#touch(block);
    return 0;
  }

  /**
   * @param {number} block
   * @param {number} hole
   */
  async #fetch(block, hole) {
    this.#fetching.add(block);
    const whole = this.#blocks.has(block) ? hole - 1 : block * BLOCK_LINES;
    try {
      const lines = await this.fetchLines(whole, (block + 1) * BLOCK_LINES - whole);
      this.#fetching.delete(block);
      this.add(lines);
    } catch {
      setTimeout(() => {
        this.#fetching.delete(block);
        this.changed();
      }, RETRY_MS);
    }
  }

  /** @param {Entry} line */
  #put(line) {
    const key = blockOf(line[0]);
    const block = this.#blocks.get(key) ?? this.#open(key);
    const place = (line[0] - 1) % BLOCK_LINES;
    if (block.lines[place]) return;
    block.lines[place] = line;
    block.characters += line[3].length;
    this.#characters += line[3].length;
  }

  /** @param {number} key */
  #open(key) {
    /** @type {Block} */
    const block = { lines: new Array(BLOCK_LINES), characters: 0 };
    this.#blocks.set(key, block);
    return block;
  }

  /** @param {number} key */
  #touch(key) {
    const block = this.#blocks.get(key);
    if (!block) return;
    this.#blocks.delete(key);
    this.#blocks.set(key, block);
  }

  #forget() {
    const inUse = new Set([blockOf(this.#wanted.first), blockOf(this.#wanted.last), blockOf(this.total)]);
    for (const [key, block] of this.#blocks) {
      if (this.#blocks.size <= KEPT_BLOCKS && this.#characters <= KEPT_CHARACTERS) return;
      if (inUse.has(key)) continue;
      this.#blocks.delete(key);
      this.#characters -= block.characters;
    }
  }
}

/** @param {number} number */
function blockOf(number) {
  return Math.floor((number - 1) / BLOCK_LINES);
}
