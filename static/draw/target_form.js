// @ts-check
/** What the fields of a target's form say, as the API takes it. */

import { degreesOf } from "./coordinates.js";
import { ApiError } from "../server/api.js";

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
  return { name: said("name"), ra, dec, ...(identifier ? { identifier } : {}) };
}
