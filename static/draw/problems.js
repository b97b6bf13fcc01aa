// @ts-check
/** Shows what the server refused, in a place of the page. */

import { LoadError } from "../server/api.js";

/**
 * @param {HTMLElement} place
 * @param {string} message
 */
export function showProblem(place, message) {
  place.textContent = message;
  place.hidden = !message;
}

/** @param {unknown} error */
export function messageOf(error) {
  return error instanceof Error ? error.message : String(error);
}

/**
 * Do something, or show why it could not be done.
 *
 * @param {HTMLElement} place
 * @param {() => unknown} act
 */
export async function attempt(place, act) {
  showProblem(place, "");
  try {
    await act();
  } catch (error) {
    showProblem(place, messageOf(error));
  }
}

/**
 * Leave a module that could not be loaded to the next try; report any other error as a defect.
 *
 * @param {unknown} error
 */
export function unlessLater(error) {
  if (!(error instanceof LoadError)) reportError(error);
}
