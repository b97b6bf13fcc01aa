// @ts-check
/** What a reader looks for in a log, as it stands in the address of the page: shared by its link. */

/** @typedef {{q: string, level: string, only: boolean}} Sought */

const LEVELS = ["info", "warning", "error"];
/** No longer text can be looked for: an address has its limits. */
export const LONGEST_TEXT = 500;

/**
 * @param {string} query of an address, with its question mark
 * @returns {Sought} what is not understood is left out
 */
export function parseSought(query) {
  const given = new URLSearchParams(query);
  const q = (given.get("q") ?? "").trim().slice(0, LONGEST_TEXT);
  const level = given.get("level") ?? "";
  return { q, level: LEVELS.includes(level) ? level : "", only: q !== "" && given.has("only") };
}

/**
 * @param {string} query the present one: what else it says stays
 * @param {Sought} sought
 * @returns {string} with its question mark, or nothing
 */
export function formatSought(query, { q, level, only }) {
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
 * @param {Sought} sought
 * @returns {import("./search.js").Query}
 */
export function shownBy({ q, level, only }) {
  return { q: only ? q : "", level };
}
