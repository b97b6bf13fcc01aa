// @ts-check
/** The lines that are chosen, by mouse or by keys: they stand in the address, and can be copied. */

import { copyText } from "../../draw/browser/clipboard.js";
import { part } from "../../draw/find.js";
import { messageOf, showProblem } from "../../draw/problems.js";
import { setText } from "../../draw/times.js";
import { counted, number } from "../../draw/wording.js";
import { seenText } from "../terminal/overwriting.js";
import { formatRange, parseRange, rangeOf } from "../range.js";
import { lineOf } from "./selected_text.js";

const MOST_COPIED_LINES = 100_000;

export class ChosenLines {
  /** Where choosing began, and where it is now. */
  #ends = { first: 0, last: 0 };
  /** The line of the address that the log does not have yet; 0 for none. */
  #awaited = 0;

  /**
   * @param {import("./view.js").LogView} view
   * @param {import("../lines.js").Lines} lines
   * @param {() => boolean} ended whether the log will have no further lines
   */
  constructor(view, lines, ended) {
    this.ended = ended;
    this.view = view;
    this.lines = lines;
    view.box.addEventListener("click", (event) => this.#clicked(event));
    view.box.addEventListener("keydown", (event) => this.#pressed(event));
    addEventListener("popstate", () => this.#readAddress());
    part("#copy").addEventListener("click", () => void this.copy());
    this.#readAddress();
  }

  /**
   * The log has grown or ended: go to the line that was waited for, once it is there.
   *
   * @param {boolean} ended
   */
  grown(ended) {
    if (!this.#awaited) return;
    if (this.lines.total < this.#awaited) return ended ? this.#drawAwaited(true) : undefined;
    const line = this.#awaited;
    this.#awaited = 0;
    this.#drawAwaited(ended);
    void this.view.goTo(line);
  }

  /** @param {boolean} ended */
  #drawAwaited(ended) {
    const place = part("#awaited");
    place.hidden = !this.#awaited;
    const has = `the log has ${counted(this.lines.total, "line")}`;
    const words = ended
      ? `There is no line ${number(this.#awaited)}: ${has}.`
      : `Line ${number(this.#awaited)} is not there yet: ${has} so far. It is shown when it comes.`;
    setText(place, this.#awaited ? words : "");
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
    this.#awaited = range && range.first > this.lines.total ? range.first : 0;
    this.grown(this.ended());
    this.#drawAwaited(this.ended());
    if (range && !this.#awaited) void this.view.goTo(range.first);
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
   * @param {boolean} [stepping] whether the same choice goes on, so that Back leaves all of it
   */
  #choose(first, last, stepping = false) {
    this.#ends = { first, last };
    this.#awaited = 0;
    this.#drawAwaited(this.ended());
    this.#show(first ? rangeOf(first, last) : null);
    const address = `${location.pathname}${location.search}${formatRange(this.view.chosen)}`;
    if (first && first === last && !stepping) history.pushState(null, "", address);
    else history.replaceState(null, "", address);
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
    } else if (event.key === "Escape" && (this.#ends.first || this.#awaited)) {
      this.#choose(0, 0);
    } else if (event.key === "c" && (event.ctrlKey || event.metaKey) && getSelection()?.isCollapsed) {
      void this.copy();
    }
  }

  /** @param {number} step */
  async #step(step) {
    const { first, last } = this.#ends;
    if (!first) {
      const line = this.view.anchor();
      if (line) this.#choose(line, line);
    } else {
      this.#choose(first, neighbour(this.view.source, last, step), true);
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
