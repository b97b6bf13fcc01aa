// @ts-check
/** The light curve on the page of a target: what its processes have measured, and what was imported. */

import { part, slot } from "../../../draw/find.js";
import { MOST_POINTS, pointsOf } from "../../../draw/light_curve/points.js";
import { pollAnswer } from "../../../server/api.js";
import { showIfAny } from "../results.js";

/** @typedef {"magnitude" | "flux"} Quantity */

/** @param {number} target */
export function watchCurve(target) {
  const section = part("#light-curve");
  /** @type {Map<Quantity, import("../../../draw/light_curve/plot.js").Plot>} */
  const plots = new Map();
  /** @type {import("./points.js").CurvePoints | null} */
  let tools = null;
  let shown = "";
  const refresh = async () => {
    const { rows, version } = await rowsOf(target);
    if (version === shown) return;
    shown = version;
    section.hidden = !rows.length;
    showIfAny();
    if (!rows.length) return;
    // Loaded only where there is something to draw.
    const { Plot } = await import("../../../draw/light_curve/plot.js");
    const { CurvePoints } = await import("./points.js");
    /** @type {Map<Quantity, import("../../../draw/light_curve/points.js").Point[]>} */
    const curves = new Map();
    for (const quantity of /** @type {Quantity[]} */ (["magnitude", "flux"])) {
      const points = pointsOf(rows, quantity);
      if (!points.length && !plots.has(quantity)) continue;
      const plot = plots.get(quantity) ?? new Plot(slot("plot", section));
      plots.set(quantity, plot);
      curves.set(quantity, points);
      plot.show({ quantity, time: "MJD", points, notes: [], calendar: true });
    }
    tools ??= new CurvePoints(target, section, plots, refresh);
    tools.show(curves);
  };
  return { refresh };
}

/**
 * Fetch the rows that were added last.
 *
 * @param {number} target
 * @returns {Promise<{rows: any[], version: string}>}
 */
async function rowsOf(target) {
  /** @type {any[]} */
  const rows = [];
  const versions = [];
  let next = "";
  do {
    const { body, version } = await pollAnswer(`/api/targets/${target}/lightcurve/?numbers=true&limit=10000${next}`);
    rows.push(...body.lightcurve);
    versions.push(version);
    next = body.next ? `&before=${body.next}` : "";
  } while (next && rows.length < MOST_POINTS);
  return { rows, version: versions.join(" ") };
}
