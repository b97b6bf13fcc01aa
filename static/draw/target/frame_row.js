// @ts-check
/** Draws a data product into a row of the table. The markup is the template's. */

import { addressOf } from "../../server/address.js";
import { copyOf, part, slot } from "../find.js";
import { setName, setText } from "../times.js";
import { exact, size } from "../wording.js";

/** @typedef {import("./frame_list.js").Frame} Frame */

const PREVIEWED = /\.(png|jpe?g)$/i;

/**
 * Return what a row says that the page came with: all that choosing it needs.
 *
 * @param {HTMLElement} row
 * @returns {Frame}
 */
export function frameOf({ dataset: { pk, name, frame } }) {
  return { pk: Number(pk), name, ...JSON.parse(frame ?? "{}") };
}

/**
 * @param {Frame} frame
 * @returns {HTMLElement}
 */
export function frameRow(frame) {
  const row = copyOf("#product-row");
  drawFrame(row, frame);
  return row;
}

/**
 * @param {HTMLElement} row
 * @param {Frame} frame
 */
export function drawFrame(row, frame) {
  const { pk, name, fits, groups, process, problem } = frame;
  Object.assign(row.dataset, { pk: String(pk), name });
  row.toggleAttribute("data-unreadable", Boolean(problem));
  row.querySelector('input[type="checkbox"]')?.setAttribute("aria-label", `Choose ${name}`);
  drawPicture(part(".picture", row), frame);
  const link = slot("name", row);
  setName(link, name);
  link.setAttribute("href", addressOf(`/dataproducts/${pk}/`));
  setText(slot("narrow", row), inShort(frame));
  show(slot("problem", row), problem ? `Cannot be read: it ${problem}` : "");
  drawLinks(row, groups, process);
  setText(slot("date", row), observed(frame));
  setText(slot("exposure", row), exposure(frame));
  setText(slot("filter", row), fits?.filter || "–");
  setText(slot("instrument", row), fits?.instrument || "–");
  setText(slot("pixels", row), fits?.width ? `${fits.width} × ${fits.height}` : "–");
  setText(slot("created", row), exact(frame.created).replace(" UTC", ""));
  setText(slot("size", row), size(frame.size));
  const download = slot("download", row);
  download.setAttribute("href", frame.url);
  download.title = `Download ${name}`;
  setText(part(".unseen", download), download.title);
}

/**
 * @param {HTMLElement} place
 * @param {Frame} frame
 */
function drawPicture(place, frame) {
  const old = place.firstElementChild;
  if (!hasPicture(frame)) {
    if (frame.content_type.startsWith("video/")) part("use", place).setAttribute("href", "#i-film");
    return;
  }
  const src = addressOf(`/dataproducts/${frame.pk}/preview.png`);
  if (old instanceof HTMLImageElement && old.getAttribute("src") === src) return;
  const image = document.createElement("img");
  // Before its address, else it is fetched at once.
  Object.assign(image, { className: "thumbnail", loading: "lazy", width: 48, height: 48, alt: "" });
  image.src = src;
  place.replaceChildren(image);
}

/** @param {Frame} frame */
export function hasPicture({ fits, name, problem }) {
  return fits ? Boolean(fits.width) && !problem : PREVIEWED.test(name);
}

/** @param {HTMLImageElement} image of a row, which cannot be drawn */
export function dropPicture(image) {
  if (!image.classList.contains("thumbnail")) return;
  const blank = document.createElement("span");
  blank.className = "thumbnail none";
  image.replaceWith(blank);
}

/**
 * @param {HTMLElement} row
 * @param {number[]} groups
 * @param {number | null} process
 */
function drawLinks(row, groups, process) {
  const inGroups = slot("groups", row);
  inGroups.hidden = !groups.length || process !== null;
  if (!inGroups.hidden) {
    inGroups.replaceChildren("in ", ...groups.flatMap((pk) => [linkTo(addressOf(`/dataproducts/data/group/${pk}/`), `group ${pk}`), " "]));
  }
  const ofProcess = slot("process", row);
  ofProcess.hidden = process === null;
  if (process !== null) ofProcess.replaceChildren("output of ", linkTo(addressOf(`/processes/${process}`), `process ${process}`));
}

/**
 * @param {string} address
 * @param {string} text
 */
function linkTo(address, text) {
  const link = document.createElement("a");
  link.href = address;
  link.textContent = text;
  return link;
}

/**
 * @param {HTMLElement} place
 * @param {string} text
 */
function show(place, text) {
  setText(place, text);
  place.hidden = !text;
}

/** @param {Frame} frame */
function observed({ fits }) {
  return typeof fits?.date === "number" ? exact(fits.date).replace(" UTC", "") : "–";
}

/** @param {Frame} frame */
function exposure({ fits }) {
  return typeof fits?.exposure === "number" ? `${Number(fits.exposure.toPrecision(6))} s` : "–";
}

/** @param {Frame} frame */
function inShort(frame) {
  const facts = [observed(frame), frame.fits?.filter, exposure(frame), size(frame.size)].filter((fact) => fact && fact !== "–");
  return facts.map((fact) => fact.replaceAll(" ", "\u00a0")).join("\u00a0· "); // a line may break between the facts only
}

/**
 * Return the frames as they are now. One that has not changed stays the same object, so that its row
 * is not drawn again.
 *
 * @param {Frame[]} old
 * @param {Frame[]} now
 */
export function updated(old, now) {
  const known = new Map(old.map((frame) => [frame.pk, frame]));
  return now.map((frame) => {
    const before = known.get(frame.pk);
    return before && JSON.stringify(before) === JSON.stringify(frame) ? before : frame;
  });
}
