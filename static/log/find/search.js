// @ts-check
/**
 * The hits of one search in a log, found page by page from a line on: ahead and behind, as far as
 * they are wanted, also while the log grows. The search goes to its end unless it is stopped.
 */

/** @typedef {{q: string, level: string}} Query */
/** @typedef {import("../../server/log_feed.js").Entry} Entry */
/** @typedef {{lines: Entry[], next: number}} Page */

/**
 * What is searched: `fetchHits` gets the hits after a line or before one, `total` says how many
 * lines there are now.
 *
 * @typedef {object} Searched
 * @property {(query: Query & {after?: number, before?: number, limit: number},
 *   signal: AbortSignal) => Promise<Page>} fetchHits
 * @property {() => number} total
 */

/** The first page is small, to come quickly; further ones are large. */
const PAGE_HITS = { first: 200, further: 10_000 };
/** Search for this many hits at first, and for more when the reader steps or scrolls beyond them. */
const EAGER_HITS = 5000;
/** An error of the server itself rarely goes away soon. */
const RETRY_MS = { broken: 30_000, otherwise: 1500 };

export class LogSearch {
  /** @type {number[]} line numbers, ascending */
  hits = [];
  /** Why the search cannot go on at the moment. */
  problem = "";
  /** The lines examined are those after `#from`, up to `#to`. */
  #from;
  #to;
  #origin;
  #wanted = { ahead: EAGER_HITS, behind: EAGER_HITS };
  #stopper = new AbortController();
  /** @type {Promise<void> | null} */
  #running = null;
  #retry = 0;
  #refused = false;

  /**
   * @param {Query} query
   * @param {Searched} log
   * @param {number} origin the line to begin at; 0 for the end, where newer lines are always wanted
   * @param {(found: Entry[], change: () => void) => void} found called with the hits of each page
   *   and what adds them to the others
   */
  constructor(query, log, origin, found) {
    this.query = query;
    this.log = log;
    this.found = found;
    if (!origin) this.#wanted.ahead = Infinity;
    this.#origin = this.#from = this.#to = origin ? origin - 1 : log.total();
  }

  /** How many lines have been searched. */
  get examined() {
    return this.#to - this.#from;
  }

  /** Whether all lines have been searched. */
  get complete() {
    return this.#from <= 0 && this.#to >= this.log.total();
  }

  /** Whether it is looking for hits at this moment. */
  get searching() {
    return this.#running !== null || this.#retry !== 0;
  }

