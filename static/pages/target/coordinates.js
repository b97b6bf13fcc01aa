// @ts-check
/** Buttons that copy the coordinates of the target, as programs take them. */

import { part, parts } from "../../draw/find.js";

export function copyCoordinates() {
  for (const button of /** @type {HTMLButtonElement[]} */ (parts("button[data-copy]"))) {
    button.hidden = !navigator.clipboard; // only where the page is trusted: https, or this machine
    button.addEventListener("click", async () => {
      const text = button.dataset.copy ?? "";
      await navigator.clipboard.writeText(text);
      part("#copied").textContent = `${text} copied`;
      button.classList.add("done");
      setTimeout(() => button.classList.remove("done"), 1500);
    });
  }
}
