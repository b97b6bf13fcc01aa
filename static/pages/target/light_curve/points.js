// @ts-check
/** What can be done with the points of a target's light curve: see their origin, leave them out, fold them. */

import { needed } from "../../../draw/connection.js";
import { part, slot } from "../../../draw/find.js";
import { Bar } from "../../../draw/light_curve/bar.js";
import { Chosen } from "../../../draw/light_curve/chosen.js";
import { Values } from "../../../draw/light_curve/values.js";
import { messageOf, showProblem } from "../../../draw/problems.js";
import { get, request } from "../../../server/api.js";

/** @typedef {"magnitude" | "flux"} Quantity */
/** @typedef {import("../../../draw/light_curve/points.js").Point} Point */

export class CurvePoints {
  /** @type {Map<Quantity, Point[]>} */
  #curves = new Map();
  /** @type {import("../../../draw/light_curve/period_form.js").PeriodForm | null} */
  #periods = null;
  /** The point whose origin is shown or asked for. @type {number | null} */
  #led = null;

  /**
   * @param {number} target
   * @param {HTMLElement} section
   * @param {Map<Quantity, import("../../../draw/light_curve/plot.js").Plot>} plots
   * @param {() => Promise<void>} refresh brings the light curve up to date
   */
  constructor(target, section, plots, refresh) {
    this.target = target;
    this.plots = plots;
    this.refresh = refresh;
    this.problem = slot("points-problem", section);
    this.chosen = new Chosen(() => this.#draw());
    this.bar = new Bar(part("#points", section), this.chosen, (out) => void this.#leaveOut(out));
    this.values = new Values(slot("values", section), this.chosen, ({ number }) => this.#leadTo(number));
    opener(part("#export-curve", section));
    opener(part("#find-period", section), () => void this.#offerPeriods());
  }

  /** @param {Map<Quantity, Point[]>} curves */
  show(curves) {
    this.#curves = curves;
    const points = [...curves.values()].flat();
    for (const [quantity, plot] of this.plots) plot.picked = (numbers) => this.#picked(quantity, numbers);
    this.chosen.take(points);
    this.values.show(points);
    this.#periods?.offer(curves);
  }

  /**
   * Choose what was picked in one plot, and what stays chosen in the other one.
   *
   * @param {Quantity} quantity
   * @param {number[]} numbers
   */
  #picked(quantity, numbers) {
    const others = this.chosen.points.filter((point) => Boolean(point.flux) !== (quantity === "flux"));
    this.chosen.set([...(numbers.length ? [] : others.map(({ number }) => number)), ...numbers]);
  }

  #draw() {
    this.bar.draw();
    this.values.drawChosen();
    const numbers = this.chosen.numbers;
    for (const plot of this.plots.values()) plot.choose(numbers);
    if (numbers.length === 1) void this.#showOrigin(numbers[0]);
    else this.#led = null;
  }

  /**
   * Show where a point comes from, and go there.
   *
   * @param {number} number
   */
  #leadTo(number) {
    this.chosen.set([number]);
    const place = part("#points");
    place.scrollIntoView({ block: "nearest" });
    place.focus({ preventScroll: true });
  }

  /** @param {number} number */
  async #showOrigin(number) {
    if (this.#led === number) return;
    this.#led = number;
    try {
      const { origin } = await get(`/api/targets/${this.target}/lightcurve/points/${number}/`);
      if (this.#led === number) this.bar.showOrigin(origin);
    } catch (error) {
      if (this.#led === number) showProblem(this.problem, messageOf(error));
      this.#led = null;
    }
  }

  /** @param {boolean} out */
  async #leaveOut(out) {
    showProblem(this.problem, "");
    const points = this.chosen.points.filter((point) => Boolean(point.out) !== out).map(({ number }) => number);
    try {
      await request("PATCH", `/api/targets/${this.target}/lightcurve/`, { points, left_out: out });
      await this.refresh();
    } catch (error) {
      showProblem(this.problem, messageOf(error));
    }
  }

  async #offerPeriods() {
    if (this.#periods) return;
    const { PeriodForm } = await needed(() => import("../../../draw/light_curve/period_form.js")); // not all look for one
    this.#periods ??= new PeriodForm(
      part("#periods"),
      (wanted, signal) => get(`/api/targets/${this.target}/lightcurve/periodogram/?${wanted}`, signal),
      (period, quantity) => this.plots.get(quantity)?.fold(period),
    );
    this.#periods.offer(this.#curves);
  }
}

/**
 * Let a button open and close what it controls.
 *
 * @param {HTMLElement} button
 * @param {() => void} [opened]
 */
function opener(button, opened) {
  const controlled = part(`#${button.getAttribute("aria-controls")}`);
  button.addEventListener("click", () => {
    controlled.hidden = !controlled.hidden;
    button.setAttribute("aria-expanded", String(!controlled.hidden));
    if (controlled.hidden) return;
    opened?.();
    /** @type {HTMLElement | null} */ (controlled.querySelector("input, select"))?.focus();
  });
}
