// @ts-check
/** The page of a group: shows the beginnings of texts and tables. */

import { rowsOf, tableOf } from "../draw/csv.js";
import { part, parts } from "../draw/find.js";
import { messageOf } from "../draw/problems.js";
import { keepTimes } from "../draw/times.js";
import { getBeginning } from "../server/api.js";

const PEEKED_BYTES = 32_768;
const SEPARATORS = { csv: ",", tsv: "\t" };

keepTimes(Number(part("#group").dataset.now));
for (const place of parts(".peek")) void peek(place);
document.addEventListener("error", (event) => markBroken(event.target), true);

/** @param {HTMLElement} place */
async function peek(place) {
  try {
    const text = await getBeginning(place.dataset.src ?? "", PEEKED_BYTES);
    show(place, text, Number(place.dataset.size) > PEEKED_BYTES);
  } catch (error) {
    place.textContent = messageOf(error);
  }
}

/**
 * @param {HTMLElement} place
 * @param {string} text
 * @param {boolean} cut whether the file goes on
 */
function show(place, text, cut) {
  const separator = SEPARATORS[place.dataset.kind ?? ""];
  if (!separator) {
    place.textContent = cut ? `${text}…` : text;
    return;
  }
  const whole = cut ? text.slice(0, text.lastIndexOf("\n")) : text;
  place.replaceChildren(tableOf(rowsOf(whole, separator)));
}

/** @param {EventTarget | null} image a picture that cannot be drawn */
function markBroken(image) {
  if (image instanceof HTMLImageElement) image.classList.add("broken");
}
