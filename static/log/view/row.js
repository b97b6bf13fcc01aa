// @ts-check
/** Draws one line of a log. Everything that a pipeline wrote goes in as text. */

import { exact, number } from "../../draw/wording.js";
import { folded, pieces } from "../ansi.js";

/** @typedef {import("../../server/log_feed.js").Entry} Entry */

/** Only the beginning of a longer line is drawn; copying and downloading give all of it. */
const DRAWN_CHARACTERS = 2000;

/**
 * Make an empty row.
 *
 * @returns {HTMLElement}
 */
export function makeRow() {
  const row = document.createElement("div");
  row.className = "line";
  const number = document.createElement("a");
  number.className = "no";
  number.tabIndex = -1;
  const time = document.createElement("span");
  time.className = "at";
  const text = document.createElement("span");
  text.className = "text";
  row.append(number, time, text);
  return row;
}

/**
 * @param {HTMLElement} row
 * @param {number} place
 * @param {Entry | undefined} entry undefined while it is being fetched
 * @param {{clock: (seconds: number) => string, query: string}} look
 */
export function drawRow(row, place, entry, look) {
  const [link, time, text] = /** @type {HTMLElement[]} */ ([...row.children]);
  row.dataset.number = String(place);
  row.dataset.level = entry?.[2] ?? "";
  link.textContent = String(place);
  link.setAttribute("href", `#L${place}`);
  link.setAttribute("aria-label", `Line ${place}`);
  time.textContent = entry ? look.clock(entry[1]) : "";
  time.title = entry ? exact(entry[1]) : "";
  if (entry) drawText(text, entry, look.query);
  else text.textContent = "";
}

/** @param {Entry | undefined} entry */
export function drawnLength(entry) {
  return entry ? Math.min(DRAWN_CHARACTERS + 20, folded(entry[3]).length) : 0;
}

/**
 * @param {HTMLElement} element
 * @param {Entry} entry
 * @param {string} query
 */
function drawText(element, entry, query) {
  const whole = entry[3];
  const beginning = whole.length > DRAWN_CHARACTERS ? folded(whole).slice(0, DRAWN_CHARACTERS) : whole;
  const parts = pieces(beginning);
  if (parts.length === 1 && !parts[0].classes && !query) element.textContent = parts[0].text;
  else element.replaceChildren(...marked(parts, query));
  const hidden = folded(whole).length - folded(beginning).length;
  if (hidden > 0) element.append(note(`… and ${number(hidden)} characters more`));
}

/**
 * @param {import("../ansi.js").Piece[]} parts
 * @param {string} query
 */
function marked(parts, query) {
  const hits = hitsIn(parts.map((part) => part.text).join(""), query);
  /** @type {Node[]} */
  const nodes = [];
  let at = 0;
  for (const part of parts) {
    for (const [text, hit] of cut(part.text, at, hits)) nodes.push(node(text, part.classes, hit));
    at += part.text.length;
  }
  return nodes;
}

/**
 * @param {string} text
 * @param {string} query
 * @returns {[from: number, to: number][]}
 */
function hitsIn(text, query) {
  /** @type {[number, number][]} */
  const hits = [];
  const [haystack, needle] = [text.toLowerCase(), query.toLowerCase()];
  if (!needle || haystack.length !== text.length) return hits;
  for (let at = haystack.indexOf(needle); at >= 0; at = haystack.indexOf(needle, at + needle.length)) {
    hits.push([at, at + needle.length]);
  }
  return hits;
}

/**
 * @param {string} text
 * @param {number} start where it is in the line
 * @param {[number, number][]} hits
 * @returns {[text: string, hit: boolean][]}
 */
function cut(text, start, hits) {
  /** @type {[string, boolean][]} */
  const found = [];
  let at = 0;
  for (const [from, to] of hits) {
    const [first, last] = [Math.max(at, from - start), Math.min(text.length, to - start)];
    if (last <= first) continue;
    found.push([text.slice(at, first), false], [text.slice(first, last), true]);
    at = last;
  }
  found.push([text.slice(at), false]);
  return found.filter(([part]) => part);
}

/**
 * @param {string} text
 * @param {string} classes
 * @param {boolean} hit
 */
function node(text, classes, hit) {
  if (!classes && !hit) return document.createTextNode(text);
  const element = document.createElement(hit ? "mark" : "span");
  element.className = classes;
  element.textContent = text;
  return element;
}

/** @param {string} words */
function note(words) {
  const element = document.createElement("span");
  element.className = "rest";
  element.textContent = words;
  return element;
}
