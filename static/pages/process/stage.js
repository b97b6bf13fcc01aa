// @ts-check
/** What stands first on the page of a process: a film to work with, a curve, a table, pictures. */

import { needed } from "../../draw/connection.js";
import { part, parts } from "../../draw/find.js";
import { watchBrokenPictures } from "../../draw/product/broken_pictures.js";

const PEEKED_BYTES = 262_144;

/**
 * Bring the stage to life as it is in the page now.
 *
 * @param {any} record
 */
export async function startStage(record) {
  const stage = part("#stage");
  watchBrokenPictures(stage, (image) => image.classList.add("broken"));
  switch (stage.dataset.kind) {
    case "curve": {
      const { drawCurve } = await needed(() => import("./curve.js"));
      return drawCurve(part('[data-slot="curve"]', stage), record);
    }
    case "table": {
      const { showPeeks } = await needed(() => import("../peeks.js"));
      return showPeeks(PEEKED_BYTES, true);
    }
    case "picture":
      return choosePictures(stage);
    default: // a film has its player, and everything else needs none
  }
}

/** @param {HTMLElement} stage */
function choosePictures(stage) {
  const links = parts("[data-picture]", stage);
  const shown = /** @type {HTMLAnchorElement} */ (part("#shown", stage));
  for (const link of /** @type {HTMLAnchorElement[]} */ (links)) {
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return; // in a tab of its own
      event.preventDefault();
      for (const each of links) each.removeAttribute("aria-current");
      link.setAttribute("aria-current", "true");
      const picture = document.createElement("img");
      Object.assign(picture, { src: link.dataset.picture, alt: link.title });
      shown.href = link.href;
      shown.replaceChildren(picture);
    });
  }
}
