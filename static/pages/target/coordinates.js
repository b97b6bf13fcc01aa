// @ts-check
/** Buttons that copy the coordinates of the target, as programs take them. */

import { copyText } from "../../draw/browser/clipboard.js";
import { part } from "../../draw/find.js";
import { messageOf } from "../../draw/problems.js";

const DONE_MS = 1500;

export function copyCoordinates() {
  // The head of the page is drawn anew when others change the target.
  part("#target").addEventListener("click", (event) => {
    const button = /** @type {Element} */ (event.target).closest("button[data-copy]");
    if (button instanceof HTMLElement) void copy(button);
  });
}

/** @param {HTMLElement} button */
async function copy(button) {
  const text = button.dataset.copy ?? "";
  try {
    await copyText(text);
  } catch (error) {
    part("#copied").textContent = messageOf(error);
    return;
  }
  part("#copied").textContent = `${text} copied`;
  button.classList.add("done");
  setTimeout(() => button.classList.remove("done"), DONE_MS);
}
