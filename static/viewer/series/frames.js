// @ts-check
/** The frames of a series: those of the target of a frame, or of the run that made it, by time. */

import { get } from "../../server/api.js";

const PAGE = 1000;
/** Of a target with more data products, the newest are taken. */
const MOST_PAGES = 5;

/** Of a run that is seen by a link, so many outputs are looked at. */
const MOST_OUTPUTS = 60;

/**
 * @typedef {{pk: number, name: string, date: number | null, filter: string | null}} Frame
 * @typedef {{pk: number, target: number | null, process: number | null}} Shown
 */

/**
 * Return the frames in order of their observation, those without a date last.
 *
 * @param {Shown} shown the frame that is looked at; `target` is null for who may not see others of it
 * @returns {Promise<Frame[]>}
 */
export async function framesWith({ target, process }) {
  const products = target !== null ? await ofTarget(target) : process !== null ? await ofProcess(process) : [];
  return products
    .filter((product) => product.fits?.width && product.process === process)
    .map(({ pk, name, fits }) => ({ pk, name, date: fits.date, filter: fits.filter }))
    .sort((a, b) => (a.date ?? Infinity) - (b.date ?? Infinity) || a.pk - b.pk);
}

/**
 * @param {number} target
 * @returns {Promise<any[]>}
 */
async function ofTarget(target) {
  const found = [];
  let before = "";
  for (let page = 0; page < MOST_PAGES; page++) {
    const answer = await get(`/api/targets/${target}/dataproducts/?limit=${PAGE}${before}`);
    found.push(...answer.dataproducts);
    if (answer.next === null) break;
    before = `&before=${answer.next}`;
  }
  return found;
}

/**
 * @param {number} process
 * @returns {Promise<any[]>}
 */
async function ofProcess(process) {
  const { outputs } = await get(`/api/processes/${process}/`);
  return Promise.all(outputs.slice(0, MOST_OUTPUTS).map((/** @type {number} */ pk) => get(`/api/dataproducts/${pk}/`)));
}

/**
 * @param {Frame[]} frames
 * @param {number} pk
 */
export function neighbours(frames, pk) {
  const at = frames.findIndex((frame) => frame.pk === pk);
  return { before: frames[at - 1] ?? null, after: at < 0 ? null : frames[at + 1] ?? null };
}
