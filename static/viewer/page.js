// @ts-check
/** The viewer on the page of a data product: finds its place there and puts it together. */

import { copyText } from "../draw/browser/clipboard.js";
import { needed } from "../draw/connection.js";
import { part, parts, slot } from "../draw/find.js";
import { messageOf, showProblem } from "../draw/problems.js";
import { ApiError, get } from "../server/api.js";
import { Controls } from "./controls.js";
import { Readout } from "./readout.js";
import { Viewer } from "./viewer.js";

/** @param {HTMLElement} place */
export function openViewer(place) {
  const { pk, width, height, name, ra, dec, target } = place.dataset;
  const frame = {
    pk: Number(pk),
    width: Number(width),
    height: Number(height),
    name: name ?? "",
    target: ra && dec ? { ra: Number(ra), dec: Number(dec), name: target ?? "" } : null,
  };
  const readout = new Readout({ pixel: slot("pixel", place), value: slot("value", place), position: slot("position", place) });
  const screen = part(".screen", place);
  const viewer = new Viewer(screen, /** @type {HTMLCanvasElement} */ (part("canvas", screen)), readout, frame, {
    changed: () => {
      controls.show();
      series?.aim();
    },
    failed: (error) => void explain(place, frame.pk, error),
    described: () => {
      controls.describe();
      void addSeries();
    },
  });
  const controls = new Controls(place, viewer, (hdu) => void choose(place, viewer, hdu));
  /** @type {import("./series/controls.js").SeriesControls | null} */
  let series = null;
  /** The other frames come when this one is there. */
  async function addSeries() {
    const { SeriesControls } = await needed(() => import("./series/controls.js"));
    series ??= new SeriesControls(place, viewer, () => controls.show());
    series.show();
  }
  // An address that was pasted; other fragments, as of the link to the content, are no states.
  addEventListener("hashchange", () => location.hash.includes("=") && location.reload());
  part('[data-act="copy"]', place).addEventListener("click", () => void copy(place, readout.position));
  void viewer.open().catch((error) => explain(place, frame.pk, error));
}

/**
 * @param {HTMLElement} place
 * @param {Viewer} viewer
 * @param {number} index of an HDU
 */
async function choose(place, viewer, index) {
  const hdu = viewer.picture.facts.hdus.find((/** @type {any} */ each) => each.index === index);
  const image = /image|detector/.test(hdu.kind);
  for (const each of parts("[data-image]", place)) each.hidden = !image;
  slot("table", place).hidden = image;
  if (!image) {
    const { showHdu } = await needed(() => import("./tables.js"));
    await showHdu(slot("table", place), viewer.frame.pk, hdu);
    return;
  }
  Object.assign(viewer.state, { hdu: index, plane: 0, colour: false, low: null, high: null, x: null, y: null, zoom: null });
  viewer.write();
  void viewer.open().catch((error) => explain(place, viewer.frame.pk, error));
}

/**
 * Say why nothing can be shown: the reason is told where a preview cannot be drawn.
 *
 * @param {HTMLElement} place
 * @param {number} pk
 * @param {unknown} error
 */
async function explain(place, pk, error) {
  let message = messageOf(error);
  if (error instanceof ApiError && error.status === 404) {
    try {
      await get(`/dataproducts/${pk}/preview.png?size=64`);
    } catch (reason) {
      message = messageOf(reason);
    }
    place.hidden = true;
  }
  showProblem(part("#product-problem"), message);
}

/**
 * @param {HTMLElement} place
 * @param {string} position
 */
async function copy(place, position) {
  const said = slot("copied", place);
  if (!position) {
    said.textContent = "There is no position";
    return;
  }
  try {
    await copyText(position.replaceAll("−", "-"));
    said.textContent = "Copied";
  } catch (error) {
    said.textContent = messageOf(error);
  }
}
