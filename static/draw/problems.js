// @ts-check
/** Shows what the server refused, in a place of the page. */

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
