// @ts-check
/** The search for a period: what is asked for, and what was found. Asking is left to the page. */

import { part, slot } from "../find.js";
import { clearProblems, showProblems } from "../form_problems.js";
import { setText } from "../times.js";
import { counted, number } from "../wording.js";
import { filtersOf } from "./light_curve.js";
import { drawPeriodogram, shownPeriod } from "./periodogram.js";

/** Chances below this are all the same to anybody. */
const LEAST_CHANCE = 1e-12;

/** @typedef {import("./points.js").Curve["quantity"]} Quantity */

export class PeriodForm {
  /**
   * @param {HTMLElement} place
   * @param {(wanted: URLSearchParams, signal: AbortSignal) => Promise<any>} search
   * @param {(period: number, quantity: Quantity) => void} fold
   */
  constructor(place, search, fold) {
    this.place = place;
    this.search = search;
    this.fold = fold;
    this.form = /** @type {HTMLFormElement} */ (part("form", place));
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#search();
    });
    part('[data-act="stop"]', place).addEventListener("click", () => this.#stop());
    slot("peaks", place).addEventListener("click", (event) => {
      const button = /** @type {Element} */ (event.target).closest("button");
      if (button) this.#fold(Number(button.dataset.period));
    });
  }

  /** @type {AbortController | null} */
  #going = null;
  /** @type {Quantity} */
  #quantity = "magnitude";

  /** @param {Map<Quantity, import("./points.js").Point[]>} curves what there is to be searched */
  offer(curves) {
    const select = /** @type {HTMLSelectElement} */ (part('[name="points"]', this.form));
    const options = [...curves].flatMap(([quantity, points]) => optionsOf(quantity, points, curves.size > 1));
    const texts = options.map(({ text }) => text).join("\n");
    if ([...select.options].map(({ text }) => text).join("\n") === texts) return;
    const chosen = select.value;
    select.replaceChildren(...options);
    if (options.some(({ value }) => value === chosen)) select.value = chosen;
  }

  async #search() {
    this.#stop();
    clearProblems(this.form);
    const going = new AbortController();
    this.#going = going;
    this.#setBusy(true);
    const wanted = this.#wanted();
    try {
      const found = await this.search(wanted, going.signal);
      if (this.#going === going) this.#show(found, /** @type {Quantity} */ (wanted.get("quantity")));
    } catch (error) {
      if (!going.signal.aborted) this.#refused(error);
    } finally {
      if (this.#going === going) this.#stop();
    }
  }

  /** Stop asking; the server then stops searching. */
  #stop() {
    this.#going?.abort();
    this.#going = null;
    this.#setBusy(false);
  }

  /** @param {boolean} busy */
  #setBusy(busy) {
    const stop = part('[data-act="stop"]', this.place);
    if (!busy && document.activeElement === stop) part("button.primary", this.form).focus();
    stop.hidden = !busy;
    if (busy) setText(slot("found", this.place), "Searching…");
    else if (slot("found", this.place).textContent === "Searching…") setText(slot("found", this.place), "");
  }

  #wanted() {
    const given = new FormData(this.form);
    const wanted = new URLSearchParams(String(given.get("points") ?? ""));
    for (const name of ["minimum", "maximum"]) {
      const days = String(given.get(name) ?? "").trim().replace(",", ".");
      if (days) wanted.set(name, days);
    }
    return wanted;
  }

  /** @param {unknown} error */
  #refused(error) {
    this.#clear();
    showProblems(this.form, error);
  }

  #clear() {
    setText(slot("found", this.place), "");
    slot("chart", this.place).replaceChildren();
    slot("peaks", this.place).replaceChildren();
  }

  /**
   * @param {any} found
   * @param {Quantity} quantity
   */
  #show(found, quantity) {
    this.#quantity = quantity;
    setText(slot("found", this.place), sentenceOn(found));
    drawPeriodogram(slot("chart", this.place), found, (period) => this.#fold(period));
    slot("peaks", this.place).replaceChildren(...found.peaks.map(peakOf));
  }

  /** @param {number} period */
  #fold(period) {
    this.fold(Number(shownPeriod(period)), this.#quantity);
  }
}

/**
 * @param {Quantity} quantity
 * @param {import("./points.js").Point[]} points
 * @param {boolean} named whether there are both quantities
 */
function optionsOf(quantity, points, named) {
  const filters = filtersOf(points.filter(({ limit, out }) => !limit && !out));
  const what = named ? `${quantity === "flux" ? "fluxes" : "magnitudes"}, ` : "";
  const all = new Option(`${what}${filters.length > 1 ? "all filters, each with its own mean" : "all points"}`, `quantity=${quantity}`);
  if (filters.length < 2) return [all];
  return [all, ...filters.map((name) => new Option(`${what}${name || "no filter"}`, String(new URLSearchParams({ quantity, filter: name }))))];
}

/** @param {any} found */
function sentenceOn({ peaks: [best], points, filters, span, frequencies, minimum, maximum, weighted, unlikely }) {
  const stands = best.false_alarm_probability <= unlikely.probability;
  const chance = chanceOf(best.false_alarm_probability);
  const first = stands
    ? `The best period is ${shownPeriod(best.period)} days, with a false-alarm probability of ${chance}.`
    : `No period stands out: noise alone would be as good as ${shownPeriod(best.period)} days with a probability of ${chance}.`;
  const many = filters.length > 1 ? ` in ${filters.length} filters` : "";
  const errors = weighted ? "" : ", not weighted, as not all errors are known";
  return `${first} Searched: ${counted(points, "point")}${many} over ${round(span)} days, ${number(frequencies)} periods from ${round(minimum)} to ${round(maximum)} days${errors}.`;
}

/** @param {any} peak */
function peakOf({ period, power, false_alarm_probability: chance }) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: "small", textContent: `${shownPeriod(period)} days` });
  button.setAttribute("aria-label", `Fold by ${shownPeriod(period)} days`);
  button.dataset.period = String(period);
  item.append(button, ` power ${round(power)}, false alarm ${chanceOf(chance)}`);
  return item;
}

/** @param {number} chance */
function chanceOf(chance) {
  if (chance < LEAST_CHANCE) return "under 1e-12";
  if (chance < 1e-4) return chance.toExponential(1);
  return chance > 0.9999 ? "over 99.99 %" : `${Number((chance * 100).toPrecision(2))} %`;
}

/** @param {number} value */
function round(value) {
  return String(Number(value.toPrecision(4)));
}