  /** Stop for good; what has been asked of the server is called off. */
  stop() {
    clearTimeout(this.#retry);
    this.#retry = 0;
    this.#stopper.abort();
  }

  /** Search the lines that have not been searched yet, as far as hits are wanted. */
  continue() {
    if (this.#retry || this.#refused) return Promise.resolve();
    this.#running ??= this.#searchOn().finally(() => {
      this.#running = null;
      if (!this.#stopper.signal.aborted) this.found([], () => {});
    });
    return this.#running;
  }

  /** @param {number} row find hits up to this one, if there are so many; below 1 means earlier ones */
  reachRow(row) {
    const before = this.countUpTo(this.#origin);
    this.#wanted.ahead = Math.max(this.#wanted.ahead, row - before);
    this.#wanted.behind = Math.max(this.#wanted.behind, before - row + 1);
    if (this.#step) void this.continue();
  }

  /** The direction in which to go on, if in any: where fewer lines have been examined. */
  get #step() {
    const behind = this.countUpTo(this.#origin);
    const [ahead, earlier] = [this.#to - this.#origin, this.#origin - this.#from];
    const forward = this.#to < this.log.total() && this.hits.length - behind < this.#wanted.ahead;
    const backward = this.#from > 0 && behind < this.#wanted.behind;
    if (forward && backward) return ahead <= earlier ? "ahead" : "behind";
    return forward ? "ahead" : backward ? "behind" : null;
  }

  async #searchOn() {
    for (let step = this.#step; step && !this.#stopper.signal.aborted; step = this.#step) {
      try {
        const limit = this.hits.length ? PAGE_HITS.further : PAGE_HITS.first;
        this.#take(step, await this.#fetch(step, limit));
        this.problem = "";
      } catch (error) {
        if (!this.#stopper.signal.aborted) this.#failed(error);
        return;
      }
    }
  }

  /**
   * @param {"ahead" | "behind"} step
   * @param {number} limit
   */
  async #fetch(step, limit) {
    const cursor = step === "ahead" ? { after: this.#to } : { before: this.#from + 1 };
    const page = await this.page({ ...cursor, limit });
    const progress = step === "ahead" ? page.next > this.#to : page.next <= this.#from;
    if (!progress) throw new Error("The lines are not stored yet");
    return page;
  }

  /**
   * Ask for hits without adding them to the others; throw once the search has been stopped.
   *
   * @param {{after?: number, before?: number, limit: number}} cursor
   */
  async page(cursor) {
    const { signal } = this.#stopper;
    const answer = await this.log.fetchHits({ ...this.query, ...cursor }, signal);
    signal.throwIfAborted();
    return answer;
  }

  /**
   * @param {"ahead" | "behind"} step
   * @param {Page} page
   */
  #take(step, page) {
    const numbers = page.lines.map((line) => line[0]);
    this.found(page.lines, () => {
      this.hits = step === "ahead" ? this.hits.concat(numbers) : numbers.concat(this.hits);
      if (step === "ahead") this.#to = page.next;
      else this.#from = page.next - 1;
    });
  }

  /** @param {unknown} error */
  #failed(error) {
    this.problem = error instanceof Error ? error.message : String(error);
    const status = error instanceof Error && "status" in error ? Number(error.status) : 0;
    this.#refused = status >= 400 && status < 500 && status !== 429;
    if (this.#refused) return;
    const pause = status === 500 ? RETRY_MS.broken : RETRY_MS.otherwise;
    this.#retry = setTimeout(() => {
      this.#retry = 0;
      void this.continue();
    }, pause);
  }

  /**
   * @param {number} line
   * @returns {Promise<number>} the first hit after this line, or the first of all; 0 if none
   */
  async next(line) {
    const known = line >= this.#from && line < this.#to ? this.hits[this.countUpTo(line)] : 0;
    return known || (await this.#ask("after", Math.max(line, 0))) || (await this.#ask("after", 0));
  }

  /**
   * @param {number} line
   * @returns {Promise<number>} the last hit before this line, or the last of all; 0 if none
   */
  async previous(line) {
    const inside = line > this.#from && line <= this.#to + 1;
    const known = inside ? this.hits[this.countUpTo(line - 1) - 1] : 0;
    const end = this.log.total() + 1;
    return known || (await this.#ask("before", line)) || (await this.#ask("before", end));
  }

  /**
   * Ask for the nearest hit beyond a line, also among lines that have not been searched.
   *
   * @param {"after" | "before"} side
   * @param {number} line
   * @returns {Promise<number>} 0 if there is none
   */
  async #ask(side, line) {
    if (this.complete) return this.#nearest(side, line);
    for (let cursor = line; side === "after" ? cursor < this.log.total() : cursor > 1; ) {
      const { lines, next } = await this.page({ [side]: cursor, limit: 1 });
      if (lines.length) return lines[0][0];
      if (next === cursor) return 0;
      cursor = next;
    }
    return 0;
  }

  /**
   * @param {"after" | "before"} side
   * @param {number} line
   */
  #nearest(side, line) {
    const place = side === "after" ? this.countUpTo(line) : this.countUpTo(line - 1) - 1;
    return this.hits[place] ?? 0;
  }

  /**
   * Return the place of a line among all hits, 0 while it is not known.
   *
   * @param {number} line
   */
  placeOf(line) {
    return line && this.#from <= 0 && line <= this.#to ? this.countUpTo(line) : 0;
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
