// @ts-check
/** Copies the coordinates of the target, as programs take them. Loaded when somebody is about to. */

import { copyText } from "../../draw/browser/clipboard.js";
import { part } from "../../draw/find.js";

const DONE_MS = 1500;

/**
 * @param {HTMLElement} button has them as `data-copy`
 * @throws {Error} with a sentence, where the browser lets nothing be copied
 */
export async function copyCoordinates(button) {
  const text = button.dataset.copy ?? "";
  await copyText(text);
  part("#copied").textContent = `${text} copied`;
  button.classList.add("done");
  setTimeout(() => button.classList.remove("done"), DONE_MS);
}
