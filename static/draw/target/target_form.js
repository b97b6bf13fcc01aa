// @ts-check
/** Reads a target from the fields of its form, as the API takes it. */

import { ApiError } from "../../server/api.js";
import { degreesOf } from "./coordinates.js";

/** What the server takes, too (`IDENTIFIER_PATTERN`); said at once with all else that is wrong. */
const IDENTIFIER = /^[a-z0-9][a-z0-9_-]{0,49}$/;

/**
 * @param {HTMLFormElement} form
 * @returns {Record<string, unknown>}
 * @throws {ApiError} as the server would answer it, with all that is wrong
 */
export function targetOf(form) {
  const fields = new FormData(form);
  const value = (/** @type {string} */ name) => String(fields.get(name) ?? "").trim();
  const [ra, dec] = [degreesOf(value("ra"), 15), degreesOf(value("dec"), 1)];
  /** @type {Record<string, string[]>} */
  const problems = {};
  if (!value("name")) problems.name = ["Give it a name."];
  if (Number.isNaN(ra)) problems.ra = ["Write it as 16:41:41.6 or in degrees, as 250.4233."];
  else if (ra !== null && !(ra >= 0 && ra < 360)) problems.ra = ["It is from 0 to below 360 degrees (24 hours)."];
  if (Number.isNaN(dec)) problems.dec = ["Write it as +36:27:41 or in degrees, as 36.4613."];
  else if (dec !== null && Math.abs(dec) > 90) problems.dec = ["It is from -90 to 90 degrees."];
  const identifier = value("identifier");
  if (identifier && !IDENTIFIER.test(identifier)) {
    problems.identifier = ["It has up to 50 characters of a-z, 0-9, _ and -, the first a letter or digit."];
  }
  const extra = fields.has("extra_fields") ? { extra_fields: extraFieldsOf(value("extra_fields"), problems) } : {};
  if (Object.keys(problems).length) throw new ApiError(400, problems);
  return {
    name: value("name"),
    ra,
    dec,
    ...(identifier ? { identifier } : {}),
    ...extra,
  };
}

/**
 * Read the extra fields, one on each line. A value that is JSON is parsed, any other is text.
 *
 * @param {string} lines
 * @param {Record<string, string[]>} problems gets what is wrong with them
 * @returns {Record<string, unknown>}
 */
function extraFieldsOf(lines, problems) {
  const fields = lines.split("\n").filter((line) => line.trim()).map(extraFieldOf);
  const nameless = fields.filter(([name]) => !name);
  if (nameless.length) problems.extra_fields = nameless.map(([, text]) => `Give “${text}” a name.`);
  return Object.fromEntries(fields);
}

/**
 * @param {string} line
 * @returns {[name: string, value: unknown]}
 */
function extraFieldOf(line) {
  const [, name, value] = /^([^:]*):?(.*)$/.exec(line) ?? ["", line, ""];
  if (!name.trim()) return ["", line.trim()];
  try {
    return [name.trim(), JSON.parse(value)];
  } catch {
    return [name.trim(), value.trim()];
  }
}
