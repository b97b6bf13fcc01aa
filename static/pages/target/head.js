// @ts-check
/** Draws the name, the place and the facts of a target anew. Loaded when others have changed them. */

import { updateRegion } from "../../draw/region/morph.js";
import { getPage } from "../../server/api.js";

/** @param {string} name that of the target now */
export async function drawHead(name) {
  const page = await getPage(location.pathname);
  updateRegion("target-facts", page);
  document.title = `${name} · Heliograph`;
  const form = document.querySelector("#edit-target");
  // What somebody is writing there stays.
  if (form && !form.closest("details")?.open) updateRegion("edit-target", page);
}
