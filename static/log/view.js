// @ts-check
/**
 * The log as a scrolled window on its lines: only the rows that are seen exist. Follows the end
 * until the reader scrolls up, and again when they are back at the end.
 */

import { Geometry } from "./geometry.js";
import { Rows } from "./rows.js";

const SPARE_ROWS = 15;
/** A selection of text keeps its rows alive while it is scrolled away, up to so many. */
const SELECTED_ROWS = 2000;
const SETTLE_MS = 200;

export class LogView {
  following = true;

  /** @type {import("./rows.js").Look} */
  #look = { clock: () => "", query: "", chosen: null, here: 0 };
  /** The `scrollTop` that we set last: scrolling to it was not the reader's doing. */
  #expected = 0;
  #lastSeen = 0;
  #frame = 0;
  #settling = 0;

  /**
   * @param {HTMLElement} box
   * @param {import("./lines.js").Lines} lines
   * @param {() => void} moved after following has changed, or lines came while it was off
   */
  constructor(box, lines, moved) {
    this.box = box;
    this.sheet = /** @type {HTMLElement} */ (box.firstElementChild);
    this.window = document.createElement("div");
    this.window.className = "window";
    this.lines = lines;
    this.rows = new Rows(this.window, lines);
    this.moved = moved;
    this.geometry = new Geometry(Number.parseFloat(getComputedStyle(box).lineHeight) || 20);
    box.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.draw()).observe(box);
  }

  /** How many lines came since following stopped. */
  get waiting() {
    return this.following ? 0 : Math.max(0, this.lines.total - this.#lastSeen);
  }

  get chosen() {
    return this.#look.chosen;
  }

  get here() {
    return this.#look.here;
  }

  /** Draw soon: something has changed. */
  draw() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  /** @param {Partial<import("./rows.js").Look>} look what is different from now on */
  show(look) {
    this.#look = { ...this.#look, ...look };
    this.draw();
  }

  /** @param {boolean} following */
  follow(following) {
    if (following === this.following) return;
    this.following = following;
    this.#lastSeen = this.lines.total;
    this.moved();
    this.draw();
  }

  /**
   * Bring a line into the middle, unless it is seen already.
   *
   * @param {number} number
   */
  goTo(number) {
    this.follow(false);
    this.#measure();
    const { firstVisible, lastVisible, viewport, rowHeight } = this.geometry;
    const seen = number > firstVisible && number < lastVisible - 1;
    if (!seen) this.#moveTo(this.geometry.topOf(number) - (viewport - rowHeight) / 2);
    this.draw();
  }

  /**
   * @param {Node | null} node
   * @returns {number} the number of the line that it is in, or 0
   */
  lineOf(node) {
    const element = node instanceof Element ? node : node?.parentElement;
    const row = element?.closest(".line");
    return row instanceof HTMLElement && this.box.contains(row) ? Number(row.dataset.number) : 0;
  }

  /** Whether what the server drew is still shown. */
  get #still() {
    return this.box.classList.contains("still");
  }

  #measure() {
    this.geometry.resize(this.lines.total, this.box.clientHeight);
  }

  #scrolled() {
    if (this.#still) return;
    this.#measure();
    const real = this.box.scrollTop;
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => this.#settle(), SETTLE_MS);
    if (Math.abs(real - this.#expected) <= 1) return;
    this.geometry.scrolled(real);
    this.#expected = real;
    this.follow(this.geometry.atBottom);
    this.draw();
  }

  /** After small scrolls the thumb is not quite where it belongs. */
  #settle() {
    if (!this.following) this.#moveTo(this.geometry.top);
    this.draw();
  }

  /** @param {number} top */
  #moveTo(top) {
    this.#expected = this.geometry.moveTo(top);
    this.#setHeight();
    if (Math.abs(this.box.scrollTop - this.#expected) > 1) this.box.scrollTop = this.#expected;
  }

  #setHeight() {
    const height = `${this.geometry.sheetHeight}px`;
    if (this.sheet.style.height !== height) this.sheet.style.height = height;
  }

  #draw() {
    this.#measure();
    if (!this.#takeOver()) return;
    this.#setHeight();
    if (this.following) this.#moveTo(this.geometry.bottom);
    const { first, last } = this.#span();
    this.lines.need(first, last);
    this.rows.draw(first, last, this.#look);
    this.#widen();
    this.window.style.transform = `translateY(${this.geometry.place(first)}px)`;
    if (!this.following) this.moved();
  }

  /** The server drew the last lines: they stay until ours are at hand. */
  #takeOver() {
    if (!this.#still) return true;
    const last = this.lines.total;
    if (last && this.following && !this.lines.get(last)) {
      const screenful = Math.ceil(this.geometry.viewport / this.geometry.rowHeight) + SPARE_ROWS;
      this.lines.need(Math.max(1, last - screenful), last);
      return false;
    }
    this.box.classList.remove("still");
    this.sheet.replaceChildren(this.window);
    this.#moveTo(this.geometry.top);
    return true;
  }

  #span() {
    let first = Math.max(1, this.geometry.firstVisible - SPARE_ROWS);
    let last = Math.min(this.lines.total, this.geometry.lastVisible + SPARE_ROWS);
    const selected = this.#selected();
    if (selected && last - selected.first < SELECTED_ROWS) first = Math.min(first, selected.first);
    if (selected && selected.last - first < SELECTED_ROWS) last = Math.max(last, selected.last);
    return { first, last };
  }

  #selected() {
    const selection = getSelection();
    if (!selection || selection.isCollapsed) return null;
    const ends = [selection.anchorNode, selection.focusNode].map((end) => this.lineOf(end));
    return ends.every(Boolean) ? { first: Math.min(...ends), last: Math.max(...ends) } : null;
  }

  /** The sheet is as wide as the longest line so far, so that it does not jump. */
  #widen() {
    this.box.style.setProperty("--longest", `${this.rows.longest}ch`);
    this.box.style.setProperty("--digits", `${Math.max(5, String(this.lines.total).length)}ch`);
  }
}
