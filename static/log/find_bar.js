// @ts-check
/** The search field above a log: hits, next and previous. */

import { part } from "../draw/find.js";
import { number } from "../draw/wording.js";

const TYPING_MS = 250;

export class FindBar {
  #timer = 0;

  /**
   * @param {HTMLElement} bar
   * @param {import("./search.js").LogSearch} search
   * @param {import("./view.js").LogView} view
   * @param {() => void} queried after the query has changed
   */
  constructor(bar, search, view, queried) {
    this.input = /** @type {HTMLInputElement} */ (part("#find", bar));
    this.level = /** @type {HTMLSelectElement} */ (part("#level", bar));
    this.search = search;
    this.view = view;
    this.queried = queried;
    this.input.addEventListener("input", () => this.#typed());
    this.input.addEventListener("keydown", (event) => this.#pressed(event));
    this.level.addEventListener("change", () => void this.#start());
    part("#find-next").addEventListener("click", () => void this.next());
    part("#find-previous").addEventListener("click", () => this.previous());
  }

  /** Say how many hits there are and which one is seen. */
  draw() {
    const { hits, complete, active } = this.search;
    const place = this.view.here ? this.search.countUpTo(this.view.here) : 0;
    const count = number(hits.length) + (complete ? "" : "+");
    const words = hits.length ? `${place ? `${number(place)} of ` : ""}${count}` : complete ? "no hit" : "searching…";
    part("#hits").textContent = active ? words : "";
    for (const name of ["#find-next", "#find-previous"]) {
      /** @type {HTMLButtonElement} */ (part(name)).disabled = !hits.length;
    }
  }

  async next() {
    this.#go(await this.search.next(this.view.here || this.view.geometry.firstVisible - 1));
  }

  previous() {
    this.#go(this.search.previous(this.view.here || this.view.geometry.lastVisible + 1));
  }

  /** @param {number} line */
  #go(line) {
    if (!line) return;
    this.view.show({ here: line });
    this.view.goTo(line);
    this.draw();
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
    else if (event.shiftKey) this.previous();
    else void this.next();
  }

  async #start() {
    clearTimeout(this.#timer);
    const query = this.input.value.trim();
    const from = this.view.here || this.view.geometry.firstVisible;
    this.view.show({ query, here: 0 });
    this.queried();
    await this.search.start(query, this.level.value);
    if (query !== this.search.query.q || !this.search.hits.length) return this.draw();
    const place = this.search.countUpTo(from - 1);
    this.#go(this.search.hits[place] ?? this.search.hits[this.search.hits.length - 1]);
  }
}
