// @ts-check
/** The hits of a search in the whole log, fetched page by page, also while the log still grows. */

/** @typedef {{q: string, level: string}} Query */

/** The first page is small, to come quickly; further ones are large. */
const PAGE_HITS = { first: 1000, further: 10_000 };
/** Search for this many hits at first, and for more when the reader steps or scrolls beyond them. */
const EAGER_HITS = 5000;
const RETRY_MS = 1500;

export class LogSearch {
  /** @type {number[]} line numbers, ascending */
  hits = [];
  /** @type {Query} */
  query = { q: "", level: "" };
  #examined = 0;
  /** @type {Promise<void> | null} */
  #running = null;
  #wanted = { hits: EAGER_HITS, line: 0 };
  #retry = 0;

  /**
   * @param {(query: Query & {after: number, limit: number}) =>
   *   Promise<{lines: [number, ...unknown[]][], next: number}>} fetchHits
   * @param {() => number} total how many lines there are now
   * @param {() => void} changed
   */
  constructor(fetchHits, total, changed) {
    this.fetchHits = fetchHits;
    this.total = total;
    this.changed = changed;
  }

  get active() {
    return Boolean(this.query.q || this.query.level);
  }

  /** Whether all lines have been searched. */
  get complete() {
    return this.#examined >= this.total();
  }

  /**
   * @param {Query} query
   * @param {number} [line] search the lines up to this one at least
   */
  start(query, line = 0) {
    this.query = query;
    this.hits = [];
    this.#examined = 0;
    this.#wanted = { hits: EAGER_HITS, line };
    return this.continue();
  }

  /** Stop searching. */
  stop() {
    this.query = { q: "", level: "" };
  }

  /** Search the lines that have not been searched yet. */
  continue() {
    if (this.#retry) return Promise.resolve();
    this.#running ??= this.#goOn().finally(() => {
      this.#running = null;
      this.changed();
    });
    return this.#running;
  }

  /** @param {number} count find this many hits, if there are so many */
  reachHits(count) {
    this.#wanted.hits = Math.max(this.#wanted.hits, count);
    return this.continue();
  }

  /** @param {number} line search the lines up to this one */
  reachLine(line) {
    this.#wanted.line = Math.max(this.#wanted.line, line);
    return this.continue();
  }

  async #goOn() {
    while (this.active && !this.complete && this.#wantsMore) {
      const query = this.query;
      const page = await this.#page(query);
      if (!page) return;
      if (query === this.query) this.#take(page);
    }
  }

  get #wantsMore() {
    return this.hits.length < this.#wanted.hits || this.#examined < this.#wanted.line;
  }

  /** @param {Query} query */
  async #page(query) {
    try {
      const limit = this.#examined ? PAGE_HITS.further : PAGE_HITS.first;
      return { limit, ...(await this.fetchHits({ ...query, after: this.#examined, limit })) };
    } catch {
      this.#retry = setTimeout(() => {
        this.#retry = 0;
        void this.continue();
      }, RETRY_MS);
      return null;
    }
  }

  /** @param {{limit: number, lines: [number, ...unknown[]][], next: number}} page */
  #take(page) {
    for (const line of page.lines) this.hits.push(line[0]);
    const full = page.lines.length >= page.limit;
    this.#examined = Math.max(page.next, full ? 0 : this.#examined + 1);
    this.changed();
  }

  /**
   * @param {number} line
   * @returns {Promise<number>} the first hit after this line, or the first of all; 0 if none
   */
  async next(line) {
    if (!this.complete && line >= (this.hits.at(-1) ?? 0)) {
      await this.reachHits(this.hits.length + EAGER_HITS);
    }
    return this.hits[this.countUpTo(line)] ?? this.hits[0] ?? 0;
  }

  /**
   * @param {number} line
   * @returns {number} the last hit before this line, or the last of all; 0 if none
   */
  previous(line) {
    return this.hits[this.countUpTo(line - 1) - 1] ?? this.hits.at(-1) ?? 0;
  }

  /**
   * @param {number} line
   * @returns {number} how many hits are in the lines up to this one
   */
  countUpTo(line) {
    return countUpTo(this.hits, line);
  }
}

/**
 * @param {number[]} numbers ascending
 * @param {number} limit
 * @returns {number} how many of them are not above the limit
 */
export function countUpTo(numbers, limit) {
  let [low, high] = [0, numbers.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (numbers[middle] <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}
