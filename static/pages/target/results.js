// @ts-check
/** The newest film and outputs of the target, drawn anew by the server when there are others. */

import { part, parts } from "../../draw/find.js";
import { regionOf } from "../../draw/region/region.js";
import { getPage } from "../../server/api.js";

const SHOWN = 6;
/** @type {string | null} what is shown now */
let shown = null;

/**
 * @param {import("../../draw/target/frame_list.js").Frame[]} frames newest first
 */
export async function drawResults(frames) {
  const outputs = frames.filter(({ kind }) => kind === "output");
  const films = outputs.filter(({ content_type }) => content_type.startsWith("video/") || content_type === "image/gif");
  const now = [films[0]?.pk ?? "", ...outputs.slice(0, SHOWN).map(({ pk }) => pk)].join();
  shown ??= part("#film").dataset.shown ?? "";
  if (now === shown) return;
  shown = now;
  try {
    swap(regionOf("film", await getPage(location.pathname)));
  } catch {
    shown = null; // it is tried again with the next change
  }
}

/** @param {HTMLElement} fresh */
function swap(fresh) {
  const old = part("#film");
  const same = fresh.dataset.film && fresh.dataset.film === old.dataset.film;
  // A film that somebody looks at goes on.
  if (same) part(".newest", old).replaceWith(part(".newest", fresh));
  else old.replaceWith(fresh);
  showIfAny();
}

/** Show the place of the results if there are any. */
export function showIfAny() {
  const results = part(".results");
  results.hidden = parts(":scope > section", results).every((section) => section.hidden);
}
