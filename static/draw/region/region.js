// @ts-check
/** Replaces part of a page by what the server renders now; the server has escaped all text. */

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
