// @ts-check
/** Pictures that the server could not draw: also those that failed before the scripts came. */

import { parts } from "../find.js";

/**
 * @param {HTMLElement} within
 * @param {(image: HTMLImageElement) => void} broken called for each, now and later
 */
export function watchBrokenPictures(within, broken) {
  const report = (/** @type {EventTarget | null} */ image) => {
    if (image instanceof HTMLImageElement) broken(image);
  };
  within.addEventListener("error", (event) => report(event.target), true);
  for (const image of /** @type {HTMLImageElement[]} */ (parts("img", within))) {
    if (image.complete && !image.naturalWidth && image.currentSrc) report(image);
  }
}
