// @ts-check
/** Blinking: several frames in turn on the same place of the sky, or of the detector. */

import { Picture } from "../picture/image.js";

/** Slow enough to be no flicker: under three changes a second. */
const EACH_MS = 600;

export class Blink {
  #timer = 0;
  #round = 0;
  #at = 0;
  /** @type {Picture[]} */
  #others = [];

  /**
   * @param {(picture: Picture) => void} show
   * @param {{changed: () => void, failed: (error: unknown) => void}} told
   */
  constructor(show, told) {
    this.show = show;
    this.told = told;
  }

  get on() {
    return this.#timer !== 0;
  }

  /**
   * Begin with the frame that is shown, and go on to the others.
   *
   * @param {Picture} first
   * @param {number[]} others their PKs
   */
  async start(first, others) {
    const known = new Map(this.#others.map((picture) => [picture.pk, picture]));
    const pictures = others.filter((pk) => pk !== first.pk).map((pk) => known.get(pk) ?? new Picture(pk, { hdu: null, plane: 0, colour: false }, this.told));
    this.#others = pictures;
    this.#at = 0;
    clearInterval(this.#timer);
    this.#timer = -1;
    const round = ++this.#round;
    await Promise.all(pictures.map((picture) => picture.facts ?? picture.load()));
    if (!this.on || round !== this.#round) return; // stopped, or begun with others meanwhile
    const all = [first, ...pictures];
    this.#timer = setInterval(() => {
      this.#at = (this.#at + 1) % all.length;
      this.show(all[this.#at]);
    }, EACH_MS);
  }

  /** Stop, with the frame that is shown. */
  stop() {
    if (this.#timer > 0) clearInterval(this.#timer);
    this.#timer = 0;
  }
}
