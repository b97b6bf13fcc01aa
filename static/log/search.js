// @ts-check
/** Hits of a search in the whole log, found page by page by the server while it still grows. */

const PAGE_HITS = 1000;
/** So many hits are found at once; more when somebody steps beyond them. */
const EAGER_HITS = 5000;

export class LogSearch {
  /** @type {number[]} line numbers, ascending */
  hits = [];
  query = { q: "", level: "" };
  #examined = 0;
  #running = false;
  #wanted = EAGER_HITS;

  /**
   * @param {(query: {q: string, level: string, after: number, limit: number}) =>
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

  /** Whether all lines there are have been looked at. */
  get complete() {
    return this.#examined >= this.total();
  }

  /**
   * @param {string} q
   * @param {string} level
   */
  async start(q, level) {
    this.query = { q, level };
    this.hits = [];
    this.#examined = 0;
    this.#wanted = EAGER_HITS;
    await this.continue();
  }

  /** Look at the lines that are not looked at yet. */
  async continue() {
    if (this.#running || !this.active) return this.changed();
    this.#running = true;
    try {
      while (this.active && !this.complete && this.hits.length < this.#wanted) await this.#page();
    } finally {
      this.#running = false;
      this.changed();
    }
  }

  async #page() {
    const query = this.query;
    const page = await this.fetchHits({ ...query, after: this.#examined, limit: PAGE_HITS });
    if (query !== this.query) return;
    for (const line of page.lines) this.hits.push(line[0]);
    const full = page.lines.length >= PAGE_HITS;
    this.#examined = Math.max(page.next, full ? 0 : this.#examined + 1);
    this.changed();
  }

  /**
   * @param {number} line
   * @returns {Promise<number>} the first hit after this line, beginning anew at the end; 0 if none
   */
  async next(line) {
    if (!this.complete && line >= (this.hits.at(-1) ?? 0)) {
      this.#wanted = this.hits.length + EAGER_HITS;
      await this.continue();
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
    let [low, high] = [0, this.hits.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.hits[middle] <= line) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
