// @ts-check
/** The beginnings of texts and tables, and the light curves that tables hold. */

import { parts } from "../draw/find.js";
import { curveOf } from "../draw/light_curve/light_curve.js";
import { Plot } from "../draw/light_curve/plot.js";
import { messageOf } from "../draw/problems.js";
import { tableOf } from "../draw/product/table.js";
import { number } from "../draw/wording.js";
import { get, getPage } from "../server/api.js";

/** So many rows are sent of a table that has more. */
const MOST_ROWS = 300;

/**
 * @param {number} bytes how much of each text to look at
 * @param {boolean} curves whether light curves are drawn at once rather than when asked for
 * @param {() => void} [curveFound] called for each table with a light curve
 */
export function showPeeks(bytes, curves, curveFound = () => {}) {
  for (const place of parts(".peek")) void peek(place, bytes, curves, curveFound);
}

/**
 * @param {HTMLElement} place
 * @param {number} bytes
 * @param {boolean} curves
 * @param {() => void} curveFound
 */
async function peek(place, bytes, curves, curveFound) {
  const { table, src, kind } = place.dataset;
  try {
    const read = table ? await get(new URL(table, location.href).href) : null;
    if (read && (read.lightcurve || (kind === "table" && !read.reason))) {
      showTable(place, read);
      if (read.lightcurve) curveFound();
      if (read.lightcurve) (curves ? showCurve : offerCurve)(place, read.lightcurve);
    } else if (src) await showBeginning(place, src, bytes, read?.reason);
    else showText(place, read?.reason ?? "");
  } catch (error) {
    showText(place, messageOf(error));
  }
}

/**
 * @param {HTMLElement} place
 * @param {string} src
 * @param {number} bytes
 * @param {string} [reason] why it is not shown as a table
 */
async function showBeginning(place, src, bytes, reason) {
  const text = await getPage(src, { Range: `bytes=0-${bytes - 1}` });
  if (text.includes("\0")) showText(place, reason ?? "This is not text.");
  else showText(place, Number(place.dataset.size) > bytes ? `${text}…` : text);
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
 * @param {{columns: string[], rows: string[][]}} read
 */
function showTable(place, { columns, rows }) {
  const table = tableOf(columns, rows);
  place.replaceChildren(table);
  if (rows.length >= MOST_ROWS) table.createCaption().textContent = `The first ${number(rows.length)} rows; sorted among themselves`;
}

/**
 * @param {HTMLElement} place
 * @param {any} curve
 */
function offerCurve(place, curve) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "offer";
  button.textContent = "Light curve";
  button.addEventListener("click", () => {
    button.remove();
    showCurve(place, curve);
  });
  place.after(button);
}

/**
 * @param {HTMLElement} place
 * @param {any} curve
 */
function showCurve(place, curve) {
  const box = document.createElement("div");
  box.className = "curve";
  place.before(box);
  place.parentElement?.classList.add("plotted");
  new Plot(box).show(curveOf(curve));
}
