// @ts-check
/** Draws the frames of a film on the page of its process, and what is left out of it. */

import { addressOf } from "../../server/address.js";
import { part, parts } from "../find.js";
import { may } from "../role.js";
import { setName } from "../times.js";
import { exact } from "../wording.js";
import { signed } from "./frame_facts.js";

/** How many frames are drawn at first, and more at each click. */
const SHOWN = 200;

/**
 * @typedef {{frame: number, product: number, name: string, date: number | null, exposure: number | null,
 *   filter: string | null, sky: number | null, shift: [number, number] | null, line: number | null}} Frame
 */
/** @typedef {{product: number, name: string, reason: string}} LeftOut */
/** @typedef {{frames: Frame[], left_out: LeftOut[]}} FilmFrames */

/**
 * Draw the list of frames, and warn of those that are missing or not aligned.
 *
 * @param {FilmFrames} film
 * @param {boolean} isAligned whether the frames were to be aligned
 */
export function drawFilmFrames(film, isAligned) {
  const place = part("#film");
  const { frames, left_out: leftOut } = film;
  place.hidden = frames.length + leftOut.length === 0;
  part("#film-count").textContent = `${frames.length} ${frames.length === 1 ? "frame" : "frames"} in the film`;
  const sentence = warning(film, isAligned);
  for (const each of parts("[data-film-warning]")) {
    each.textContent = sentence;
    each.hidden = sentence === "";
  }
  drawList(part("#film-left-out"), leftOut, leftOutRow);
  drawList(part("#film-frames"), frames, (frame) => frameRow(frame, isAligned));
}

/**
 * Return what is wrong with the frames, in a sentence, "" if nothing is.
 *
 * @param {FilmFrames} film
 * @param {boolean} isAligned
 */
function warning({ frames, left_out: leftOut }, isAligned) {
  const unaligned = isAligned ? frames.filter((frame) => frame.shift === null).length : 0;
  const said = [];
  if (leftOut.length) said.push(`${leftOut.length} of ${frames.length + leftOut.length} left out`);
  if (unaligned) said.push(`${unaligned} of ${frames.length} not aligned`);
  return said.length ? `Frames: ${said.join(", ")}` : "";
}

/**
 * Draw as many rows as are shown already, at least the first ones, and a button for more.
 *
 * @template T
 * @param {HTMLElement} list
 * @param {T[]} items
 * @param {(item: T) => HTMLElement} row
 * @param {number} [count]
 */
function drawList(list, items, row, count = Math.max(SHOWN, list.querySelectorAll("[data-row]").length)) {
  const rows = items.slice(0, count).map((item) => {
    const drawn = row(item);
    drawn.dataset.row = "";
    return drawn;
  });
  list.replaceChildren(...rows);
  list.hidden = items.length === 0;
  if (items.length <= count) return;
  const more = document.createElement("li");
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = `Show more (${items.length - count})`;
  button.addEventListener("click", () => drawList(list, items, row, count + SHOWN));
  more.append(button);
  list.append(more);
}

/** @param {LeftOut} each */
function leftOutRow({ product, name, reason }) {
  const row = document.createElement("li");
  const link = document.createElement(may("viewer") ? "a" : "span");
  if (link instanceof HTMLAnchorElement) link.href = addressOf(`/dataproducts/${product}/`);
  setName(link, name);
  row.append(link, ` ${reason}`);
  return row;
}

/**
 * @param {Frame} frame
 * @param {boolean} isAligned
 */
function frameRow(frame, isAligned) {
  const row = document.createElement("li");
  const name = document.createElement(frame.line === null ? "span" : "a");
  if (name instanceof HTMLAnchorElement) name.href = `#L${frame.line}`;
  setName(name, frame.name);
  name.title = frame.date === null ? "no date" : exact(frame.date);
  const facts = document.createElement("span");
  facts.className = "figure faint";
  facts.textContent = factsOf(frame, isAligned);
  row.value = frame.frame;
  row.append(name, " ", facts);
  return row;
}

/**
 * @param {Frame} frame
 * @param {boolean} isAligned
 */
function factsOf({ sky, shift }, isAligned) {
  const said = sky === null ? [] : [`sky ${Number(sky.toPrecision(5))}`];
  if (shift) said.push(`shift ${shift.map(signed).join(" ")}`);
  else if (isAligned) said.push("not aligned");
  return said.join(", ");
}
