// @ts-check
/** The stretch of the FITS images on a page, changed in place. */

import { parts } from "../find.js";

export function chooseStretch() {
  const select = document.querySelector(".stretch select");
  if (!(select instanceof HTMLSelectElement)) return;
  select.addEventListener("change", () => {
    for (const image of /** @type {HTMLImageElement[]} */ (parts("img[data-stretched]"))) {
      image.src = withStretch(image.src, select.value);
      image.classList.remove("broken");
    }
    history.replaceState(null, "", withStretch(location.href, select.value));
  });
}

/**
 * @param {string} address
 * @param {string} stretch
 */
function withStretch(address, stretch) {
  const url = new URL(address, location.href);
  url.searchParams.set("stretch", stretch);
  return url.href;
}
