// @ts-check
/** A light curve with its controls around the frame that draws it. */

import { copyOf, part, slot } from "../find.js";
import { showProblem } from "../problems.js";
import { setText } from "../times.js";
import { counted, number } from "../wording.js";
import { filtersOf, ordinal, seriesOf } from "./light_curve.js";

const DRAW_TIMEOUT_MS = 30_000;
const TYPING_MS = 250;
/** More error bars than these would hide the points: then they are drawn on some of the points. */
const MOST_BARS = 400;

export class Plot {
  /** @type {import("./points.js").Point[]} */
  #points = [];
  #timeName = "Time";
  /** @type {"magnitude" | "flux"} */
  #quantity = "magnitude";
  /** @type {Set<string>} */
  #hidden = new Set();
  /** @type {number | null} */
  #period = null;
  #ready = false;
  #calendar = false;
  #dates = false;
  #withOut = true;
  /** @type {number[]} */
  #chosen = [];
  /** Is told of the points that the reader has chosen in the plot. @type {(numbers: number[]) => void} */
  picked = () => {};

  /** @param {HTMLElement} place gets the plot as its last child */
  constructor(place) {
    this.figure = copyOf("#plot-template");
    place.append(this.figure);
    this.frame = /** @type {HTMLIFrameElement} */ (slot("frame", this.figure));
    const late = setTimeout(() => this.#fail(), DRAW_TIMEOUT_MS);
    addEventListener("message", (event) => {
      if (event.source !== this.frame.contentWindow) return;
      clearTimeout(late);
      this.#receive(event.data);
    });
    this.#listenToPeriod();
    this.#listenToChoices();
  }

  /** @param {import("./points.js").Curve} curve */
  show({ quantity, time, points, notes, calendar }) {
    this.#points = points;
    this.#calendar = Boolean(calendar);
    slot("axis", this.figure).hidden = !calendar;
    slot("out", this.figure).hidden = !points.some(({ out }) => out);
    this.#timeName = time;
    this.#quantity = quantity;
    setText(slot("notes", this.figure), notes.join(" "));
    this.#drawBands();
    this.#draw();
  }

  /**
   * Show that these points are chosen.
   *
   * @param {number[]} numbers
   */
  choose(numbers) {
    this.#chosen = numbers;
    if (this.#ready) this.#post({ type: "choose", numbers });
  }

  /** @param {number} period in days */
  fold(period) {
    const input = /** @type {HTMLInputElement} */ (part('[name="period"]', this.figure));
    input.value = String(period);
    this.#fold(input);
  }

  /** @param {object} message */
  #post(message) {
    // The frame has no origin that could be named; what it is sent is on this page anyway.
    this.frame.contentWindow?.postMessage(message, "*");
  }

  /** @param {any} message */
  #receive(message) {
    switch (message?.type) {
      case "ready":
        this.#ready = true;
        return this.#draw();
      case "drawn":
        this.figure.dataset.state = "drawn";
        return;
      case "picked":
        return this.picked(message.numbers);
      default:
        this.#fail();
    }
  }

