// @ts-check
/** The light curve on the page of a target, if its processes have measured magnitudes. */

import { part, slot } from "../../draw/find.js";
import { MOST_POINTS } from "../../draw/light_curve/points.js";
import { ApiError, get } from "../../server/api.js";

/** @param {number} target */
export function watchCurve(target) {
  const section = part("#light-curve");
  /** @type {import("../../draw/light_curve/plot.js").Plot | null} */
  let plot = null;
  const refresh = async () => {
    const points = await pointsOf(target);
    section.hidden = !points.length;
    if (!points.length) return;
    // Loaded only where there is something to draw.
    const [{ Plot }, { tableOf }] = await Promise.all([
      import("../../draw/light_curve/plot.js"),
      import("../../draw/product/csv.js"),
    ]);
    plot ??= new Plot(slot("plot", section));
    plot.show(points, "MJD");
    slot("values", section).replaceChildren(tableOf(rowsOf(points)));
  };
  return { refresh };
}

/**
 * Fetch the points that were measured last.
 *
 * @param {number} target
 * @returns {Promise<import("../../draw/light_curve/points.js").Point[]>}
 */
async function pointsOf(target) {
  /** @type {import("../../draw/light_curve/points.js").Point[]} */
  const points = [];
  let next = "";
  try {
    do {
      const page = await get(`/api/targets/${target}/lightcurve/?limit=10000${next}`);
      points.push(...page.lightcurve);
      next = page.next ? `&before=${page.next}` : "";
    } while (next && points.length < MOST_POINTS);
  } catch (error) {
    // It is fetched again when a process has ended.
    if (!(error instanceof ApiError)) throw error;
  }
  return points;
}

/** @param {import("../../draw/light_curve/points.js").Point[]} points */
function rowsOf(points) {
  const cells = points.map(({ time, magnitude, error, filter }) =>
    [time, magnitude, error ?? "", filter ?? ""].map(String),
  );
  return [["MJD", "magnitude", "error", "filter"], ...cells];
}
