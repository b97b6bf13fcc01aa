// @ts-check
/** Which lines of a log are shown: all under their headings, or those that match a filter. */

import { Matches } from "./matches.js";

/** @typedef {import("./search.js").Query} Query */

export class LogFilter {
  /** @type {Matches | null} */
  matches = null;
  #shown = "";

  /**
   * @param {import("../view/view.js").LogView} view
   * @param {import("../sections.js").Sections} all
   * @param {import("./search.js").Searched} log
   * @param {() => void} changed
   */
  constructor(view, all, log, changed) {
    this.view = view;
    this.all = all;
    this.log = log;
    this.changed = changed;
  }

  /** Whether it is known that no line matches. */
  get isEmpty() {
    return this.matches !== null && !this.matches.length && this.matches.search.complete;
  }

  /**
   * Show the lines that match from now on: none at first, then those that are found.
   *
   * @param {Query} query an empty one shows all lines
   * @param {number} line the one to keep in view
   */
  set(query, line) {
    const wanted = query.q || query.level ? JSON.stringify(query) : "";
    if (wanted === this.#shown) return;
    this.#shown = wanted;
    this.matches?.search.stop();
    this.matches = wanted ? this.#matching(query, this.view.following ? 0 : line) : null;
    this.view.use(this.matches ?? this.all, line);
    void this.matches?.search.continue();
    this.changed();
  }

  /** The log has grown. */
  continue() {
    void this.matches?.search.continue();
  }

  /**
   * @param {Query} query
   * @param {number} origin
   */
  #matching(query, origin) {
    const matches = new Matches(query, this.log, origin, (change) => {
      if (this.matches === matches) this.view.keep(change);
      else change();
      this.changed();
    });
    return matches;
  }
}
