// @ts-check
/** What is shown of an HDU that is no image: its table, or that it has nothing but a header. */

import { messageOf } from "../draw/problems.js";
import { tableOf } from "../draw/product/table.js";
import { counted } from "../draw/wording.js";
import { addressOf } from "../server/address.js";
import { getPage } from "../server/api.js";

const MOST_ROWS = 300;

/**
 * @param {HTMLElement} place
 * @param {number} pk
 * @param {import("../server/pixels.js").Hdu} hdu
 */
export async function showHdu(place, pk, hdu) {
  place.replaceChildren(line(hdu.kind === "table" ? "Reading the table…" : "This HDU has a header only, below."));
  if (hdu.kind !== "table") return;
  const address = addressOf(`/dataproducts/${pk}/table.csv?hdu=${hdu.index}`);
  try {
    const [columns, ...rows] = parsedCsv(await getPage(address), MOST_ROWS + 1);
    const table = tableOf(columns ?? [], rows);
    const more = hdu.shape[0] > rows.length ? `the first ${rows.length} of ` : "";
    table.createCaption().textContent = `${hdu.name || `HDU ${hdu.index}`}: ${more}${counted(hdu.shape[0], "row")}`;
    const link = document.createElement("a");
    link.href = address;
    link.download = "";
    link.textContent = "Download as CSV";
    place.replaceChildren(link, table);
  } catch (error) {
    place.replaceChildren(line(messageOf(error)));
  }
}

/** @param {string} text */
function line(text) {
  const shown = document.createElement("p");
  shown.className = "empty";
  shown.textContent = text;
  return shown;
}

/**
 * Return the first rows of a CSV as the server writes it.
 *
 * @param {string} text
 * @param {number} most
 */
function parsedCsv(text, most) {
  /** @type {string[][]} */
  const rows = [];
  let row = [];
  const cell = /(?:"((?:[^"]|"")*)"|([^",\n]*))(,|\n|$)/y;
  while (rows.length < most && cell.lastIndex < text.length) {
    const found = cell.exec(text);
    if (!found) break;
    row.push(found[1] === undefined ? found[2] : found[1].replaceAll('""', '"'));
    if (found[3] === ",") continue;
    rows.push(row);
    row = [];
  }
  return rows;
}
