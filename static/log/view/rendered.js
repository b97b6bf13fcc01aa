// @ts-check
/** The lines that came with the page: shown until the same ones are loaded, so that nothing flickers. */

import { part, parts } from "../../draw/find.js";
import { SPARE_ROWS } from "./rows.js";

export class RenderedLines {
  /** Whether the reader has left the end. */
  #away = false;

  /**
   * @param {HTMLElement} box
   * @param {HTMLElement} window what takes their place
   */
  constructor(box, window) {
    this.box = box;
    this.window = window;
  }

  get shown() {
    return this.box.classList.contains("still");
  }

  /** Where the reader has scrolled to, in pixels from the top of the view to a line; null at the end. */
  get read() {
    if (!this.shown || this.box.scrollTop > -1) return null; // they are laid out from the end
    const top = this.box.getBoundingClientRect().top + this.box.clientTop;
    const line = parts(".line", this.box).find((each) => each.getBoundingClientRect().bottom > top);
    if (!line) return null;
    return { line: Number(part(".no", line).textContent), top: line.getBoundingClientRect().top - top };
  }

  /** Return whether to follow the end from now on, if the reader has left it or come back to it; else null. */
  scrolled() {
    const away = this.read !== null;
    if (away === this.#away) return null;
    this.#away = away;
    return !away;
  }

  /** Scroll to the end. */
  toEnd() {
    this.box.scrollTop = 0;
    this.#away = false;
  }

  /**
   * Let the rows take their place, as soon as those that are to be seen can be drawn.
   *
   * @param {import("./rows.js").RowSource} source
   * @param {import("../geometry.js").Geometry} geometry
   * @param {boolean} following whether the last lines are to be seen
   * @returns {number | null} where the window is to be then; null while they stay
   */
  giveWay(source, geometry, following) {
    const { read } = this;
    const screenful = Math.ceil(geometry.viewport / geometry.rowHeight) + SPARE_ROWS;
    const first = read ? source.rowOf(read.line) : source.length - screenful;
    const last = Math.min(first + screenful, source.length);
    if (last && (read || following) && !areReady(source, Math.max(1, first), last)) return null;
    this.box.classList.remove("still");
    this.box.firstElementChild?.replaceChildren(this.window);
    return read ? geometry.topOf(source.rowOf(read.line)) - read.top : geometry.top;
  }
}

/**
 * Return whether rows can be drawn; fetch those that cannot.
 *
 * @param {import("./rows.js").RowSource} source
 * @param {number} first
 * @param {number} last
 */
function areReady(source, first, last) {
  for (let row = first; row <= last; row++) {
    const { entry, heading } = source.at(row);
    if (entry || heading) continue;
    source.need(first, last);
    return false;
  }
  return true;
}
