// @ts-check
/** Finds elements of the page. A missing one is a mistake in a template, so it throws. */

/**
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} selector
 * @param {ParentNode} [within]
 * @returns {T}
 */
export function part(selector, within = document) {
  const element = within.querySelector(selector);
  if (!element) throw new Error(`The page has no ${selector}`);
  return /** @type {T} */ (element);
}

/**
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} selector
 * @param {ParentNode} [within]
 * @returns {T[]}
 */
export function parts(selector, within = document) {
  return /** @type {T[]} */ ([...within.querySelectorAll(selector)]);
}

/**
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} name
 * @param {ParentNode} [within]
 * @returns {T}
 */
export function slot(name, within = document) {
  return part(`[data-slot="${name}"]`, within);
}

/**
 * Copy the first element of a template.
 *
 * @param {string} selector
 * @returns {HTMLElement}
 */
export function copyOf(selector) {
  const template = /** @type {HTMLTemplateElement} */ (/** @type {unknown} */ (part(selector)));
  return /** @type {HTMLElement} */ (document.importNode(template.content, true).firstElementChild);
}
