// @ts-check
/** Light curves: as the server read them from tables, by filters, folded with a period. */

import { counted, number } from "../wording.js";

/** @typedef {import("./points.js").Point} Point */

/**
 * Return the light curve that the server has read from a table.
 *
 * @param {any} read
 * @returns {import("./points.js").Curve}
 */
export function curveOf(read) {
  return {
    quantity: read.quantity,
    time: read.time,
    calendar: Boolean(read.mjd),
    points: read.points.map(([time, value, error, filter, limit]) => ({ time, value, error, filter, limit })),
    notes: notesOn(read),
  };
}

/** @param {any} read */
function notesOn({ count, step, left_out, cut }) {
  const notes = step > 1 ? [`Every ${ordinal(step)} of ${number(count)} points is drawn.`] : [];
  if (cut) notes.push("The table goes on; its later rows are not drawn.");
  return [...notes, ...sentencesOn(left_out)];
}

/**
 * Say which rows of a table gave no point, and why.
 *
 * @param {{reason: string, count: number, rows: number[]}[]} leftOut
 * @returns {string[]}
 */
export function sentencesOn(leftOut) {
  return leftOut.map(({ reason, count, rows }) => {
    const more = count > rows.length ? ", …" : "";
    return `Left out: ${reason} in ${counted(count, "row")} (${rows.join(", ")}${more}).`;
  });
}

/** @param {number} step */
export function ordinal(step) {
  const ending = { 1: "st", 2: "nd", 3: "rd" }[step % 10];
  return `${step}${ending && ![11, 12, 13].includes(step % 100) ? ending : "th"}`;
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
 * @param {boolean} [dates] whether time is in milliseconds of Unix time, not in MJD
 */
export function seriesOf(points, filters, period, dates = false) {
  const shown = dates ? unixOf : (/** @type {number} */ time) => time;
  const first = points.reduce((least, { time }) => Math.min(least, time), Infinity);
  // Each filter keeps its colour when others are hidden.
  return filtersOf(points).map((name, place) => ({ name, place })).filter(({ name }) => filters.has(name)).map(({ name, place }) => {
    const own = points.filter((point) => (point.filter ?? "") === name);
    const twice = period === null ? own : [...own, ...own];
    return {
      name,
      place,
      x: twice.map(({ time }, index) => (period === null ? shown(time) : phase(time - first, period) + (index < own.length ? 0 : 1))),
      y: twice.map(({ value }) => value),
      error: twice.map(({ error }) => error),
      limit: twice.map(({ limit }) => limit),
      number: twice.map(({ number: own }) => own ?? null),
      out: twice.map(({ out }) => Boolean(out)),
    };
  });
}

const [EPOCH_MJD, DAY_MS] = [40_587, 86_400_000];

/**
 * Return a time in MJD as milliseconds of Unix time.
 *
 * @param {number} time
 */
function unixOf(time) {
  return Math.round((time - EPOCH_MJD) * DAY_MS);
}

/**
 * Return a time in MJD as date and time of UTC.
 *
 * @param {number} time
 */
export function dateOf(time) {
  const date = new Date(unixOf(time));
  return Number.isNaN(date.getTime()) ? "" : date.toISOString().slice(0, 19).replace("T", " ");
}

/**
 * @param {number} elapsed
 * @param {number} period
 */
function phase(elapsed, period) {
  const turns = elapsed / period;
  return turns - Math.floor(turns);
}
