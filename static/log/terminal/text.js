// @ts-check
/** One text as a terminal would show it, by itself. */

import { hasControls } from "./grammar.js";
import { Screen } from "./screen.js";
import { classesOf } from "./style.js";

/** @typedef {import("./screen.js").Piece} Piece */

/** Between rows of one text, where there is room for one. */
const ROW_BREAK = " ⏎ ";

/**
 * Return what a reader sees of a text, row by row.
 *
 * @param {string} text
 */
export function visibleText(text) {
  if (!hasControls(text)) return text;
  return text.split("\n").map((line) => visibleRows(line, 0).map((row) => row.text).join("\n")).join("\n");
}

/**
 * Cut a text into pieces of one style each.
 *
 * @param {string} text
 * @param {number} style the one in which it begins
 * @param {number} most how many characters
 * @returns {{pieces: Piece[], length: number}} `length` is that of all of it
 */
export function piecesOf(text, style, most) {
  if (!hasControls(text)) {
    const piece = { text: text.slice(0, most), classes: classesOf(style), href: "" };
    return { pieces: text ? [piece] : [], length: text.length };
  }
  const rows = visibleRows(text, style);
  const pieces = rows.flatMap((row, index) => {
    const parts = row.pieces(most);
    return index ? [{ text: ROW_BREAK, classes: "", href: "" }, ...parts] : parts;
  });
  return { pieces, length: Math.max(...rows.map((row) => row.characters.length), 0) };
}

/**
 * @param {string} text
 * @param {number} style
 */
function visibleRows(text, style) {
  const screen = new Screen(style, true);
  screen.feed(text);
  const rows = [...screen.rows].reverse();
  return rows.length === 1 ? rows : rows.filter((row) => row.text.trim());
}
