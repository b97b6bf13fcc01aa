// @ts-check
/** The beginnings of texts and tables, and the light curves that tables hold. */

import { parts } from "../draw/find.js";
import { lightCurveOf } from "../draw/light_curve/light_curve.js";
import { Plot } from "../draw/light_curve/plot.js";
import { messageOf } from "../draw/problems.js";
import { rowsOf, tableOf } from "../draw/product/csv.js";
import { number } from "../draw/wording.js";
import { getBeginning } from "../server/api.js";

/** Larger tables are drawn as far as this: a light curve of some 50,000 points. */
const PLOTTED_BYTES = 4_000_000;
const SEPARATORS = { csv: ",", tsv: "\t" };

/**
 * @param {number} bytes how much of each file to look at
 * @param {boolean} curves whether light curves are drawn at once rather than when asked for
 */
export function showPeeks(bytes, curves) {
  for (const place of parts(".peek")) void peek(place, bytes, curves);
}

/**
 * @param {HTMLElement} place
 * @param {number} bytes
 * @param {boolean} curves
 */
async function peek(place, bytes, curves) {
  try {
    const text = await getBeginning(place.dataset.src ?? "", bytes);
    const cut = Number(place.dataset.size) > bytes;
    const separator = SEPARATORS[place.dataset.kind ?? ""];
    if (separator) showTable(place, cut ? text.slice(0, text.lastIndexOf("\n")) : text, separator, curves);
    else showText(place, cut ? `${text}…` : text);
  } catch (error) {
    showText(place, messageOf(error));
  }
}

/**
 * @param {HTMLElement} place
 * @param {string} text
 */
function showText(place, text) {
  const shown = document.createElement("pre");
  shown.textContent = text;
  place.replaceChildren(shown);
}

/**
 * @param {HTMLElement} place
 * @param {string} text
 * @param {string} separator
 * @param {boolean} curves
 */
function showTable(place, text, separator, curves) {
  const rows = rowsOf(text, separator);
  const table = tableOf(rows);
  place.replaceChildren(table);
  const hidden = rows.length - table.rows.length;
  if (hidden > 0 || Number(place.dataset.size) > text.length + 1) {
    table.createCaption().textContent = `The first ${number(table.rows.length)} rows`;
  }
  if (!lightCurveOf(rows)) return;
  if (curves) void showCurve(place, separator);
  else offerCurve(place, separator);
}

/**
 * @param {HTMLElement} place
 * @param {string} separator
 */
function offerCurve(place, separator) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "offer";
  button.textContent = "Light curve";
  button.addEventListener("click", () => {
    button.remove();
    void showCurve(place, separator);
  });
  place.after(button);
}

/**
 * @param {HTMLElement} place
 * @param {string} separator
 */
async function showCurve(place, separator) {
  const box = document.createElement("div");
  box.className = "curve";
  place.before(box);
  place.parentElement?.classList.add("plotted");
  const plot = new Plot(box);
  const text = await getBeginning(place.dataset.src ?? "", PLOTTED_BYTES);
  const curve = lightCurveOf(rowsOf(text, separator));
  if (curve) plot.show(curve.points, curve.time);
}
