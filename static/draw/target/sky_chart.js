// @ts-check
/** Draws a night of a target: its altitude and the Moon's over the time, with twilight behind them. */

import { clockOf, headline, nameOfClock, shownSpan, utc } from "./sky_words.js";

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 264;
const EDGE = { left: 38, right: 40, top: 36, bottom: 36 };
const HOUR = 3600;
/** The least distance of two labels of the time axis, in pixels. */
const LABEL_WIDTH = 46;
const ALTITUDES = [0, 30, 60, 90];
/** True altitudes of some airmasses. */
const AIRMASSES = [["1", 90], ["1.2", 56.4], ["1.5", 41.8], ["2", 30], ["3", 19.3]];

export class SkyChart {
  /** @type {import("./sky_words.js").Night | null} */
  #night = null;
  /** @type {SVGElement | null} */
  #nowLine = null;
  #width = 0;
  #now = 0;

  /** @param {HTMLElement} box */
  constructor(box) {
    this.box = box;
    new ResizeObserver(() => {
      if (box.clientWidth !== this.#width) this.#draw();
    }).observe(box);
  }

  /**
   * @param {import("./sky_words.js").Night} night
   * @param {number} now in Unix seconds
   */
  show(night, now) {
    this.#night = night;
    this.#now = now;
    this.#draw();
  }

  /** @param {number} now in Unix seconds */
  moveNow(now) {
    this.#now = now;
    const line = this.#nowLine;
    if (!line || !this.#night) return;
    const [from, to] = shownSpan(this.#night);
    line.toggleAttribute("hidden", now < from || now > to);
    const x = this.#x(now);
    for (const name of ["x1", "x2"]) line.setAttribute(name, x.toFixed(1));
  }

  get #inner() {
    return { width: this.#width - EDGE.left - EDGE.right, height: HEIGHT - EDGE.top - EDGE.bottom };
  }

  /** @param {number} time */
  #x(time) {
    const [from, to] = shownSpan(/** @type {import("./sky_words.js").Night} */ (this.#night));
    return ((time - from) / (to - from)) * this.#inner.width;
  }

  /** @param {number} altitude */
  #y(altitude) {
    return (1 - altitude / 90) * this.#inner.height;
  }

  #draw() {
    const night = this.#night;
    this.#width = this.box.clientWidth;
    if (!night || this.#width < EDGE.left + EDGE.right + LABEL_WIDTH) return; // it is folded
    const { width, height } = this.#inner;
    const whole = drawn("svg", { width: this.#width, height: HEIGHT, class: "sky-chart", role: "img" });
    whole.setAttribute("aria-label", `Altitude over the night of ${night.night}. ${headline(night)}`);
    // An inner one clips what is beneath the horizon.
    const plot = drawn("svg", { x: EDGE.left, y: EDGE.top, width, height, "aria-hidden": "true" });
    plot.append(...this.#phases(night), ...this.#lines(), this.#track(night, night.moon.altitude, "sky-moon"));
    plot.append(this.#track(night, night.altitude, "sky-target"), ...this.#best(night));
    this.#nowLine = drawn("line", { class: "sky-now", y1: 0, y2: height });
    plot.append(this.#nowLine);
    whole.append(plot, ...this.#scales(), ...this.#hours(night));
    this.box.replaceChildren(whole);
    this.moveNow(this.#now);
  }

  /** @param {import("./sky_words.js").Night} night */
  #phases({ sun }) {
    return sun.phases.map(({ phase, start, end }) => {
      const [from, to] = [this.#x(start), this.#x(end)];
      return drawn("rect", { class: `sky-${phase}`, x: from, y: 0, width: to - from, height: this.#inner.height });
    });
  }

  #lines() {
    return ALTITUDES.map((altitude) => {
      const y = this.#y(altitude);
      return drawn("line", { class: "sky-grid", x1: 0, x2: this.#inner.width, y1: y, y2: y });
    });
  }

  /**
   * @param {import("./sky_words.js").Night} night
   * @param {number[]} altitudes
   * @param {string} kind
   */
  #track({ times }, altitudes, kind) {
    const places = times.map((time, at) => `${this.#x(time).toFixed(1)},${this.#y(altitudes[at]).toFixed(1)}`);
    return drawn("polyline", { class: kind, points: places.join(" ") });
  }

  /** @param {import("./sky_words.js").Night} night */
  #best({ best }) {
    if (!best) return [];
    const [from, to] = [this.#x(best.start), this.#x(best.end)];
    return [drawn("rect", { class: "sky-best", x: from, y: this.#inner.height - 5, width: to - from, height: 5 })];
  }

  #scales() {
    const left = ALTITUDES.map((altitude) => text(`${altitude}°`, EDGE.left - 6, this.#y(altitude) + EDGE.top + 4, "end"));
    const right = AIRMASSES.map(([airmass, altitude]) =>
      text(String(airmass), this.#width - EDGE.right + 6, this.#y(Number(altitude)) + EDGE.top + 4, "start"),
    );
    return [...left, ...right, text("airmass", this.#width - 2, 12, "end"), text("altitude", 2, 12, "start")];
  }

  /** @param {import("./sky_words.js").Night} night */
  #hours(night) {
    const local = clockOf(night.site);
    const [from, to] = shownSpan(night);
    const room = (LABEL_WIDTH / this.#inner.width) * (to - from);
    const step = [1, 2, 3, 6, 12].map((hours) => hours * HOUR).find((each) => each >= room) ?? 24 * HOUR;
    const labels = [];
    for (let time = Math.ceil(from / step) * step; time <= to; time += step) {
      const x = this.#x(time) + EDGE.left;
      labels.push(text(utc(time), x, HEIGHT - EDGE.bottom + 15, "middle"), text(local(time), x, EDGE.top - 6, "middle"));
    }
    const middle = this.#width / 2;
    return [...labels, text("UTC", middle, HEIGHT - 4, "middle"), text(nameOfClock(night.site), middle, 12, "middle")];
  }
}

/**
 * @param {string} words
 * @param {number} x
 * @param {number} y
 * @param {"start" | "middle" | "end"} anchor
 */
function text(words, x, y, anchor) {
  const element = drawn("text", { x, y, "text-anchor": anchor });
  element.textContent = words;
  return element;
}

/**
 * @param {string} name
 * @param {Record<string, string | number>} attributes
 * @returns {SVGElement}
 */
function drawn(name, attributes) {
  const element = /** @type {SVGElement} */ (document.createElementNS(SVG, name));
  for (const [key, value] of Object.entries(attributes)) {
    element.setAttribute(key, typeof value === "number" ? String(Math.round(value * 10) / 10) : value);
  }
  return element;
}
