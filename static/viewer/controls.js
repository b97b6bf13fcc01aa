// @ts-check
/** The controls around the screen: they say how things are, and change them. */

import { part, parts, slot } from "../draw/find.js";
import { counted } from "../draw/wording.js";
import { Histogram } from "./histogram.js";
import { valueText } from "./readout.js";
import { angleText } from "./picture/sky.js";
import { MAP_NAMES, apart } from "./picture/shades.js";

const ZOOM_STEP = Math.SQRT2;
const POINTS = ["north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west"];

export class Controls {
  /**
   * @param {HTMLElement} root
   * @param {import("./viewer.js").Viewer} viewer
   * @param {(hdu: number) => void} chooseHdu
   */
  constructor(root, viewer, chooseHdu) {
    this.root = root;
    this.viewer = viewer;
    this.histogram = new Histogram(
      /** @type {HTMLCanvasElement} */ (part(".histogram", root)),
      ([low, high]) => viewer.look({ low, high, cuts: "99.5" }),
    );
    this.#press("fit", () => viewer.fit());
    this.#press("pixels", () => viewer.zoom(1, 1));
    this.#press("closer", () => viewer.zoom(ZOOM_STEP));
    this.#press("farther", () => viewer.zoom(1 / ZOOM_STEP));
    this.#press("invert", () => viewer.look({ invert: !viewer.state.invert }));
    this.#press("reset", () => viewer.look({ low: null, high: null, cuts: "99.5", bias: 0.5, contrast: 1 }));
    this.#press("map-next", () => viewer.look({ map: MAP_NAMES[(MAP_NAMES.indexOf(viewer.state.map) + 1) % MAP_NAMES.length] }));
    this.#press("contrast", () => {
      viewer.contrasting = !viewer.contrasting;
      this.show();
    });
    this.#press("colour", () => {
      viewer.state.colour = !viewer.state.colour;
      void viewer.open().catch(viewer.told.failed);
      viewer.write();
      this.show();
    });
    this.#select("map", (map) => viewer.look({ map }));
    this.#select("stretch", (stretch) => viewer.look({ stretch }));
    this.#select("cuts", (cuts) => cuts && viewer.look({ cuts, low: null, high: null }));
    this.#select("hdu", (hdu) => chooseHdu(Number(hdu)));
    for (const name of ["low", "high"]) {
      this.#field(name).addEventListener("change", () => this.#typed());
    }
    this.#field("plane").addEventListener("input", () => {
      viewer.state.plane = Number(this.#field("plane").value) - 1;
      void viewer.open().catch(viewer.told.failed);
      viewer.write();
      this.show();
    });
  }

  /** Say how things are. */
  show() {
    const { state, view, picture } = this.viewer;
    for (const name of ["invert", "contrast", "colour"]) {
      const on = name === "contrast" ? this.viewer.contrasting : state[/** @type {"invert" | "colour"} */ (name)];
      part(`[data-act="${name}"]`, this.root).setAttribute("aria-pressed", String(on));
    }
    part(`[data-act="blink"]`, this.root).setAttribute("aria-pressed", String(this.viewer.blink.on));
    part(`[data-act="colour"]`, this.root).hidden = !picture.hasColours;
    this.#field("map").value = state.map;
    this.#field("stretch").value = state.stretch;
    this.#field("cuts").value = state.low === null ? state.cuts : "";
    slot("zoom", this.root).textContent = view.zoom >= 1 ? `${Number(view.zoom.toFixed(2))}×` : `1/${Number((1 / view.zoom).toFixed(2))}×`;
    const cuts = this.viewer.cuts();
    const three = cuts?.length === 3;
    for (const [at, name] of ["low", "high"].entries()) {
      const field = this.#field(name);
      field.disabled = three || !cuts;
      if (cuts && document.activeElement !== field) field.value = three ? "" : valueText(cuts[0][at]);
    }
    this.histogram.show(three ? null : picture.facts?.histogram ?? null, cuts?.[0] ?? [0, 1]);
  }

  /** Say what the description of the image told. */
  describe() {
    const { facts } = this.viewer.picture;
    const hdu = this.#field("hdu");
    if (!hdu.options.length) {
      for (const each of facts.hdus) hdu.append(new Option(hduText(each), String(each.index)));
      this.#row("hdu").hidden = facts.hdus.length < 2;
    }
    hdu.value = String(facts.hdu);
    const plane = this.#field("plane");
    this.#row("plane").hidden = facts.planes < 2;
    plane.max = String(facts.planes);
    plane.value = String(facts.plane + 1);
    slot("plane", this.root).textContent = `${facts.plane + 1} / ${facts.planes}`;
    slot("statistics", this.root).textContent = statisticsText(facts.statistics);
    this.#warn();
    this.show();
  }

  #warn() {
    const target = this.viewer.target();
    const warning = slot("warning", this.root);
    warning.hidden = !target || (target.inside && !target.off);
    if (!target || warning.hidden) return;
    const where = `${angleText(target.angle)} ${POINTS[Math.round(target.direction / 45) % 8]} of the middle`;
    warning.textContent = target.inside
      ? `This field is not centred on ${target.name}, which is ${where}.`
      : `${target.name} is not in this field: it is ${where}.`;
  }

  #typed() {
    const [low, high] = ["low", "high"].map((name) => Number(this.#field(name).value.replace("−", "-").replace(",", ".")));
    const typed = [low, high].every(Number.isFinite);
    for (const name of ["low", "high"]) this.#field(name).setAttribute("aria-invalid", String(!typed));
    if (!typed) return;
    const [from, to] = apart(Math.min(low, high), Math.max(low, high));
    this.viewer.look({ low: from, high: to });
  }

  /**
   * @param {string} act
   * @param {() => void} does
   */
  #press(act, does) {
    for (const button of parts(`[data-act="${act}"]`, this.root)) button.addEventListener("click", does);
  }

  /**
   * @param {string} name
   * @param {(value: string) => void} does
   */
  #select(name, does) {
    this.#field(name).addEventListener("change", () => does(this.#field(name).value));
  }

  /**
   * @param {string} name
   * @returns {any} a field or a select
   */
  #field(name) {
    return part(`[name="${name}"]`, this.root);
  }

  /** @param {string} name */
  #row(name) {
    return /** @type {HTMLElement} */ (this.#field(name).closest("label"));
  }
}

/** @param {import("../server/pixels.js").Hdu} hdu */
function hduText({ index, name, kind, shape }) {
  const sides = kind === "table" ? counted(shape[0], "row") : [...shape].reverse().join(" × ");
  return [`${kind === "detector" ? "all" : index}`, name, kind, sides].filter(Boolean).join(" · ");
}

/** @param {any} statistics */
function statisticsText(statistics) {
  if (!statistics) return "All pixels are blank.";
  const { min, max, median, mean, sigma } = statistics;
  const facts = { min, median, mean, "σ": sigma, max };
  return Object.entries(facts).map(([name, value]) => `${name}\u00a0${valueText(value)}`).join(" · ");
}
