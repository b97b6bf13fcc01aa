// @ts-check
/**
 * Prints a log: not the screenful that exists in the page, but its lines from the first one on, up to
 * a bound that is said.
 */

import { part } from "../../draw/find.js";
import { messageOf, showProblem } from "../../draw/problems.js";
import { exact, number } from "../../draw/wording.js";
import { visibleText } from "../../log/terminal/text.js";
import { getLines, getLinesNow, logFileUrl } from "../../server/log_feed.js";

/** @typedef {import("../../server/log_feed.js").Entry} Entry */
/** @typedef {import("../../log/find/search.js").Query} Query */

const PRINTED_LINES = 20_000;
/** Browsers lay out many short texts faster than a long one. */
const CHUNK_LINES = 500;

/**
 * @param {number} pk of the process
 * @param {import("../../log/lines.js").Lines} lines
 * @param {() => Query} shown which lines are shown
 */
export function offerPrinting(pk, lines, shown) {
  let ready = false;
  const print = async () => {
    try {
      const printed = new Printed(pk, shown());
      while (printed.wantsMore) printed.take(await getLines(pk, printed.query));
      printed.draw(lines.total);
      ready = true;
      window.print();
    } catch (error) {
      showProblem(part("#act-problem"), `Nothing printed: ${messageOf(error)}`);
    }
  };
  part("#print").addEventListener("click", () => void print());
  addEventListener("keydown", (event) => {
    if (event.key !== "p" || !(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey) return;
    event.preventDefault();
    void print();
  });
  // From the menu of the browser: there is only this moment to get the lines.
  addEventListener("beforeprint", () => {
    if (ready || document.body.classList.contains("sheet-only")) return;
    const printed = new Printed(pk, shown());
    try {
      while (printed.wantsMore) printed.take(getLinesNow(pk, printed.query));
    } catch {
      // What has come is printed, and that it is not all.
    }
    printed.draw(lines.total);
  });
  addEventListener("afterprint", () => {
    ready = false;
    part("#printed").replaceChildren();
  });
}

class Printed {
  /** @type {Entry[]} */
  #lines = [];
  #examined = 0;
  #complete = false;

  /**
   * @param {number} pk
   * @param {Query} shown
   */
  constructor(pk, shown) {
    this.pk = pk;
    this.shown = shown;
  }

  get wantsMore() {
    return !this.#complete && this.#lines.length < PRINTED_LINES;
  }

  get query() {
    return { ...this.shown, after: this.#examined, limit: PRINTED_LINES - this.#lines.length };
  }

  /** @param {{lines: Entry[], next: number, ended: boolean}} page */
  take(page) {
    for (const line of page.lines) this.#lines.push(line);
    this.#complete = page.ended || page.next <= this.#examined;
    this.#examined = page.next;
  }

  /** @param {number} total how many lines the log has */
  draw(total) {
    const chunks = [];
    for (let at = 0; at < this.#lines.length; at += CHUNK_LINES) {
      const chunk = document.createElement("div");
      chunk.textContent = this.#lines.slice(at, at + CHUNK_LINES).map(lineText).join("\n");
      chunks.push(chunk);
    }
    part("#printed").replaceChildren(this.#note(total), ...chunks, this.#note(total));
  }

  /** @param {number} total */
  #note(total) {
    const note = document.createElement("p");
    note.textContent = `${this.#extent(total)} Times are UTC.`;
    return note;
  }

  /** @param {number} total */
  #extent(total) {
    const { q, level } = this.shown;
    const only = [level && `of level ${level} and up`, q && `with “${visibleText(q)}”`].filter(Boolean).join(" ");
    const count = number(this.#lines.length);
    const all = this.#complete || (!only && this.#lines.length >= total);
    if (all) return only ? `The ${count} lines ${only}, of ${number(total)} lines.` : `All ${count} lines.`;
    const first = only ? `The first ${count} lines ${only}` : `The first ${count} of ${number(total)} lines`;
    return `${first}; download the rest: ${new URL(logFileUrl(this.pk, this.shown), location.href)}`;
  }
}

/** @param {Entry} line */
function lineText([number, time, level, text]) {
  const grave = level === "error" || level === "warning" ? `${level.toUpperCase()} ` : "";
  return `${String(number).padStart(6)}  ${exact(time).slice(11, 19)}  ${grave}${visibleText(text)}`;
}
