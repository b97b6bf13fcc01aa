// @ts-check
/** The lines that came with the page: shown until the same ones are loaded, so that nothing flickers. */

import { part, parts } from "../../draw/find.js";

/** How many rows are drawn above and below the view. */
export const SPARE_ROWS = 15;

export class RenderedLines {
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
    const last = read ? Math.min(first + screenful, source.length) : source.length;
    if (last && (read || following) && !isReady(source, last)) {
      source.need(Math.max(1, first), last);
      return null;
    }
    this.box.classList.remove("still");
    this.box.firstElementChild?.replaceChildren(this.window);
    return read ? geometry.topOf(source.rowOf(read.line)) - read.top : geometry.top;
  }
}

/**
 * @param {import("./rows.js").RowSource} source
 * @param {number} row
 */
function isReady(source, row) {
  const { entry, heading } = source.at(row);
  return Boolean(entry ?? heading);
}
