// @ts-check
/**
 * Keeps the times on a page current: "3 min ago", and how long something has been running. Writes
 * texts and names only where they have changed.
 */

import { ago, duration, exact } from "./wording.js";

let serverAhead = 0;
/** @type {number | null} when the server was lost, by its time */
let lostAt = null;

/** Return the server's time in Unix seconds, as nearly as it is known here. */
export function now() {
  return Date.now() / 1000 + serverAhead;
}

/** Return the last time for which it is known that what was running still ran. */
export function heardNow() {
  return lostAt ?? now();
}

/**
 * Stop counting how long something has been running while the server is lost, or go on.
 *
 * @param {boolean} lost
 */
export function holdDurations(lost) {
  lostAt = lost ? heardNow() : null;
  drawTimes(); // or what is shown would go on by one more second
}

/**
 * Keep all times of the page current from now on.
 *
 * @param {number} [serverNow] the server's time when it rendered the page
 */
export function keepTimes(serverNow) {
  if (serverNow) serverAhead = serverNow - (performance.timeOrigin + performance.now()) / 1000;
  setInterval(drawTimes, 1000);
}

/**
 * @param {HTMLTimeElement} element
 * @param {number} seconds
 */
export function setTime(element, seconds) {
  element.dateTime = new Date(seconds * 1000).toISOString();
  element.title = exact(seconds);
  setText(element, ago(seconds, now()));
}

/**
 * @param {HTMLElement} element
 * @param {number | null} from
 * @param {number | null} to
 */
export function setDuration(element, from, to) {
  element.dataset.from = String(from ?? "");
  element.dataset.to = String(to ?? "");
  drawDuration(element);
}

/**
 * @param {Node} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Show the name of a file so that it breaks into lines after its separators.
 *
 * @param {Element} place
 * @param {string} name
 */
export function setName(place, name) {
  if (place.textContent?.trim() === name) return;
  const pieces = name.split(/(?<=[_.-])(?=[^_.-])/);
  const nodes = pieces.flatMap((piece, index) => (index ? [document.createElement("wbr"), piece] : [piece]));
  place.replaceChildren(...nodes);
}

function drawTimes() {
  for (const element of document.querySelectorAll("time")) {
    setText(element, ago(Date.parse(element.dateTime) / 1000, now()));
  }
  for (const element of document.querySelectorAll("[data-from]")) {
    drawDuration(/** @type {HTMLElement} */ (element));
  }
}

/** @param {HTMLElement} element */
function drawDuration(element) {
  const { from, to } = element.dataset;
  setText(element, from ? duration((to ? Number(to) : heardNow()) - Number(from)) : "–");
}
