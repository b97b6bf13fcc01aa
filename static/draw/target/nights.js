// @ts-check
/**
 * The nights of a target with their filters: one click chooses the frames of a night through a filter.
 * One of all links is in the order of the Tab key; arrow keys lead to the others.
 */

import { parts } from "../find.js";
import { number } from "../wording.js";
import { nightsOf } from "./frame_list.js";

/** @typedef {import("./frame_list.js").Frame} Frame */
/** @typedef {import("./frame_list.js").Wanted} Wanted */

const MOST_NIGHTS = 60;
/** @type {Record<string, number>} */
const STEPS = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 };

export class Nights {
  #drawn = "";

  /**
   * @param {HTMLElement} place
   * @param {(night: string, filter: string | null) => void} chosen called with null for all filters
   */
  constructor(place, chosen) {
    this.place = place;
    place.addEventListener("click", (event) => {
      const link = /** @type {Element} */ (event.target).closest("a.set");
      if (!(link instanceof HTMLElement) || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      this.#settle(link);
      chosen(link.dataset.night ?? "", link.dataset.filter ?? null);
    });
    place.addEventListener("keydown", (event) => this.#pressed(event));
    this.#settle();
  }

  get #links() {
    return parts("a.set", this.place);
  }

  /** @param {HTMLElement} [current] */
  #settle(current = this.#links[0]) {
    for (const link of this.#links) link.tabIndex = link === current ? 0 : -1;
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    const links = this.#links;
    const place = links.indexOf(/** @type {HTMLElement} */ (event.target)) + (STEPS[event.key] ?? 0);
    if (!(event.key in STEPS) || !links[place]) return;
    event.preventDefault();
    this.#settle(links[place]);
    links[place].focus();
  }

  /**
   * @param {Frame[]} frames
   * @param {Wanted} wanted
   */
  draw(frames, wanted) {
    const nights = nightsOf(frames, MOST_NIGHTS);
    this.place.hidden = !nights.length;
    const drawn = JSON.stringify(nights);
    if (this.#drawn !== drawn) this.#replace(nights);
    this.#drawn = drawn;
    for (const link of this.#links) {
      const { night, filter } = link.dataset;
      const whole = filter === undefined ? !wanted.facets.filter?.size : isOnly(wanted.facets.filter, filter);
      if (whole && isOnly(wanted.facets.night, night)) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  }

  /** @param {ReturnType<typeof nightsOf>} nights */
  #replace(nights) {
    const place = this.#links.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    this.place.replaceChildren(...nights.map(lineOf));
    this.#settle();
    if (place >= 0) this.#links[Math.min(place, this.#links.length - 1)]?.focus({ preventScroll: true });
  }
}

/**
 * @param {Set<string> | undefined} values
 * @param {string | undefined} value
 */
function isOnly(values, value) {
  return values?.size === 1 && values.has(value ?? "");
}

/** @param {{name: string, count: number, filters: [name: string, count: number][]}} night */
function lineOf({ name, count, filters }) {
  const line = document.createElement("p");
  const heading = document.createElement("b");
  heading.className = "figure";
  heading.textContent = name;
  line.append(heading);
  if (filters.length > 1) line.append(" ", setOf(name, null, count));
  for (const [filter, each] of filters) line.append(" ", setOf(name, filter, each));
  return line;
}

/**
 * @param {string} night
 * @param {string | null} filter null for all
 * @param {number} count
 */
function setOf(night, filter, count) {
  const link = document.createElement("a");
  const query = new URLSearchParams(filter === null ? { night } : { night, filter });
  Object.assign(link, { className: "set", href: `?${query}` });
  link.dataset.night = night;
  if (filter !== null) link.dataset.filter = filter;
  const figure = document.createElement("span");
  figure.className = "figure";
  figure.textContent = number(count);
  const rest = document.createElement("span");
  rest.className = "unseen";
  rest.textContent = `frames of ${night}`;
  link.append(filter === null ? "all" : filter || "no filter", " ", figure, " ", rest);
  return link;
}
