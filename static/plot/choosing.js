// @ts-check
/**
 * The points that the reader chooses in a plot. It is no module, because a page without an origin
 * cannot load one: `frame.js` finds it as `Choosing`.
 */
"use strict";

(() => {
  /** A tap moves less. */
  const TAP_PIXELS = 5;

  class Choosing {
    /** The data of each kind of points, whose `selected` are those that are chosen. @type {any[]} */
    #sources = [];
    /** The plot as it is drawn. @type {any} */
    view = null;
    #showing = false;
    #timer = 0;
    /** Where the pointer was put down, and where it was lifted if that was there. @type {any} */
    #down = null;
    /** @type {any} */
    #tapped = null;

    /** @param {(numbers: number[]) => void} report is told what is chosen */
    constructor(report) {
      this.report = report;
      addEventListener("pointerdown", (event) => { this.#down = event; }, true);
      addEventListener("pointerup", (event) => {
        const still = this.#down && Math.hypot(event.clientX - this.#down.clientX, event.clientY - this.#down.clientY) < TAP_PIXELS;
        this.#tapped = still && !event.shiftKey ? event : null;
      }, true);
    }

    /** Forget all points, as others will be drawn. */
    clear() {
      this.#sources = [];
    }

    /** @param {any} source data with the `number` of each point */
    add(source) {
      this.#sources.push(source);
      source.selected.properties.indices.change.connect(() => this.#changed());
    }

    /** @param {number[]} chosen */
    show(chosen) {
      const numbers = new Set(chosen);
      this.#showing = true;
      for (const { data, selected } of this.#sources) {
        const indices = data.number.flatMap((/** @type {number} */ number, /** @type {number} */ index) => (numbers.has(number) ? [index] : []));
        if (indices.length || selected.indices.length) selected.indices = indices;
      }
      this.#showing = false;
    }

    /** Tell what is chosen, once for all kinds of points. */
    #changed() {
      if (this.#showing) return;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => {
        const found = this.#sources.flatMap(({ data, selected }) => selected.indices.map((/** @type {number} */ index) => ({ number: data.number[index], x: data.x[index], y: data.y[index] })));
        const numbers = new Set((this.#tapped ? this.#nearest(found) : found).map(({ number }) => number));
        if (numbers.size < found.length) this.show([...numbers]);
        this.report([...numbers]);
      }, 0);
    }

    /**
     * Return the point that was tapped on: where they are dense, several are under a finger.
     *
     * @param {{number: number, x: number, y: number}[]} points
     */
    #nearest(points) {
      const { left, top } = this.view.canvas_view.el.getBoundingClientRect();
      const { x_scale: across, y_scale: along } = this.view.frame;
      const { clientX, clientY } = this.#tapped;
      const distance = (/** @type {any} */ { x, y }) => Math.hypot(left + across.compute(x) - clientX, top + along.compute(y) - clientY);
      return [...points].sort((one, other) => distance(one) - distance(other)).slice(0, 1);
    }
  }

  Object.assign(window, { Choosing });
})();
