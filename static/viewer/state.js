// @ts-check
/**
 * The state of a viewer in the fragment of its address, as `#x=512.5&y=300&zoom=2`: what is looked at
 * and how. Pixels are those of FITS there, from 1. What is as usual is left out.
 */

import { MAP_NAMES, STRETCH_NAMES } from "./picture/shades.js";

const WRITTEN_MS = 250;

/**
 * @typedef {{
 *   hdu: number | null, plane: number, colour: boolean,
 *   x: number | null, y: number | null, zoom: number | null,
 *   low: number | null, high: number | null, cuts: string,
 *   stretch: string, map: string, invert: boolean, bias: number, contrast: number,
 *   blink: number[],
 * }} State `cuts` are those of a percentage, unless `low` and `high` are given
 */

/** @type {State} */
const USUAL = {
  hdu: null, plane: 0, colour: false, x: null, y: null, zoom: null, low: null, high: null, cuts: "99.5",
  stretch: "asinh", map: "grey", invert: false, bias: 0.5, contrast: 1, blink: [],
};
/** What may be chosen as `cuts`: how much of all values is between them, in percent. */
const CUTS = ["100", "99.5", "99", "95", "90"];
const MOST_BLINKED = 50;

/**
 * @param {string} fragment
 * @returns {State}
 */
export function readState(fragment) {
  const given = new URLSearchParams(fragment.replace(/^#/, ""));
  const one = (/** @type {string} */ name, /** @type {string[]} */ known, /** @type {string} */ usual) =>
    known.includes(given.get(name) ?? "") ? String(given.get(name)) : usual;
  const within = (/** @type {string} */ name, /** @type {number} */ least, /** @type {number} */ most) => {
    const value = number(given, name);
    return value !== null && value >= least && value <= most ? value : null;
  };
  return {
    hdu: whole(within("hdu", 0, 1e6)),
    plane: whole(within("plane", 0, 1e6)) ?? 0,
    colour: given.get("colour") === "true",
    x: within("x", -1e7, 1e7),
    y: within("y", -1e7, 1e7),
    zoom: within("zoom", 1e-4, 64),
    low: number(given, "low"),
    high: number(given, "high"),
    cuts: one("cuts", CUTS, USUAL.cuts),
    stretch: one("stretch", STRETCH_NAMES, USUAL.stretch),
    map: one("map", MAP_NAMES, USUAL.map),
    invert: given.get("invert") === "true",
    bias: within("bias", -2, 3) ?? USUAL.bias,
    contrast: within("contrast", 0.05, 50) ?? USUAL.contrast,
    blink: (given.get("blink") ?? "").split(",").filter((pk) => /^[1-9]\d{0,9}$/.test(pk)).map(Number).slice(0, MOST_BLINKED),
  };
}

/**
 * @param {State} state
 * @returns {string} with `#`, or nothing where all is as usual
 */
export function writtenState(state) {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries(state)) {
    const text = Array.isArray(value) ? value.join(",") : typeof value === "number" ? short(value) : String(value ?? "");
    const usual = USUAL[/** @type {keyof State} */ (name)];
    if (text && text !== (Array.isArray(usual) ? "" : String(usual ?? ""))) given.set(name, text);
  }
  const text = given.toString().replaceAll("%2C", ",");
  return text ? `#${text}` : "";
}

/**
 * Return a function that writes a state to the address, at most a few times a second.
 *
 * @param {() => State} state
 */
export function keeper(state) {
  let timer = 0;
  return () => {
    timer ||= setTimeout(() => {
      timer = 0;
      history.replaceState(history.state, "", location.pathname + location.search + writtenState(state()));
    }, WRITTEN_MS);
  };
}

/** @param {number} value */
function short(value) {
  return String(Number(value.toPrecision(7)));
}

/**
 * @param {URLSearchParams} given
 * @param {string} name
 */
function number(given, name) {
  const text = given.get(name);
  const value = Number(text);
  return text && Number.isFinite(value) ? value : null;
}

/** @param {number | null} value */
function whole(value) {
  return value !== null && Number.isInteger(value) ? value : null;
}
