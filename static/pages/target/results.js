// @ts-check
/** Draws the newest film and outputs of the target anew. Loaded when there are others than before. */

import { part } from "../../draw/find.js";
import { regionOf } from "../../draw/region/region.js";
import { getPage } from "../../server/api.js";

/** Show them as the server renders them now. */
export async function drawResults() {
  const fresh = regionOf("film", await getPage(location.pathname));
  const old = part("#film");
  const same = fresh.dataset.film && fresh.dataset.film === old.dataset.film;
  // A film that somebody looks at goes on.
  if (same) part(".newest", old).replaceWith(part(".newest", fresh));
  else old.replaceWith(fresh);
}
