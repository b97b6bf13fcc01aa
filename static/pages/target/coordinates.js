// @ts-check
/** Buttons that copy the coordinates of the target, as programs take them. */

import { part } from "../../draw/find.js";

const DONE_MS = 1500;

export function copyCoordinates() {
  // Browsers have a clipboard where the page is trusted: over HTTPS, or of this machine.
  document.body.classList.toggle("no-clipboard", !navigator.clipboard);
  // The head of the page is drawn anew when others change the target.
  part("#target").addEventListener("click", async (event) => {
    const button = /** @type {Element} */ (event.target).closest("button[data-copy]");
    if (!(button instanceof HTMLElement)) return;
    const text = button.dataset.copy ?? "";
    await navigator.clipboard.writeText(text);
    part("#copied").textContent = `${text} copied`;
    button.classList.add("done");
    setTimeout(() => button.classList.remove("done"), DONE_MS);
  });
}
