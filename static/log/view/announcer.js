// @ts-check
/** Announces the newest line of a growing log to screen readers, less and less often if many come. */

import { counted } from "../../draw/wording.js";
import { visibleText } from "../terminal/text.js";

const FIRST_MS = 2000;
const LONGEST_MS = 64_000;
const SPOKEN_CHARACTERS = 200;

export class Announcer {
  #timer = 0;
  #pause = FIRST_MS;
  #count = 0;
  #newest = "";

  /** @param {HTMLElement} place a live region */
  constructor(place) {
    this.place = place;
  }

  /** @param {import("../../server/log_feed.js").Entry[]} fresh */
  lines(fresh) {
    this.#count += fresh.length;
    this.#newest = visibleText(fresh[fresh.length - 1][3]).slice(0, SPOKEN_CHARACTERS);
    this.#timer ||= setTimeout(() => this.#speak(), this.#pause);
  }

  #speak() {
    this.#timer = 0;
    if (!this.#count) {
      this.#pause = FIRST_MS;
      return;
    }
    const many = this.#count > 1 ? `${counted(this.#count, "new line")}. The last one: ` : "";
    this.place.textContent = many + this.#newest;
    this.#count = 0;
    this.#pause = Math.min(LONGEST_MS, this.#pause * 2);
    this.#timer = setTimeout(() => this.#speak(), this.#pause);
  }
}
