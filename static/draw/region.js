// @ts-check
/** Takes a part of a page from a newer drawing of it by the server, which escapes every text. */

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