  #fail() {
    setText(slot("words", this.figure), "The light curve cannot be drawn in this browser.");
  }

  #draw() {
    const shown = new Set(filtersOf(this.#points).filter((name) => !this.#hidden.has(name)));
    const points = this.#withOut ? this.#points : this.#points.filter(({ out }) => !out);
    const dates = this.#calendar && this.#dates && this.#period === null;
    const series = seriesOf(points, shown, this.#period, dates);
    setText(slot("words", this.figure), descriptionOf(series, this.#period, this.#quantity));
    if (!this.#ready) return;
    const timeName = dates ? "Date (UTC)" : this.#timeName;
    const xLabel = this.#period === null ? timeName : `Phase (period ${this.#period} d)`;
    const quantity = this.#quantity;
    const yLabel = quantity === "flux" ? "Flux" : "Magnitude";
    this.#post({ type: "draw", series, quantity, barStep: barStepOf(series), xLabel, yLabel, dates, chosen: this.#chosen });
  }

  #listenToPeriod() {
    const input = /** @type {HTMLInputElement} */ (part('[name="period"]', this.figure));
    let timer = 0;
    input.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => this.#fold(input), TYPING_MS);
    });
  }

  #listenToChoices() {
    const axis = /** @type {HTMLSelectElement} */ (part('[name="axis"]', this.figure));
    axis.addEventListener("change", () => {
      this.#dates = axis.value === "date";
      this.#draw();
    });
    const out = /** @type {HTMLInputElement} */ (part('[name="out"]', this.figure));
    out.addEventListener("change", () => {
      this.#withOut = out.checked;
      this.#draw();
    });
  }

  /** @param {HTMLInputElement} input */
  #fold(input) {
    const text = input.value.trim().replace(",", ".");
    const period = text ? Number(text) : null;
    const wrong = period !== null && !(period > 0 && Number.isFinite(period));
    input.toggleAttribute("aria-invalid", wrong);
    showProblem(slot("problem", this.figure), wrong ? "Write a number of days, as 0.527." : "");
    if (wrong || period === this.#period) return;
    this.#period = period;
    this.#draw();
  }

  #drawBands() {
    const names = filtersOf(this.#points);
    const place = slot("bands", this.figure);
    place.hidden = names.length < 2;
    const known = [...place.querySelectorAll("input")].map((box) => box.value);
    if (known.join("\n") === names.join("\n")) return;
    for (const label of place.querySelectorAll("label")) label.remove();
    place.append(...names.map((name) => this.#band(name)));
  }

  /** @param {string} name */
  #band(name) {
    const label = document.createElement("label");
    const box = document.createElement("input");
    label.className = "check";
    Object.assign(box, { type: "checkbox", value: name, checked: !this.#hidden.has(name) });
    box.addEventListener("change", () => {
      if (box.checked) this.#hidden.delete(name);
      else this.#hidden.add(name);
      this.#draw();
    });
    label.append(box, name || "no filter");
    return label;
  }
}

/**
 * Describe the plot for readers who cannot see it.
 *
 * @param {{name: string, x: number[], y: number[], limit: boolean[], out: boolean[], error: (number | null)[]}[]} series
 * @param {number | null} period
 * @param {"magnitude" | "flux"} quantity
 */
function descriptionOf(series, period, quantity) {
  const all = series.flatMap(({ y }) => y);
  if (!all.length) return "No point is shown.";
  const turns = period === null ? 1 : 2;
  const out = series.flatMap((each) => each.out.filter(Boolean)).length / turns;
  const limits = series.flatMap(({ limit, out: gone }) => limit.filter((each, index) => each && !gone[index])).length / turns;
  const points = counted(all.length / turns - out - limits, "point");
  const hollow = out ? `; ${number(out)} left out (hollow)` : "";
  const upper = limits ? ` and ${counted(limits, "non-detection")} (open triangles, at the edge if they are fainter than it)` : "";
  const folded = period === null ? "" : `, folded by ${period} days`;
  const step = barStepOf(series);
  const bars = step > 1 ? `; error bars on every ${ordinal(step)} point` : "";
  return `${points}${upper}, from ${quantity} ${rangeOf(series)}${folded}${bars}${hollow}`;
}

/**
 * Return of how many points one has an error bar.
 *
 * @param {{error: (number | null)[]}[]} series
 */
function barStepOf(series) {
  const known = series.flatMap(({ error }) => error.filter((each) => each !== null)).length;
  return Math.max(1, Math.ceil(known / MOST_BARS));
}

/** @param {{y: number[], limit: boolean[], out: boolean[]}[]} series */
function rangeOf(series) {
  const detected = series.flatMap(({ y, limit, out }) => y.filter((_, index) => !limit[index] && !out[index]));
  const shown = detected.length ? detected : series.flatMap(({ y }) => y);
  const [least, most] = shown.reduce(([low, high], y) => [Math.min(low, y), Math.max(high, y)], [Infinity, -Infinity]);
  return `${round(least)} to ${round(most)}`;
}

/** @param {number} value */
function round(value) {
  return String(Math.abs(value) < 1e-2 || Math.abs(value) >= 1e6 ? Number(value.toPrecision(4)) : Math.round(value * 1000) / 1000);
}
