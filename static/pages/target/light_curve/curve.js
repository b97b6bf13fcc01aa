// @ts-check
/** The light curve on the page of a target: what its processes have measured, and what was imported. */

import { part, slot } from "../../../draw/find.js";
import { MOST_POINTS, pointsOf } from "../../../draw/light_curve/points.js";
import { regionOf } from "../../../draw/region/region.js";
import { getPage, loader, pollAnswer } from "../../../server/api.js";

/** @typedef {"magnitude" | "flux"} Quantity */

const drawing = loader(() => import("../../../draw/light_curve/plot.js"));
const choosing = loader(() => import("./points.js"));

/** @param {number} target */
export function watchCurve(target) {
  const section = part("#light-curve");
  /** @type {Map<Quantity, import("../../../draw/light_curve/plot.js").Plot>} */
  const plots = new Map();
  /** @type {import("./points.js").CurvePoints | null} */
  let tools = null;
  let shown = "";
  const refresh = async () => {
    // Modules first: as long as they do not come, no points are fetched again.
    const [Plot, CurvePoints] = [(await drawing()).Plot, (await choosing()).CurvePoints];
    const { rows, version } = await rowsOf(target);
    if (version === shown) return;
    if (rows.length) await fill(section);
    else shown = version;
    section.hidden = !rows.length;
    if (!rows.length) return;
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
    shown = version; // what could not be loaded is tried again
  };
  return { refresh };
}

/**
 * Have in the section what shows a light curve: the page came without it if it had none.
 *
 * @param {HTMLElement} section
 */
async function fill(section) {
  if (section.firstElementChild) return;
  const { childNodes } = regionOf(section.id, await getPage(`${location.pathname}?curve=true`));
  section.replaceChildren(...childNodes);
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
