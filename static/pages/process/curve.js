// @ts-check
/** The light curve that a process has measured, on its page. */

import { MOST_POINTS, pointsOf } from "../../draw/light_curve/points.js";
import { Plot } from "../../draw/light_curve/plot.js";
import { get } from "../../server/api.js";

/** A target may have many measurements of other processes: so many pages of them are looked at. */
const MOST_PAGES = 12;

/**
 * @param {HTMLElement} place
 * @param {any} record
 */
export async function drawCurve(place, record) {
  const rows = await rowsOf(record);
  const points = pointsOf(rows, "magnitude");
  // Not before: which controls there are, and so how high they are, depends on the points.
  new Plot(place).show({ quantity: "magnitude", time: "MJD", points, notes: [], calendar: true });
}

/**
 * Fetch what the process has measured.
 *
 * @param {any} record
 */
async function rowsOf(record) {
  /** @type {any[]} */
  const rows = [];
  let next = "";
  for (let page = 0; page < MOST_PAGES && rows.length < MOST_POINTS; page += 1) {
    const read = await get(`/api/targets/${record.target}/lightcurve/?limit=10000${next}`);
    rows.push(...read.lightcurve.filter((row) => row.process === record.pk));
    if (!read.next) break;
    next = `&before=${read.next}`;
  }
  return rows;
}
