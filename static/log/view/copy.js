// @ts-check
/** Copies lines of a log: the text alone, without numbers and times. */

import { plain } from "../ansi.js";

/** @typedef {import("../../server/log_feed.js").Entry} Entry */

/**
 * @param {Entry[]} lines
 * @returns {string} a text that did not end its line is followed by the next without a break
 */
export function textOf(lines) {
  return lines.map((line) => plain(line[3]) + (line[4] ? "" : "\n")).join("");
}

/** @param {string} text */
export async function copyText(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  copyByCommand(text);
}

/**
 * Copy where the browser has no `clipboard`: it has one for pages from a secure origin only.
 *
 * @param {string} text
 */
function copyByCommand(text) {
  const area = document.createElement("textarea");
  area.className = "unseen";
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}
