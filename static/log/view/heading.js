// @ts-check
/** Draws the heading of a section of a log, with the button that folds it. */

import { counted } from "../../draw/wording.js";

/** @typedef {{title: string, time: number, folded: boolean, lines: number}} Heading */

/**
 * Make an empty heading.
 *
 * @returns {HTMLElement}
 */
export function makeHeading() {
  const row = document.createElement("h3");
  row.className = "section";
  const button = document.createElement("button");
  const [at, title, lines] = ["at", "title", "lines"].map((name) => {
    const part = document.createElement("span");
    part.className = name;
    return part;
  });
  button.append(at, title, lines);
  row.append(button);
  return row;
}

/**
 * @param {HTMLElement} row
 * @param {number} number the first line of the section
 * @param {Heading} heading
 * @param {(seconds: number) => string} clock
 */
export function drawHeading(row, number, heading, clock) {
  const button = /** @type {HTMLElement} */ (row.firstElementChild);
  const [at, title, lines] = [...button.children];
  row.dataset.section = String(number);
  button.setAttribute("aria-expanded", String(!heading.folded));
  at.textContent = clock(heading.time);
  title.textContent = heading.title;
  lines.textContent = heading.folded ? counted(heading.lines, "line") : "";
}
