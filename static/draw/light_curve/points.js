// @ts-check
/** The points of a light curve, wherever they come from. */

/**
 * @typedef {object} Point
 * @property {number} time in days
 * @property {number} magnitude
 * @property {number | null} error
 * @property {string | null} filter
 */

/** More than these cannot be told apart in a plot. */
export const MOST_POINTS = 20_000;
