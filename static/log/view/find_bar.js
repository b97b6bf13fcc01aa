// @ts-check
/** The search field above a log and the choice of levels: hits, next and previous, and filtering. */

import { part } from "../../draw/find.js";
import { setText } from "../../draw/times.js";
import { counted, number } from "../../draw/wording.js";
import { formatSearch, LONGEST_TEXT, parseSearch, shownBy } from "../find/address.js";
import { LogSearch } from "../find/search.js";

/** @typedef {import("../find/address.js").SearchFields} SearchFields */

const TYPING_MS = 250;

export class FindBar {
  #timer = 0;
  /** @type {LogSearch | null} for the text */
  #search = null;
  /** The line from which to go to the first hit, until there is one; -1 for nowhere. */
  #goal = -1;
  /** Whether the newest entry of the history came by typing: going on changes it. */
  #typing = false;

  /**
   * @param {HTMLElement} bar
   * @param {import("../find/search.js").Searched} log
   * @param {import("./view.js").LogView} view
   * @param {import("../find/filter.js").LogFilter} filter
   * @param {(shown: import("../find/search.js").Query) => void} queried with what is shown from now on
   */
  constructor(bar, log, view, filter, queried) {
    this.input = /** @type {HTMLInputElement} */ (part("#find", bar));
    this.level = /** @type {HTMLSelectElement} */ (part("#level", bar));
    this.only = /** @type {HTMLButtonElement} */ (part("#only", bar));
    this.log = log;
    this.view = view;
    this.filter = filter;
    this.queried = queried;
    this.input.maxLength = LONGEST_TEXT;
    this.input.addEventListener("input", () => this.#typed());
    this.input.addEventListener("blur", () => (this.#typing = false));
    this.input.addEventListener("keydown", (event) => this.#pressed(event));
    this.level.addEventListener("change", () => this.#start());
    this.only.addEventListener("click", () => this.#toggleOnly());
    part("#find-next").addEventListener("click", () => void this.#step("next"));
    part("#find-previous").addEventListener("click", () => void this.#step("previous"));
    addEventListener("popstate", () => this.#readAddress());
    const early = this.input.value || this.level.value; // used before this script was loaded
    if (early) this.#start();
    else this.#readAddress();
  }

  /** @returns {SearchFields} */
  get #fields() {
    const q = this.input.value.trim();
    const only = q !== "" && this.only.getAttribute("aria-pressed") === "true";
    return { q, level: this.level.value, only };
  }

  /** Show how many hits there are and which one is in view; without a text, how many lines. */
  draw() {
    const q = this.input.value.trim();
    setText(part("#hits"), this.#search ? this.#hitCount(this.#search) : this.#lineCount());
    for (const name of ["#find-next", "#find-previous"]) {
      /** @type {HTMLButtonElement} */ (part(name)).disabled = !this.#search?.hits.length;
    }
    this.only.disabled = !q;
    drawProgress(this.#search, this.filter.matches?.search ?? null, this.log.total());
    if (this.#goal >= 0 && this.#search?.hits.length) void this.#goToFirst(this.#search);
  }

  /** The log has grown. */
  continue() {
    void this.#search?.continue();
  }

  /** @param {LogSearch} search */
  #hitCount(search) {
    const { hits, complete } = search;
    if (!hits.length) return complete ? "no hit" : search.searching ? "searching…" : "";
    const place = search.placeOf(this.view.here);
    return `${place ? `${number(place)} of ` : ""}${number(hits.length)}${complete ? "" : "+"}`;
  }

  #lineCount() {
    const search = this.filter.matches?.search;
    if (!search) return "";
    const { length } = search.hits;
    if (!length && !search.complete) return "searching…";
    return search.complete ? counted(length, "line") : `${number(length)}+ lines`;
  }

  /** @param {"next" | "previous"} side */
  async #step(side) {
    const search = this.#search;
    if (!search) return;
    const { here, firstLine, lastLine } = this.view;
    const from = here || (side === "next" ? firstLine - 1 : lastLine + 1);
    const line = await search[side](from).catch(() => 0); // called off, or no answer: stay
    if (search === this.#search) await this.#go(line);
  }

  /** @param {LogSearch} search */
  async #goToFirst(search) {
    const from = this.#goal;
    this.#goal = -1;
    await this.#go(search.hits[search.countUpTo(from - 1)] ?? search.hits[search.hits.length - 1]);
  }

  /** @param {number} line */
  async #go(line) {
    if (!line) return;
    this.view.show({ here: line });
    this.draw();
    await this.view.goTo(line);
  }

  #toggleOnly() {
    this.#press(this.only.getAttribute("aria-pressed") !== "true");
    this.#start();
  }

  /** @param {boolean} pressed */
  #press(pressed) {
    this.only.setAttribute("aria-pressed", String(pressed));
  }

  #typed() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#start(true), TYPING_MS);
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    if (event.key !== "Enter") return;
    event.preventDefault();
    if (this.input.value.trim() !== (this.#search?.query.q ?? "")) this.#start(true);
    else void this.#step(event.shiftKey ? "previous" : "next");
  }

  /** Search for what the fields say, and put it into the address. */
  #start(typing = false) {
    this.#writeAddress(typing);
    this.#searchBy(this.#fields, true);
  }

  /** @param {boolean} typing */
  #writeAddress(typing) {
    const query = formatSearch(location.search, this.#fields);
    const going = typing && this.#typing;
    this.#typing = typing;
    if (query === location.search) return;
    const address = `${location.pathname}${query}${location.hash}`;
    if (going) history.replaceState(null, "", address);
    else history.pushState(null, "", address);
  }

  #readAddress() {
    const fields = parseSearch(location.search);
    if (JSON.stringify(fields) === JSON.stringify(this.#fields)) return;
    this.input.value = fields.q;
    this.level.value = fields.level;
    this.#press(fields.only);
    this.#typing = false;
    this.#searchBy(fields, !location.hash);
  }

  /**
   * @param {SearchFields} fields
   * @param {boolean} go whether to go to the first hit
   */
  #searchBy(fields, go) {
    clearTimeout(this.#timer);
    const { view, filter } = this;
    const line = view.anchor() || view.chosen?.first || 0;
    const following = view.following;
    const from = following ? Infinity : view.here || view.firstLine;
    const query = { q: fields.q, level: fields.level };
    const before = this.#search;
    view.show({ query: fields.q, here: 0 });
    filter.set(shownBy(fields), line);
    if (before !== filter.matches?.search) before?.stop();
    this.#goal = fields.q && go ? from : -1;
    this.#search = fields.q ? this.#searchFor(query, fields.only, following ? 0 : from) : null;
    void this.#search?.continue();
    this.queried(shownBy(fields));
    this.draw();
  }

  /**
   * @param {import("../find/search.js").Query} query
   * @param {boolean} only whether the lines that are shown are the hits
   * @param {number} origin
   */
  #searchFor(query, only, origin) {
    if (only && this.filter.matches) return this.filter.matches.search;
    return new LogSearch(query, this.log, origin, (_, change) => {
      change();
      this.draw();
    });
  }
}

/**
 * Say how far a search has come while it works, or why it cannot go on.
 *
 * @param {LogSearch | null} hits
 * @param {LogSearch | null} filter
 * @param {number} total
 */
function drawProgress(hits, filter, total) {
  const busy = [filter, hits].find((search) => search && !search.complete && (search.searching || search.problem));
  const place = part("#searching");
  place.hidden = !busy;
  if (!busy) return;
  const { problem, searching, examined } = busy;
  const again = searching ? " Trying again …" : "";
  if (problem) setText(place, `The search stopped: ${problem}${again}`);
  else setText(place, `Searching … ${number(examined)} of ${counted(total, "line")}`);
}
