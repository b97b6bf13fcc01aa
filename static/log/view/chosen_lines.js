// @ts-check
/** The lines that are chosen, by mouse or by keys: they stand in the address, and can be copied. */

import { part } from "../../draw/find.js";
import { messageOf, showProblem } from "../../draw/problems.js";
import { counted } from "../../draw/wording.js";
import { seenText } from "../terminal/overwriting.js";
import { formatRange, parseRange, rangeOf } from "../range.js";
import { copyText } from "./copy.js";
import { lineOf } from "./selected_text.js";

const MOST_COPIED_LINES = 100_000;

export class ChosenLines {
  /** Where choosing began, and where it is now. */
  #ends = { first: 0, last: 0 };

  /**
   * @param {import("./view.js").LogView} view
   * @param {import("../lines.js").Lines} lines
   */
  constructor(view, lines) {
    this.view = view;
    this.lines = lines;
    view.box.addEventListener("click", (event) => this.#clicked(event));
    view.box.addEventListener("keydown", (event) => this.#pressed(event));
    addEventListener("hashchange", () => this.#readAddress());
    part("#copy").addEventListener("click", () => void this.copy());
    this.#readAddress();
  }

  async copy() {
    const range = this.view.chosen;
    if (!range) return;
    const last = Math.min(range.last, this.lines.total, range.first + MOST_COPIED_LINES - 1);
    try {
      await copyText(seenText(await this.lines.read(range.first, last)));
      part("#chosen-lines").textContent = `${counted(last - range.first + 1, "line")} copied`;
    } catch (error) {
      showProblem(part("#act-problem"), `Nothing copied: ${messageOf(error)}`);
    }
  }

  #readAddress() {
    const range = parseRange(location.hash);
    this.#ends = range ?? { first: 0, last: 0 };
    this.#show(range);
    if (range) void this.view.goTo(range.first);
  }

  /** @param {import("../range.js").Range | null} range */
  #show(range) {
    this.view.show({ chosen: range });
    part("#chosen-lines").textContent = range ? counted(range.last - range.first + 1, "line") : "";
    part("#copy").hidden = !range;
  }

  /**
   * @param {number} first 0 for none
   * @param {number} last
   */
  #choose(first, last) {
    this.#ends = { first, last };
    this.#show(first ? rangeOf(first, last) : null);
    history.replaceState(null, "", formatRange(this.view.chosen) || location.pathname);
  }

  /** @param {MouseEvent} event */
  #clicked(event) {
    const link = /** @type {Element} */ (event.target).closest("a.no");
    if (!link) return;
    event.preventDefault();
    const line = lineOf(this.view.box, link);
    const { first, last } = this.#ends;
    if (event.shiftKey && first) this.#choose(first, line);
    else if (first === line && last === line) this.#choose(0, 0);
    else this.#choose(line, line);
    this.view.follow(false);
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    const step = event.shiftKey ? ({ ArrowUp: -1, ArrowDown: 1 })[event.key] : undefined;
    if (step) {
      event.preventDefault();
      void this.#step(step);
    } else if (event.key === "Escape" && this.#ends.first) {
      this.#choose(0, 0);
    } else if (event.key === "c" && (event.ctrlKey || event.metaKey) && getSelection()?.isCollapsed) {
      void this.copy();
    }
  }

  /** @param {number} step */
  async #step(step) {
    const { first, last } = this.#ends;
    if (!first) {
      const line = this.view.anchor;
      if (line) this.#choose(line, line);
    } else {
      this.#choose(first, neighbour(this.view.source, last, step));
    }
    await this.view.goTo(this.#ends.last);
  }
}

/**
 * @param {import("./rows.js").RowSource} source
 * @param {number} line
 * @param {number} step 1 or -1
 * @returns {number} the line shown after or before it; itself at the ends
 */
function neighbour(source, line, step) {
  for (let row = source.rowOf(line) + step; row >= 1 && row <= source.length; row += step) {
    const { number, heading } = source.at(row);
    if (!heading) return number;
  }
  return line;
}
