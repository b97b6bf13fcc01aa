// @ts-check
/** Asks for confirmation, and shows dialogs. */

import { part } from "./find.js";

/**
 * @param {string} text
 * @param {string} [yes] the label of the button that confirms
 * @returns {Promise<boolean>}
 */
export function ask(text, yes = "Delete") {
  const dialog = /** @type {HTMLDialogElement} */ (part("#question"));
  part("#question-text").textContent = text;
  part('[value="yes"]', dialog).textContent = yes;
  return answerOf(dialog).then((answer) => answer === "yes");
}

/**
 * Show a dialog and wait until it is closed.
 *
 * @param {HTMLDialogElement} dialog
 * @returns {Promise<string>} the value of the button that closed it
 */
export function answerOf(dialog) {
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true });
  });
}
