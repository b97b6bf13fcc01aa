// @ts-check
/** Windows of FITS images as numbers, and what there is to know of an image. */

import { addressOf } from "./address.js";
import { ApiError, get, parsed } from "./api.js";

/** How often a window is asked for again that could not be read at the moment, and after how long. */
const TRIES = 3;
const PAUSE_MS = 1500;

/**
 * @typedef {{rows: number, columns: number, values: Float32Array}} Pixels rows from the bottom
 * @typedef {{index: number, name: string, kind: string, shape: number[]}} Hdu
 */

/**
 * @param {number} pk
 * @param {Record<string, string | number | null>} window the query; what is null is left out
 * @param {AbortSignal} [signal]
 * @returns {Promise<Pixels>}
 */
export async function getPixels(pk, window, signal) {
  for (let tries = 1; ; tries++) {
    const response = await answer(addressOf(`/dataproducts/${pk}/pixels?${queryOf(window)}`), signal);
    if (response.ok) {
      const [rows, columns] = (response.headers.get("X-Image-Shape") ?? "0,0").split(",").map(Number);
      return { rows, columns, values: new Float32Array(await response.arrayBuffer()) };
    }
    if (response.status !== 503 || tries === TRIES) {
      throw new ApiError(response.status, parsed(await response.text()));
    }
    await new Promise((done) => setTimeout(done, PAUSE_MS));
  }
}

/**
 * @param {number} pk
 * @param {number | null} hdu
 * @param {number} plane
 */
export function getImage(pk, hdu, plane) {
  return get(`/api/dataproducts/${pk}/image/?${queryOf({ hdu, plane: plane || null })}`);
}

/**
 * @param {string} address
 * @param {AbortSignal} [signal]
 */
async function answer(address, signal) {
  try {
    return await fetch(address, { signal });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, {});
  }
}

/** @param {Record<string, string | number | null>} values */
function queryOf(values) {
  const given = Object.entries(values).filter(([, value]) => value !== null);
  return new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
}
