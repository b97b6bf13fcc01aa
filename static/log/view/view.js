// @ts-check
/**
 * The log as a scrolled window on its rows: only those in view exist. Follows the end until the
 * reader scrolls up, and again once they are back at the end.
 */

import { Geometry } from "../geometry.js";
import { RenderedLines } from "./rendered.js";
import { contentsOf, Rows, rowsAround, widen } from "./rows.js";
import { selectedLines, withSelection } from "./selected_text.js";
import { changeRows, takeHeights } from "./wrapping.js";

/** @typedef {import("./rows.js").RowSource} RowSource */

const SETTLE_MS = 200;

export class LogView {
  following = true;

  /** @type {import("./rows.js").Look} */
  #look = { clock: () => "", query: "", chosen: null, here: 0 };
  /** The `scrollTop` that was set here last: scrolling to it was not the reader's doing. */
  #expected = 0;
  #lastSeen = 0;
  #frame = 0;
  #settling = 0;
  /** The row that was gone to, until the reader scrolls; 0 for none. */
  #held = 0;
  #width = 0;

  /**
   * @param {HTMLElement} box
   * @param {RowSource} source
   * @param {() => void} moved after following has changed, or lines came while it was off
   */
  constructor(box, source, moved) {
    this.box = box;
    this.sheet = /** @type {HTMLElement} */ (box.firstElementChild);
    this.window = document.createElement("div");
    this.window.className = "window";
    this.source = source;
    this.rows = new Rows(this.window);
    this.rendered = new RenderedLines(box, this.window);
    this.moved = moved;
    this.geometry = new Geometry(Number.parseFloat(getComputedStyle(box).lineHeight) || 20);
    box.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.#resized()).observe(box);
  }

  /** How many lines came since following stopped. */
  get waiting() {
    return this.following ? 0 : Math.max(0, this.source.lineCount - this.#lastSeen);
  }

  get chosen() {
    return this.#look.chosen;
  }

  get here() {
    return this.#look.here;
  }

  /** The number of the first line in view; 0 without lines. */
  get firstLine() {
    return this.#lineAt(this.geometry.firstVisible);
  }

  get lastLine() {
    return this.#lineAt(this.geometry.lastVisible);
  }

  /** Return the line that the reader is most likely looking at. */
  anchor() {
    this.#takeScroll();
    const { here, chosen } = this.#look;
    const likely = here || chosen?.first || 0;
    return likely >= this.firstLine && likely <= this.lastLine ? likely : this.firstLine;
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

  get wrapping() {
    return this.box.classList.contains("wrap");
  }

  /** @param {boolean} wrapping */
  wrap(wrapping) {
    this.keep(() => this.box.classList.toggle("wrap", wrapping), this.anchor());
  }

  /** @param {boolean} following */
  follow(following) {
    if (following === this.following) return;
    if (following && this.rendered.shown) this.rendered.toEnd();
    this.following = following;
    this.#lastSeen = this.source.lineCount;
    this.moved();
    this.draw();
  }

  /**
   * Bring a line into the middle, unless it is in view already.
   *
   * @param {number} number
   */
  async goTo(number) {
    this.follow(false);
    await this.source.reach(number);
    this.#measure();
    const row = this.source.rowOf(number);
    const { firstVisible, lastVisible, viewport, rowHeight } = this.geometry;
    const inView = row > firstVisible && row < lastVisible - 1;
    if (!inView) this.#moveTo(this.geometry.topOf(row) - (viewport - rowHeight) / 2);
    if (this.rendered.shown) this.rendered.toEnd();
    this.#held = row;
    this.draw();
  }

  /**
   * Change which rows there are, while the line in view stays where it is.
   *
   * @param {() => void} change
   * @param {number} [kept] the one to keep in place
   */
  keep(change, kept) {
    this.#takeScroll();
    const line = kept ?? this.firstLine;
    const row = () => this.source.rowOf(line);
    const before = this.geometry.top - this.geometry.topOf(row());
    changeRows(this.geometry, row, change);
    this.#held = 0;
    this.#measure();
    if (!this.following && line && !this.rendered.read) this.#moveTo(this.geometry.topOf(row()) + before);
    this.draw();
  }

  /**
   * Show other rows, with the same line in view.
   *
   * @param {RowSource} source
   * @param {number} line
   */
  use(source, line) {
    this.keep(() => {
      this.source = source;
      this.#lastSeen = source.lineCount;
    }, line);
  }

  /** @param {number} row */
  #lineAt(row) {
    const { length } = this.source;
    return length ? this.source.at(Math.min(Math.max(1, row), length)).number : 0;
  }

  #measure() {
    this.geometry.resize(this.source.length, this.box.clientHeight);
  }

  #resized() {
    const width = this.box.clientWidth;
    if (this.wrapping && width !== this.#width) this.keep(() => {});
    this.#width = width;
    this.draw();
  }

  #scrolled() {
    this.#takeScroll();
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => this.#settle(), SETTLE_MS);
  }

  /** Take in where the reader has scrolled to, which the browser reports only with the next frame. */
  #takeScroll() {
    if (this.rendered.shown) return this.follow(this.rendered.scrolled() ?? this.following);
    if (!this.box.clientHeight) return;
    this.#measure();
    const real = this.box.scrollTop;
    if (Math.abs(real - this.#expected) <= 1) return;
    this.geometry.scrolled(real);
    this.#held = 0;
    this.#expected = real;
    this.follow(this.geometry.atBottom);
    this.draw();
  }

  /** Put the scroll bar where it belongs: after small scrolls it is slightly off. */
  #settle() {
    if (this.rendered.shown || Math.abs(this.box.scrollTop - this.#expected) > 1) return; // still scrolling
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
    this.source.need(first, last);
    const contents = contentsOf(this.source, first, last);
    this.rows.draw(contents, this.#look);
    if (this.wrapping && takeHeights(this.geometry, this.rows, contents, first, this.#held)) {
      this.#moveTo(this.following ? this.geometry.bottom : this.geometry.top);
      this.draw();
    }
    widen(this.box, this.rows, this.#lineAt(this.source.length));
    this.window.style.transform = `translateY(${this.geometry.place(first)}px)`;
    if (!this.following) this.moved();
  }

  /** Replace the lines that the server rendered, once the same ones are loaded here. */
  #takeOver() {
    if (!this.rendered.shown) return true;
    this.#takeScroll();
    const top = this.rendered.giveWay(this.source, this.geometry, this.following);
    if (top === null) return false;
    this.#moveTo(top);
    return true;
  }

  #span() {
    const selected = selectedLines(this.box).map((line) => this.source.rowOf(line));
    return withSelection(rowsAround(this.geometry, this.source.length), selected);
  }
}
