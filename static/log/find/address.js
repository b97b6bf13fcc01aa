// @ts-check
/** The fields of the search in a log, as they stand in the address of the page: its link shares them. */

/** @typedef {{q: string, level: string, only: boolean}} SearchFields */

const LEVELS = ["info", "warning", "error"];
/** The longest text that can be searched for: an address has its limits. */
export const LONGEST_TEXT = 500;

/**
 * @param {string} query of an address, with its question mark
 * @returns {SearchFields} without what is not understood
 */
export function parseSearch(query) {
  const given = new URLSearchParams(query);
  const q = (given.get("q") ?? "").trim().slice(0, LONGEST_TEXT);
  const level = given.get("level") ?? "";
  return { q, level: LEVELS.includes(level) ? level : "", only: q !== "" && given.has("only") };
}

/**
 * @param {string} query the present one, of which everything else is kept
 * @param {SearchFields} fields
 * @returns {string} with its question mark, or nothing
 */
export function formatSearch(query, { q, level, only }) {
  const given = new URLSearchParams(query);
  for (const name of ["q", "level", "only"]) given.delete(name);
  if (q) given.set("q", q);
  if (level) given.set("level", level);
  if (q && only) given.set("only", "1");
  const text = given.toString();
  return text && `?${text}`;
}

/**
 * Return which lines are shown: those of a level, and those with the text if only they are wanted.
 *
 * @param {SearchFields} fields
 * @returns {import("./search.js").Query}
 */
export function shownBy({ q, level, only }) {
  return { q: only ? q : "", level };
}
