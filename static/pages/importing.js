// @ts-check
/** Imports of tables into the light curve of a target. */

import { sentencesOn } from "../draw/light_curve/light_curve.js";
import { counted } from "../draw/wording.js";
import { request } from "../server/api.js";

/**
 * Import a data product, and return in sentences what was imported and what was not.
 *
 * @param {number} target
 * @param {number} product
 * @returns {Promise<string>}
 */
export async function importCurve(target, product) {
  const { imported, known, left_out } = await request("POST", `/api/targets/${target}/lightcurve/`, { product });
  const added = `${counted(imported, "measurement")} imported.`;
  const old = known ? [`${counted(known, "measurement")} in the light curve already.`] : [];
  return [added, ...old, ...sentencesOn(left_out)].join(" ");
}
