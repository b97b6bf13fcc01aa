// @ts-check
/** Draws the heading of a section of a log, with the button that folds it. */

import { setDuration } from "../../draw/times.js";
import { counted, duration } from "../../draw/wording.js";
import { visibleText } from "../terminal/text.js";

/**
 * `end` is null while the section goes on.
 *
 * @typedef {{title: string, time: number, end: number | null, folded: boolean, lines: number}} Heading
 */

/** A shorter section is given to a tenth of a second. */
const SHORT_SECONDS = 10;

/**
 * Make an empty heading.
 *
 * @returns {HTMLElement}
 */
export function makeHeading() {
  const row = document.createElement("h3");
  row.className = "section";
  const button = document.createElement("button");
  const [at, title, took, lines] = ["at", "title", "took", "lines"].map((name) => {
    const part = document.createElement("span");
    part.className = name;
    return part;
  });
  button.append(at, title, took, lines);
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
  const [at, title, took, lines] = [...button.children];
  row.dataset.section = String(number);
  button.setAttribute("aria-expanded", String(!heading.folded));
  at.textContent = clock(heading.time);
  title.textContent = visibleText(heading.title);
  drawDuration(/** @type {HTMLElement} */ (took), heading);
  lines.textContent = heading.folded ? counted(heading.lines, "line") : "";
}

/**
 * @param {HTMLElement} place
 * @param {Heading} heading
 */
function drawDuration(place, { time, end }) {
  if (end === null) return setDuration(place, time, null); // it is kept up to date from then on
  delete place.dataset.from;
  const seconds = Math.max(0, end - time);
  place.textContent = seconds < SHORT_SECONDS ? `${seconds.toFixed(1)} s` : duration(seconds);
}
