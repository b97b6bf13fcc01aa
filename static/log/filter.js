// @ts-check
/** Which lines of a log are shown: all under their headings, or those that match a filter. */

import { Matches } from "./matches.js";

/** @typedef {import("./search.js").Query} Query */

export class LogFilter {
  /** @type {Matches | null} */
  matches = null;
  #wanted = "";

  /**
   * @param {import("./view/view.js").LogView} view
   * @param {import("./sections.js").Sections} all
   * @param {ConstructorParameters<typeof Matches>[0]} fetchHits
   * @param {() => void} changed
   */
  constructor(view, all, fetchHits, changed) {
    this.view = view;
    this.all = all;
    this.fetchHits = fetchHits;
    this.changed = changed;
  }

  /** Whether it is known that no line matches. */
  get isEmpty() {
    return this.matches !== null && !this.matches.length && this.matches.search.complete;
  }

  /** @param {Query} query an empty one shows all lines */
  async set(query) {
    const wanted = JSON.stringify(query);
    if (wanted === this.#wanted) return;
    this.#wanted = wanted;
    const line = this.view.anchor;
    const matches = query.q || query.level ? this.#matches() : null;
    await matches?.start(query, this.view.following ? 0 : line);
    if (wanted !== this.#wanted) return matches?.search.stop();
    this.matches?.search.stop();
    this.matches = matches;
    this.view.use(matches ?? this.all, line);
    this.changed();
  }

  /** The log has grown. */
  continue() {
    void this.matches?.search.continue();
  }

  #matches() {
    return new Matches(this.fetchHits, () => this.all.lineCount, () => {
      this.view.draw();
      this.changed();
    });
  }
}
