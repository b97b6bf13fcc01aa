// @ts-check
/**
 * Computes where lines are on a sheet taller than browsers can make one (Firefox ends at 17.8 million
 * pixels). Small scrolls move pixel by pixel; large ones, as with the scroll bar, in proportion.
 */

import { Heights } from "./heights.js";

const TALLEST_SHEET = 15_000_000;
const SMALL_SCROLL_SCREENS = 3;

export class Geometry {
  total = 0;
  viewport = 0;
  /** How far down the window is on a sheet of full height. */
  top = 0;
  heights = new Heights();
  #real = 0;

  /** @param {number} rowHeight */
  constructor(rowHeight) {
    this.rowHeight = rowHeight;
  }

  /** The sheet's height in the page. */
  get sheetHeight() {
    return Math.min(this.#height, TALLEST_SHEET);
  }

  /** The lowest `top`. */
  get bottom() {
    return Math.max(0, this.#height - this.viewport);
  }

  get firstVisible() {
    return this.#rowAt(this.top);
  }

  get lastVisible() {
    return Math.min(this.total, this.#rowAt(this.top + this.viewport - 1));
  }

  get atBottom() {
    return this.top >= this.bottom - this.rowHeight / 2;
  }

  get #height() {
    return this.total * this.rowHeight + this.heights.total;
  }

  /**
   * @param {number} total
   * @param {number} viewport
   */
  resize(total, viewport) {
    this.total = total;
    this.viewport = viewport;
    this.top = Math.min(this.top, this.bottom);
  }

  /**
   * Follow a scroll of the reader.
   *
   * @param {number} real the `scrollTop` of the element
   */
  scrolled(real) {
    const moved = real - this.#real;
    const lowest = this.sheetHeight - this.viewport;
    const inside = real > 0 && real < lowest;
    const small = inside && Math.abs(moved) < this.viewport * SMALL_SCROLL_SCREENS;
    const scaled = lowest > 0 ? (real / lowest) * this.bottom : 0;
    const exact = this.#height === this.sheetHeight ? real : scaled;
    this.top = clamp(small ? this.top + moved : exact, 0, this.bottom);
    this.#real = real;
  }

  /**
   * Move the window.
   *
   * @param {number} top
   * @returns {number} the `scrollTop` to set
   */
  moveTo(top) {
    this.top = clamp(top, 0, this.bottom);
    const lowest = Math.max(0, this.sheetHeight - this.viewport);
    this.#real = this.bottom > 0 ? (this.top / this.bottom) * lowest : 0;
    return this.#real;
  }

  /**
   * Return where a line lies on the sheet in the page.
   *
   * @param {number} number
   */
  place(number) {
    return this.topOf(number) - (this.top - this.#real);
  }

  /** @param {number} number */
  topOf(number) {
    return (number - 1) * this.rowHeight + this.heights.before(number);
  }

  /** @param {number} height on a sheet of full height */
  #rowAt(height) {
    if (!this.heights.total) return Math.floor(height / this.rowHeight) + 1;
    let [low, high] = [1, Math.max(1, this.total)];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.topOf(middle) <= height) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/**
 * @param {number} value
 * @param {number} least
 * @param {number} most
 */
function clamp(value, least, most) {
  return Math.min(most, Math.max(least, value));
}
