// @ts-check
/**
 * Turns a part of a page into what the server renders now, changing only what differs: so the focus,
 * the reader's choices, pictures that are loaded and the place on the page stay.
 */

import { keepFocus } from "./focus.js";
import { regionOf } from "./region.js";

/** What belongs to the reader, or is kept by other scripts. */
const KEPT = new Set(["open"]);

/**
 * Turn a part of the page, by its `id`, into what the server renders now.
 *
 * @param {string} id
 * @param {string} html the whole page
 */
export function updateRegion(id, html) {
  const old = document.getElementById(id);
  if (old) keepFocus(() => morph(old, regionOf(id, html)));
}

/**
 * @param {Element} old
 * @param {Element} fresh of the same kind
 */
function morph(old, fresh) {
  morphAttributes(old, fresh);
  // The words of a time, and of anything that counts, are drawn again every second.
  const same = old instanceof HTMLTimeElement && old.dateTime === /** @type {any} */ (fresh).dateTime;
  if (!same && !old.hasAttribute("data-from")) morphChildren(old, fresh);
}

/**
 * @param {Element} old
 * @param {Element} fresh
 */
function morphAttributes(old, fresh) {
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !KEPT.has(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value && !KEPT.has(name)) old.setAttribute(name, value);
  }
}

/**
 * @param {Element} old
 * @param {Element} fresh
 */
function morphChildren(old, fresh) {
  const keyed = new Map([...old.children].flatMap((child) => (keyOf(child) ? [[keyOf(child), child]] : [])));
  const wantedKeys = new Set([...fresh.children].map(keyOf));
  for (const [key, child] of keyed) if (!wantedKeys.has(key)) child.remove();
  /** @type {ChildNode | null} */
  let place = old.firstChild;
  for (const wanted of [...fresh.childNodes]) {
    const known = wanted instanceof Element ? keyed.get(keyOf(wanted)) : undefined;
    const found = known ?? (place && alike(place, wanted) ? place : null);
    if (!found) {
      old.insertBefore(wanted, place); // of another document, which adopts it
      continue;
    }
    if (found === place) place = place.nextSibling;
    else old.insertBefore(found, place);
    if (found instanceof Element) morph(found, /** @type {Element} */ (wanted));
    else if (found.nodeValue !== wanted.nodeValue) found.nodeValue = wanted.nodeValue;
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

/**
 * Return what tells an element from those beside it, if anything does.
 *
 * @param {Element} element
 */
function keyOf(element) {
  return element.id || element.getAttribute("data-pk") || element.getAttribute("data-delete") || "";
}

/**
 * @param {ChildNode} old
 * @param {ChildNode} fresh
 */
function alike(old, fresh) {
  if (old.nodeName !== fresh.nodeName) return false;
  return !(old instanceof Element) || keyOf(old) === keyOf(/** @type {Element} */ (fresh));
}
