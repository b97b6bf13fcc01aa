// @ts-check
/** The search field above a log and the choice of levels: hits, next and previous, and filtering. */

import { part } from "../../draw/find.js";
import { counted, number } from "../../draw/wording.js";

const TYPING_MS = 250;
const NOTHING = { q: "", level: "" };

export class FindBar {
  #timer = 0;

  /**
   * @param {HTMLElement} bar
   * @param {import("../search.js").LogSearch} search
   * @param {import("./view.js").LogView} view
   * @param {import("../filter.js").LogFilter} filter
   * @param {(shown: import("../search.js").Query) => void} queried with what is shown from now on
   */
  constructor(bar, search, view, filter, queried) {
    this.input = /** @type {HTMLInputElement} */ (part("#find", bar));
    this.level = /** @type {HTMLSelectElement} */ (part("#level", bar));
    this.only = part("#only", bar);
    this.search = search;
    this.view = view;
    this.filter = filter;
    this.queried = queried;
    this.input.addEventListener("input", () => this.#typed());
    this.input.addEventListener("keydown", (event) => this.#pressed(event));
    this.level.addEventListener("change", () => void this.#start());
    this.only.addEventListener("click", () => this.#toggleOnly());
    part("#find-next").addEventListener("click", () => void this.next());
    part("#find-previous").addEventListener("click", () => void this.previous());
    if (this.input.value || this.level.value) void this.#start(); // used before this script was loaded
  }

  /** Show how many hits there are and which one is in view; without a text, how many lines. */
  draw() {
    const { hits, query } = this.search;
    part("#hits").textContent = query.q ? this.#hitCount() : this.#lineCount();
    for (const name of ["#find-next", "#find-previous"]) {
      /** @type {HTMLButtonElement} */ (part(name)).disabled = !query.q || !hits.length;
    }
    /** @type {HTMLButtonElement} */ (this.only).disabled = !query.q;
  }

  #hitCount() {
    const { hits, complete } = this.search;
    if (!hits.length) return complete ? "no hit" : "searching…";
    const place = this.view.here ? this.search.countUpTo(this.view.here) : 0;
    return `${place ? `${number(place)} of ` : ""}${number(hits.length)}${complete ? "" : "+"}`;
  }

  #lineCount() {
    const search = this.filter.matches?.search;
    if (!search) return "";
    const { length } = search.hits;
    return search.complete ? counted(length, "line") : `${number(length)}+ lines`;
  }

  async next() {
    await this.#go(await this.search.next(this.view.here || this.view.firstLine - 1));
  }

  async previous() {
    await this.#go(this.search.previous(this.view.here || this.view.lastLine + 1));
  }

  /** @param {number} line */
  async #go(line) {
    if (!line) return;
    this.view.show({ here: line });
    this.draw();
    await this.view.goTo(line);
  }

  #toggleOnly() {
    const pressed = this.only.getAttribute("aria-pressed") !== "true";
    this.only.setAttribute("aria-pressed", String(pressed));
    void this.#show();
  }

  #typed() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#start(), TYPING_MS);
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    if (event.key !== "Enter") return;
    event.preventDefault();
    if (this.input.value.trim() !== this.search.query.q) void this.#start();
    else if (event.shiftKey) void this.previous();
    else void this.next();
  }

  async #start() {
    clearTimeout(this.#timer);
    const query = { q: this.input.value.trim(), level: this.level.value };
    const from = this.view.here || this.view.firstLine;
    this.view.show({ query: query.q, here: 0 });
    await Promise.all([this.search.start(query.q ? query : NOTHING), this.#show()]);
    if (query.q !== this.search.query.q || !this.search.hits.length) return this.draw();
    const place = this.search.countUpTo(from - 1);
    await this.#go(this.search.hits[place] ?? this.search.hits[this.search.hits.length - 1]);
  }

  /** Show the lines of the chosen levels, if asked for only those with the text. */
  async #show() {
    const only = this.only.getAttribute("aria-pressed") === "true";
    const shown = { q: only ? this.input.value.trim() : "", level: this.level.value };
    this.queried(shown);
    await this.filter.set(shown);
  }
}
