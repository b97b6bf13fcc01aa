// @ts-check
/** Says which of the chosen frames a run cannot use, or a film leaves out. Loaded with the first choice. */

import { listed, number } from "../wording.js";

/** @typedef {import("../target/frame_list.js").Frame} Frame */
/** @typedef {{warnings: string[], doubtful: Frame[]}} Warnings */

/**
 * @param {Frame[]} frames
 * @param {string} type that of the pipeline
 * @returns {Warnings}
 */
export function warningsOf(frames, type) {
  const unreadable = frames.filter(({ problem }) => problem);
  const rest = frames.filter(({ problem, fits }) => !problem && fits);
  const film = type === "timelapse" && frames.length > 1;
  const imageless = film ? rest.filter(({ fits }) => !fits?.width) : [];
  const images = rest.filter(({ fits }) => fits?.width);
  const undated = film ? images.filter(({ fits }) => fits?.date === null) : [];
  const usual = film ? usualSize(images) : "";
  const odd = film ? images.filter((frame) => !undated.includes(frame) && sizeOf(frame) !== usual) : [];
  const warnings = [
    sentence(unreadable, "cannot be read", "cannot be read"),
    sentence(imageless, "holds no image", "hold no image"),
    sentence(undated, "has no date, which a film needs", "have no date, which a film needs"),
    sentence(odd, `is not of ${usual} pixels, as most are`, `are not of ${usual} pixels, as most are`),
  ].filter(Boolean);
  return { warnings, doubtful: [...unreadable, ...imageless, ...undated, ...odd] };
}

/**
 * @param {Frame[]} frames
 * @param {string} one
 * @param {string} many
 */
function sentence(frames, one, many) {
  if (!frames.length) return "";
  const names = listed(frames.map(({ name }) => name));
  return frames.length === 1 ? `${names} ${one}.` : `${number(frames.length)} ${many}: ${names}.`;
}

/** @param {Frame} frame */
function sizeOf({ fits }) {
  return `${fits?.width} × ${fits?.height}`;
}

/** @param {Frame[]} frames */
function usualSize(frames) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const frame of frames) counts.set(sizeOf(frame), (counts.get(sizeOf(frame)) ?? 0) + 1);
  return [...counts].sort(([, one], [, other]) => other - one)[0]?.[0] ?? "";
}
