// @ts-check
/** The name, the place and the facts of a target at the head of its page, as others change them. */

import { part } from "../../draw/find.js";
import { updateRegion } from "../../draw/region/morph.js";
import { getPage } from "../../server/api.js";
import { Answers } from "../../server/changes.js";

/** @returns {() => Promise<void>} brings the head up to date */
export function watchHead() {
  const answers = new Answers();
  return () => answers.drawChanged(`/api/targets/${part("#target").dataset.pk}/`, drawHead);
}

/** @param {{name: string}} target */
async function drawHead({ name }) {
  const page = await getPage(location.pathname);
  updateRegion("target-facts", page);
  document.title = `${name} · Heliograph`;
  const form = document.querySelector("#edit-target");
  // What somebody is writing there stays.
  if (form && !form.closest("details")?.open) updateRegion("edit-target", page);
}
