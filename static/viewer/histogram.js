// @ts-check
/** The histogram of an image with its cuts, which are dragged; numbers beside it say the same. */

const GRAB_PIXELS = 12;

/**
 * @typedef {{from: number, to: number, counts: number[]}} Counts
 */

export class Histogram {
  /** @type {Counts | null} */
  #counts = null;
  /** @type {[number, number]} */
  #cuts = [0, 1];

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {(cuts: [number, number]) => void} changed called while a cut is dragged
   */
  constructor(canvas, changed) {
    this.canvas = canvas;
    let held = -1;
    canvas.addEventListener("pointerdown", (event) => {
      held = this.#nearest(event.offsetX);
      if (held >= 0) canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (held < 0) return;
      const cuts = /** @type {[number, number]} */ ([...this.#cuts]);
      cuts[held] = this.#value(event.offsetX);
      if (cuts[0] < cuts[1]) changed(cuts);
    });
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (held = -1));
  }

  /**
   * @param {Counts | null} counts
   * @param {[number, number]} cuts
   */
  show(counts, cuts) {
    this.#counts = counts;
    this.#cuts = cuts;
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!width) return;
    const density = devicePixelRatio;
    this.canvas.width = width * density;
    this.canvas.height = height * density;
    const context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
    context.scale(density, density);
    if (counts) this.#draw(context, width, height, counts);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {number} width
   * @param {number} height
   * @param {Counts} counts
   */
  #draw(context, width, height, { counts }) {
    const style = getComputedStyle(this.canvas);
    // Logarithmic: stars are few beside the sky.
    const most = Math.log1p(Math.max(...counts));
    const [low, high] = this.#cuts.map((cut) => this.#place(cut));
    const { from, to } = this.#range();
    context.fillStyle = style.getPropertyValue("--muted");
    const each = (width * (this.#end("to") - this.#end("from"))) / (to - from) / counts.length;
    const begin = this.#place(this.#end("from"));
    counts.forEach((count, at) => {
      const tall = most ? (Math.log1p(count) / most) * (height - 4) : 0;
      context.fillRect(begin + at * each, height - tall, Math.max(each, 0.5), tall);
    });
    context.fillStyle = style.getPropertyValue("--sun");
    context.globalAlpha = 0.18;
    context.fillRect(low, 0, high - low, height);
    context.globalAlpha = 1;
    context.fillStyle = style.getPropertyValue("--running");
    for (const cut of [low, high]) context.fillRect(cut - 1.5, 0, 3, height);
  }

  /** @param {"from" | "to"} end */
  #end(end) {
    return this.#counts?.[end] ?? 0;
  }

  /** Return the values at the ends of the drawing: those of the histogram, or cuts beyond it. */
  #range() {
    const [low, high] = this.#cuts;
    const span = this.#end("to") - this.#end("from");
    const most = 2 * span;  // cuts far away do not press it together
    return {
      from: Math.max(Math.min(this.#end("from"), low), this.#end("from") - most),
      to: Math.min(Math.max(this.#end("to"), high), this.#end("to") + most),
    };
  }

  /** @param {number} value */
  #place(value) {
    const { from, to } = this.#range();
    return Math.min(Math.max((value - from) / (to - from), 0), 1) * this.canvas.clientWidth;
  }

  /** @param {number} right */
  #value(right) {
    const { from, to } = this.#range();
    return from + Math.min(Math.max(right / this.canvas.clientWidth, 0), 1) * (to - from);
  }

  /** @param {number} right */
  #nearest(right) {
    const away = this.#cuts.map((cut) => Math.abs(this.#place(cut) - right));
    const nearest = away[0] < away[1] ? 0 : 1;
    return away[nearest] <= GRAB_PIXELS ? nearest : -1;
  }
}
