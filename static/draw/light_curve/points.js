// @ts-check
/** The points of a light curve, wherever they come from. */

/**
 * @typedef {object} Point
 * @property {number} time in days
 * @property {number} value a magnitude or a flux
 * @property {number | null} error
 * @property {string | null} filter
 * @property {boolean} limit whether the object was fainter than that
 * @property {number} [number] that of the point in the light curve of its target
 * @property {boolean} [out] whether somebody has left it out
 * @property {boolean} [flux] whether the value is a flux
 */

/**
 * @typedef {object} Curve
 * @property {"magnitude" | "flux"} quantity
 * @property {string} time what the time is
 * @property {boolean} [calendar] whether the time is in MJD, so that it can be shown as dates
 * @property {Point[]} points
 * @property {string[]} notes what is to be said of them, in sentences
 */

/** More than these cannot be told apart in a plot. */
export const MOST_POINTS = 20_000;

/**
 * Return the points of one quantity among the rows of a light curve.
 *
 * @param {any[]} rows as the server tells them
 * @param {"magnitude" | "flux"} quantity
 * @returns {Point[]}
 */
export function pointsOf(rows, quantity) {
  return rows
    .filter((row) => typeof row[quantity] === "number")
    .map((row) => ({
      time: row.time,
      value: row[quantity],
      error: row.error,
      filter: row.filter,
      limit: Boolean(row.limit),
      number: row.number,
      out: Boolean(row.left_out),
      flux: quantity === "flux",
    }));
}
