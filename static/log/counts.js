// @ts-check
/** How many lines of each level a log has: as the server counts them, and live lines on top. */

/** @typedef {import("../server/log_feed.js").Entry} Entry */
/** @typedef {Record<string, number>} Counts */

/** The levels from the least severe on. */
const LEVELS = ["debug", "info", "warning", "error"];
const AGAIN_MS = 1000;

export class LevelCounts {
  /** @type {Counts} */
  #counts = {};
  /** The last line that is counted; 0 before the first answer. */
  #upTo = 0;
  #known = false;
  #timer = 0;

  /**
   * @param {() => Promise<Counts | undefined>} fetchCounts
   * @param {() => void} changed
   */
  constructor(fetchCounts, changed) {
    this.fetchCounts = fetchCounts;
    this.changed = changed;
  }

  /**
   * @param {string} level
   * @returns {number | null} how many lines are of this level or above; null while that is unknown
   */
  atLeast(level) {
    if (!this.#known) return null;
    return sum(LEVELS.slice(LEVELS.indexOf(level)).map((each) => this.#counts[each] ?? 0));
  }

  /** Ask the server. When it cannot be reached, or has more lines than were counted, ask again. */
  async count() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    try {
      const counts = await this.fetchCounts();
      if (!counts) return;
      const upTo = sum(LEVELS.map((level) => counts[level] ?? 0));
      if (upTo < this.#upTo) return;
      [this.#counts, this.#upTo, this.#known] = [{ ...counts }, upTo, true];
      this.changed();
    } catch {
      this.#fetchSoon();
    }
  }

  /** @param {Entry[]} fresh lines that have come */
  lines(fresh) {
    if (!this.#known) return this.#fetchSoon();
    for (const [number, , level] of fresh) {
      if (number > this.#upTo + 1) return this.#fetchSoon(); // some were missed
      if (number <= this.#upTo) continue;
      this.#counts[level] = (this.#counts[level] ?? 0) + 1;
      this.#upTo = number;
    }
    this.changed();
  }

  #fetchSoon() {
    this.#timer ||= setTimeout(() => void this.count(), AGAIN_MS);
  }
}

/** @param {number[]} numbers */
function sum(numbers) {
  return numbers.reduce((total, each) => total + each, 0);
}
