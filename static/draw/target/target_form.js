// @ts-check
/** Reads a target from the fields of its form, as the API takes it. */

import { ApiError } from "../../server/api.js";
import { degreesOf } from "./coordinates.js";

/**
 * @param {HTMLFormElement} form
 * @returns {Record<string, unknown>}
 * @throws {ApiError} as the server would answer it, for coordinates that cannot be read
 */
export function targetOf(form) {
  const fields = new FormData(form);
  const value = (/** @type {string} */ name) => String(fields.get(name) ?? "").trim();
  const [ra, dec] = [degreesOf(value("ra"), 15), degreesOf(value("dec"), 1)];
  /** @type {Record<string, string[]>} */
  const problems = {};
  if (Number.isNaN(ra)) problems.ra = ["Write it as 16:41:41.6 or in degrees, as 250.4233."];
  if (Number.isNaN(dec)) problems.dec = ["Write it as +36:27:41 or in degrees, as 36.4613."];
  if (Object.keys(problems).length) throw new ApiError(400, problems);
  const identifier = value("identifier");
  return {
    name: value("name"),
    ra,
    dec,
    ...(identifier ? { identifier } : {}),
    ...(fields.has("extra_fields") ? { extra_fields: extraFieldsOf(value("extra_fields")) } : {}),
  };
}

/**
 * Read the extra fields, one on each line. A value that is JSON is parsed, any other is text.
 *
 * @param {string} lines
 * @returns {Record<string, unknown>}
 */
function extraFieldsOf(lines) {
  const fields = lines.split("\n").filter((line) => line.trim()).map(extraFieldOf);
  return Object.fromEntries(fields);
}

/**
 * @param {string} line
 * @returns {[name: string, value: unknown]}
 */
function extraFieldOf(line) {
  const [, name, value] = /^([^:]*):?(.*)$/.exec(line) ?? ["", line, ""];
  if (!name.trim()) throw new ApiError(400, { extra_fields: [`Give “${line.trim()}” a name.`] });
  try {
    return [name.trim(), JSON.parse(value)];
  } catch {
    return [name.trim(), value.trim()];
  }
}
