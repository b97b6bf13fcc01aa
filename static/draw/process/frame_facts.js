// @ts-check
/** Draws what is known of the frame of a film that is shown: its file, time, exposure, sky, log line. */

import { addressOf } from "../../server/address.js";
import { part } from "../find.js";
import { may } from "../role.js";
import { setName, setText } from "../times.js";
import { exact, number } from "../wording.js";

/** @typedef {import("./frames.js").Frame} Frame */

const NOTHING = "–";

/**
 * @param {HTMLElement} stage
 * @param {Frame | undefined} frame undefined while nothing is known of it
 */
export function drawFrameFacts(stage, frame) {
  drawLink(place(stage, "name"), frame?.name, frame && may("viewer") ? addressOf(`/dataproducts/${frame.product}/`) : null);
  setText(place(stage, "date"), frame?.date == null ? NOTHING : exact(frame.date));
  setText(place(stage, "exposure"), exposureOf(frame));
  setText(place(stage, "sky"), frame?.sky == null ? NOTHING : String(Number(frame.sky.toPrecision(5))));
  setText(place(stage, "shift"), shiftOf(frame));
  drawLink(place(stage, "line"), frame?.line == null ? undefined : `line ${number(frame.line)}`, `#L${frame?.line}`);
}

/**
 * @param {HTMLElement} stage
 * @param {string} name
 */
function place(stage, name) {
  return part(`[data-frame="${name}"]`, stage);
}

/**
 * @param {HTMLElement} element
 * @param {string | undefined} text
 * @param {string | null} href null for no link
 */
function drawLink(element, text, href) {
  if (element.title !== (text ?? "")) element.title = text ?? "";
  if (text === undefined || href === null) return setName(element, text ?? NOTHING);
  const link = element.querySelector("a") ?? document.createElement("a");
  link.setAttribute("href", href);
  setName(link, text);
  if (!link.isConnected) element.replaceChildren(link);
}

/** @param {Frame | undefined} frame */
function exposureOf(frame) {
  const said = [];
  if (frame?.exposure != null) said.push(`${Number(frame.exposure.toPrecision(6))} s`);
  if (frame?.filter) said.push(frame.filter);
  return said.join(", ") || NOTHING;
}

/** @param {Frame | undefined} frame */
function shiftOf(frame) {
  return frame?.shift ? `${frame.shift.map(signed).join(" ")} pixels` : NOTHING;
}

/**
 * Return a number of pixels with its sign.
 *
 * @param {number} pixels
 */
export function signed(pixels) {
  const text = Math.abs(pixels).toFixed(1);
  return `${pixels < 0 && text !== "0.0" ? "−" : "+"}${text}`;
}
