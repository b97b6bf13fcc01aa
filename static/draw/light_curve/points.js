// @ts-check
/** The points of a light curve, wherever they come from. */

/**
 * @typedef {object} Point
 * @property {number} time in days
 * @property {number} value a magnitude or a flux
 * @property {number | null} error
 * @property {string | null} filter
 * @property {boolean} limit whether the object was fainter than that
 */

/**
 * @typedef {object} Curve
 * @property {"magnitude" | "flux"} quantity
 * @property {string} time what the time is
 * @property {Point[]} points
 * @property {string[]} notes what is to be said of them, in sentences
 */

/** More than these cannot be told apart in a plot. */
export const MOST_POINTS = 20_000;
