// @ts-check
/** Light curves: read from tables by the names of their columns, folded with a period. */

import { MOST_POINTS } from "./points.js";

/** @typedef {import("./points.js").Point} Point */

/** The names that tables give their columns, the most certain ones first. */
const NAMES = {
  time: [/^(bjd|hjd|mjd|jd)([ _-]?(tdb|utc|tt))?$/, /^(time|date|t|julian[ _]?date)$/, /^.*\b(bjd|hjd|mjd|jd)\b.*$/],
  magnitude: [/^mag(nitude)?$/, /^(calib(rated)?|app(arent)?|diff(erential)?|inst(rumental)?)[ _]?mag(nitude)?s?$/, /^mag(nitude)?[ _].*$/, /^.*[ _]mag(nitude)?$/],
  error: [/^(mag(nitude)?[ _]?)?(err(or)?|unc(ertainty)?|sigma)$/, /^e[ _]?mag$/, /^d[ _]?mag$/],
  filter: [/^(filter|filt|band|passband)$/],
};
const NOT_MAGNITUDES = /err|unc|sigma|^e_|^d_?mag/;

/**
 * Return the light curve that a table holds, if its head names a time and a magnitude.
 *
 * @param {string[][]} rows
 * @returns {{points: Point[], time: string} | null}
 */
export function lightCurveOf(rows) {
  const head = (rows[0] ?? []).map((name) => name.trim().toLowerCase().replace(/^#\s*/, ""));
  const at = {
    time: placeOf(head, NAMES.time),
    magnitude: placeOf(head.map((name) => (NOT_MAGNITUDES.test(name) ? "" : name)), NAMES.magnitude),
    error: placeOf(head, NAMES.error),
    filter: placeOf(head, NAMES.filter),
  };
  if (at.time < 0 || at.magnitude < 0) return null;
  const points = rows.slice(1, MOST_POINTS + 1).map((row) => ({
    time: numberIn(row[at.time]) ?? NaN,
    magnitude: numberIn(row[at.magnitude]) ?? NaN,
    error: numberIn(row[at.error]),
    filter: row[at.filter]?.trim() || null,
  }));
  const known = points.filter(({ time, magnitude }) => Number.isFinite(time) && Number.isFinite(magnitude));
  return known.length ? { points: known, time: rows[0][at.time].trim() } : null;
}

/**
 * @param {string[]} head
 * @param {RegExp[]} names
 */
function placeOf(head, names) {
  for (const name of names) {
    const place = head.findIndex((column) => name.test(column));
    if (place >= 0) return place;
  }
  return -1;
}

/** @param {string | undefined} text */
function numberIn(text) {
  const clean = text?.trim();
  return clean && Number.isFinite(Number(clean)) ? Number(clean) : null;
}

/**
 * Return the filters that the points were taken through, sorted.
 *
 * @param {Point[]} points
 */
export function filtersOf(points) {
  return [...new Set(points.map((point) => point.filter ?? ""))].sort();
}

/**
 * Return what to draw: a series for each filter, over time or over two phases of a period. Phase 0
 * is at the earliest point.
 *
 * @param {Point[]} points
 * @param {Set<string>} filters those to show
 * @param {number | null} period in days
 */
export function seriesOf(points, filters, period) {
  const first = points.reduce((least, { time }) => Math.min(least, time), Infinity);
  return filtersOf(points).filter((name) => filters.has(name)).map((name) => {
    const own = points.filter((point) => (point.filter ?? "") === name);
    const twice = period === null ? own : [...own, ...own];
    return {
      name,
      x: twice.map(({ time }, index) => (period === null ? time : phase(time - first, period) + (index < own.length ? 0 : 1))),
      y: twice.map(({ magnitude }) => magnitude),
      error: twice.map(({ error }) => error),
    };
  });
}

/**
 * @param {number} elapsed
 * @param {number} period
 */
function phase(elapsed, period) {
  const turns = elapsed / period;
  return turns - Math.floor(turns);
}
