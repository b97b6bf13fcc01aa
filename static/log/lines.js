// @ts-check
/**
 * The lines of a log that are loaded, by their places from 1 on. They are kept in blocks; what is
 * missing is fetched when it is needed, and the blocks least recently used are dropped, so that a
 * million lines cost as much as a screenful. In a whole log a line's place is its number.
 */

/** @typedef {import("../server/log_feed.js").Entry} Entry */

export const BLOCK_LINES = 500;
const KEPT_BLOCKS = 40;
const KEPT_CHARACTERS = 32_000_000;
const REQUESTS_AT_ONCE = 2;
const RETRY_MS = 1500;
/** After an error of the server itself, which rarely goes away so soon. */
const BROKEN_RETRY_MS = 30_000;

/** @typedef {{lines: (Entry | undefined)[], characters: number}} Block */

export class Lines {
  /** @type {Map<number, Block>} in the order of use */
  #blocks = new Map();
  #characters = 0;
  /** @type {Set<number>} */
  #fetching = new Set();
  /** @type {number[]} */
  #wanted = [];

  /**
   * @param {number} total how many lines there are
   * @param {(after: number, limit: number) => Promise<Entry[]>} fetchLines
   * @param {() => void} changed
   * @param {import("./shown_lines.js").ShownLines} [shown] is informed of what is loaded
   */
  constructor(total, fetchLines, changed, shown) {
    this.total = total;
    this.fetchLines = fetchLines;
    this.changed = changed;
    this.shown = shown;
  }

  /**
   * @param {number} place
   * @returns {Entry | undefined}
   */
  get(place) {
    return this.#blocks.get(blockOf(place))?.lines[(place - 1) % BLOCK_LINES];
  }

  /**
   * @param {Entry[]} lines that follow each other
   * @param {number} [first] the place of the first, if it is not its number
   */
  add(lines, first = lines[0]?.[0] ?? 1) {
    lines.forEach((line, index) => this.#put(first + index, line));
    this.total = Math.max(this.total, first + lines.length - 1);
    if (lines.length) this.shown?.take(first, first + lines.length - 1);
    this.#forget();
    this.changed();
  }

  /** @param {number} total how many lines there are now */
  grow(total) {
    if (total <= this.total) return;
    this.total = total;
    this.changed();
  }

  /**
   * Fetch what is missing of the lines in view.
   *
   * @param {number[]} places the most important first
   */
  need(places) {
    this.#wanted = places;
    for (const block of this.#blocksInUse()) this.#touch(block);
    for (const place of places) {
      if (this.#fetching.size >= REQUESTS_AT_ONCE) return;
      const missing = place >= 1 && place <= this.total && !this.get(place);
      if (missing && !this.#fetching.has(blockOf(place))) void this.#fetch(place);
    }
  }

  /**
   * Fetch lines to copy, however many, without keeping them.
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

  /** @param {number} hole */
  async #fetch(hole) {
    const block = blockOf(hole);
    this.#fetching.add(block);
    const first = this.#blocks.has(block) ? hole : block * BLOCK_LINES + 1;
    try {
      const lines = await this.fetchLines(first - 1, (block + 1) * BLOCK_LINES - first + 1);
      if (!lines.length) throw new Error("The lines are not stored yet");
      this.#fetching.delete(block);
      this.add(lines, first);
    } catch (error) {
      const isBroken = error instanceof Error && "status" in error && error.status === 500;
      setTimeout(
        () => {
          this.#fetching.delete(block);
          this.changed();
        },
        isBroken ? BROKEN_RETRY_MS : RETRY_MS,
      );
    }
  }

  #blocksInUse() {
    return new Set(this.#wanted.map(blockOf));
  }

  /**
   * @param {number} place
   * @param {Entry} line
   */
  #put(place, line) {
    const key = blockOf(place);
    const block = this.#blocks.get(key) ?? this.#open(key);
    const inside = (place - 1) % BLOCK_LINES;
    if (block.lines[inside]) return;
    block.lines[inside] = line;
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
    const inUse = this.#blocksInUse().add(blockOf(this.total));
    for (const [key, block] of this.#blocks) {
      if (this.#blocks.size <= KEPT_BLOCKS && this.#characters <= KEPT_CHARACTERS) return;
      if (inUse.has(key)) continue;
      this.#blocks.delete(key);
      this.shown?.forget(key);
      this.#characters -= block.characters;
    }
  }
}

/** @param {number} place */
export function blockOf(place) {
  return Math.floor((place - 1) / BLOCK_LINES);
}
