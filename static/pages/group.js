// @ts-check
/** The page of a group: shows the beginning of text files. */

import { part, parts } from "../draw/find.js";
import { keepTimes } from "../draw/times.js";
import { getBeginning } from "../server/api.js";

const PEEKED_BYTES = 16_384;

keepTimes(Number(part("#group").dataset.now));
for (const place of parts(".peek")) void peek(place);
document.addEventListener("error", (event) => drop(event.target), true);

/** @param {HTMLElement} place */
async function peek(place) {
  try {
    const text = await getBeginning(place.dataset.src ?? "", PEEKED_BYTES);
    place.textContent = Number(place.dataset.size) > PEEKED_BYTES ? `${text}…` : text;
  } catch (error) {
    place.textContent = String(error instanceof Error ? error.message : error);
  }
}

/** @param {EventTarget | null} image a picture that cannot be drawn */
function drop(image) {
  if (image instanceof HTMLImageElement) image.classList.add("broken");
}
