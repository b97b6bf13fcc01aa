// @ts-check
/** What the fields of a target's form say, as the API takes it. */

import { ApiError } from "../../server/api.js";
import { degreesOf } from "./coordinates.js";

/**
 * @param {HTMLFormElement} form
 * @returns {Record<string, unknown>}
 * @throws {ApiError} in the server's own form, for coordinates that cannot be read
 */
export function targetOf(form) {
  const fields = new FormData(form);
  const said = (/** @type {string} */ name) => String(fields.get(name) ?? "").trim();
  const [ra, dec] = [degreesOf(said("ra"), 15), degreesOf(said("dec"), 1)];
  /** @type {Record<string, string[]>} */
  const problems = {};
  if (Number.isNaN(ra)) problems.ra = ["Write it as 16:41:41.6 or in degrees, as 250.4233."];
  if (Number.isNaN(dec)) problems.dec = ["Write it as +36:27:41 or in degrees, as 36.4613."];
  if (Object.keys(problems).length) throw new ApiError(400, problems);
  const identifier = said("identifier");
  return {
    name: said("name"),
    ra,
    dec,
    ...(identifier ? { identifier } : {}),
    ...(fields.has("extra_fields") ? { extra_fields: factsOf(said("extra_fields")) } : {}),
  };
}

/**
 * Further facts, one a line. Values that are JSON are taken as such, all others as text.
 *
 * @param {string} lines
 * @returns {Record<string, unknown>}
 */
function factsOf(lines) {
  const facts = lines.split("\n").filter((line) => line.trim()).map(factOf);
  return Object.fromEntries(facts);
}

/**
 * @param {string} line
 * @returns {[name: string, value: unknown]}
 */
function factOf(line) {
  const [, name, value] = /^([^:]*):?(.*)$/.exec(line) ?? ["", line, ""];
  if (!name.trim()) throw new ApiError(400, { extra_fields: [`Give “${line.trim()}” a name.`] });
  try {
    return [name.trim(), JSON.parse(value)];
  } catch {
    return [name.trim(), value.trim()];
  }
}
