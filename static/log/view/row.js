// @ts-check
/** Draws one line of a log. Everything that a pipeline wrote goes in as text. */

import { exact, number } from "../../draw/wording.js";
import { piecesOf } from "../terminal/text.js";

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
 * @param {import("./rows.js").RowContent} content
 * @param {{clock: (seconds: number) => string, query: string}} look
 * @returns {number} how many columns are drawn
 */
export function drawRow(row, content, look) {
  const [link, time, text] = /** @type {HTMLElement[]} */ ([...row.children]);
  const { number: place, last } = content;
  const entry = content.row?.entry ?? content.entry;
  row.dataset.number = String(place);
  row.dataset.level = entry?.[2] ?? "";
  link.textContent = String(place);
  link.setAttribute("href", `#L${place}`);
  link.setAttribute("aria-label", last > place ? `Lines ${place} to ${last}` : `Line ${place}`);
  link.title = last > place ? `Lines ${number(place)} to ${number(last)}, each over the one before` : "";
  time.textContent = entry ? look.clock(entry[1]) : "";
  time.title = entry ? exact(entry[1]) : "";
  return drawText(text, content, look.query);
}

/**
 * @param {HTMLElement} element
 * @param {import("./rows.js").RowContent} content
 * @param {string} query
 * @returns {number} how many columns are drawn
 */
function drawText(element, { row, entry, style }, query) {
  const { pieces, length } = row
    ? { pieces: row.pieces(DRAWN_CHARACTERS), length: row.characters.length }
    : piecesOf(entry?.[3] ?? "", style, DRAWN_CHARACTERS);
  const [only] = pieces;
  if (!query && pieces.length <= 1 && !only?.classes && !only?.href) element.textContent = only?.text ?? "";
  else element.replaceChildren(...marked(pieces, query));
  const hidden = length - DRAWN_CHARACTERS;
  if (hidden > 0) element.append(note(`… and ${number(hidden)} characters more`));
  return Math.min(length, DRAWN_CHARACTERS + 20);
}

/**
 * @param {import("../terminal/screen.js").Piece[]} parts
 * @param {string} query
 */
function marked(parts, query) {
  const hits = hitsIn(parts.map((part) => part.text).join(""), query);
  /** @type {Node[]} */
  const nodes = [];
  let at = 0;
  for (const part of parts) {
    const inside = cut(part.text, at, hits).map(([text, hit]) => node(text, part.classes, hit));
    nodes.push(...(part.href ? [linkTo(part.href, inside)] : inside));
    at += part.text.length;
  }
  return nodes;
}

/**
 * @param {string} href
 * @param {Node[]} nodes
 */
function linkTo(href, nodes) {
  const link = document.createElement("a");
  link.href = link.title = href;
  link.target = "_blank";
  link.rel = "noopener noreferrer nofollow";
  link.append(...nodes);
  return link;
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
