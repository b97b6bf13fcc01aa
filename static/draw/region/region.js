// @ts-check
/** Replaces part of a page by what the server renders now; the server has escaped all text. */

import { morph } from "./morph.js";

/**
 * @param {string} id
 * @param {string} html the whole page
 */
export function swapRegion(id, html) {
  const fresh = regionOf(id, html);
  document.getElementById(id)?.replaceWith(fresh);
}

/**
 * @param {string} id
 * @param {string} html
 * @returns {HTMLElement}
 */
export function regionOf(id, html) {
  const found = new DOMParser().parseFromString(html, "text/html").getElementById(id);
  if (!found) throw new Error(`The page has no #${id}`);
  return document.adoptNode(found);
}

/**
 * Do the same, changing only what differs.
 *
 * @param {string} id
 * @param {string} html the whole page
 */
export function updateRegion(id, html) {
  const old = document.getElementById(id);
  if (old) morph(old, regionOf(id, html));
}
