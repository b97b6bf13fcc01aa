// @ts-check
/** Finds the next and the previous error of a log. The lines of one traceback are one error. */

/** @typedef {import("../../server/log_feed.js").Entry} Entry */

/** At most so many lines are asked for at once: longer tracebacks count as several errors. */
const PAGE_LINES = 200;

export class Errors {
  #stopper = new AbortController();

  /** @param {import("./search.js").Searched} log */
  constructor(log) {
    this.log = log;
  }

  /**
   * @param {number} line
   * @param {string} q only errors that contain this
   * @returns {Promise<number>} the first line of the next error, or of the first one; 0 if none
   */
  async next(line, q) {
    this.#start();
    return (await this.#after(Math.max(line, 0), q)) || this.#after(0, q);
  }

  /**
   * @param {number} line
   * @param {string} q
   * @returns {Promise<number>} the first line of the error before, or of the last one; 0 if none
   */
  async previous(line, q) {
    this.#start();
    return (await this.#before(line, q)) || this.#before(this.log.total() + 1, q);
  }

  /** Call off what was asked before: a newer key press counts. */
  #start() {
    this.#stopper.abort();
    this.#stopper = new AbortController();
  }

  /**
   * @param {number} line
   * @param {string} q
   */
  async #after(line, q) {
    let cursor = Math.max(0, line - 1);
    /** @type {Entry | undefined} */
    let before;
    while (cursor < this.log.total()) {
      const { lines, next } = await this.#fetch(q, { after: cursor });
      for (const entry of lines) {
        if (entry[0] > line && !(before && belongTogether(before, entry))) return entry[0];
        before = entry;
      }
      if (next <= cursor) return 0;
      cursor = next;
    }
    return 0;
  }

  /**
   * @param {number} line
   * @param {string} q
   */
  async #before(line, q) {
    for (let cursor = line; cursor > 1; ) {
      const { lines, next } = await this.#fetch(q, { before: cursor });
      let place = lines.length - 1;
      while (place > 0 && belongTogether(lines[place - 1], lines[place])) place -= 1;
      if (place >= 0) return lines[place][0];
      if (next >= cursor) return 0;
      cursor = next;
    }
    return 0;
  }

  /**
   * @param {string} q
   * @param {{after?: number, before?: number}} cursor
   */
  async #fetch(q, cursor) {
    const { signal } = this.#stopper;
    const query = { q, level: "error", limit: PAGE_LINES, ...cursor };
    const page = await this.log.fetchHits(query, signal);
    signal.throwIfAborted();
    return page;
  }
}

/**
 * Return whether two lines were written as one text, as a traceback is: then they have one time.
 *
 * @param {Entry} first
 * @param {Entry} second
 */
function belongTogether(first, second) {
  return second[0] === first[0] + 1 && second[1] === first[1];
}
