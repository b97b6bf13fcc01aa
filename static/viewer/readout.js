// @ts-check
/** What is under the cursor: the pixel as FITS counts it, its value, its position in the sky. */

import { getPixels } from "../server/pixels.js";
import { sexagesimal } from "./picture/sky.js";

/** Single pixels are fetched in squares of this side once the cursor rests. */
const SIDE = 64;
const REST_MS = 60;
const MOST_SQUARES = 64;

export class Readout {
  /** @type {Map<string, Promise<import("../server/pixels.js").Pixels | null>>} */
  #squares = new Map();
  #timer = 0;
  /** What is shown, for whoever copies it. */
  position = "";

  /**
   * @param {{pixel: HTMLElement, value: HTMLElement, position: HTMLElement}} places
   */
  constructor(places) {
    this.places = places;
  }

  /**
   * Show what is at a place, its value exactly as soon as it is known.
   *
   * @param {import("./picture/image.js").Picture} picture
   * @param {{x: number, y: number}} at
   */
  show(picture, { x, y }) {
    clearTimeout(this.#timer);
    const image = picture.tiles?.image;
    const [column, row] = [Math.floor(x + 0.5), Math.floor(y + 0.5)];
    this.places.pixel.textContent = `${(x + 1).toFixed(1)}, ${(y + 1).toFixed(1)}`;
    const there = picture.sky?.at(x, y);
    this.position = there && picture.sky ? sexagesimal(there[0], there[1], picture.sky.scale) : "";
    this.places.position.textContent = this.position || "–";
    this.places.position.title = there ? `${there[0].toFixed(6)}°, ${there[1].toFixed(6)}°` : "";
    if (!image || column < 0 || row < 0 || column >= image.width || row >= image.height) {
      this.places.value.textContent = "–";
      return;
    }
    const known = picture.tiles?.value(column, row);
    if (known) this.places.value.textContent = (known.bin > 1 ? "≈ " : "") + known.values.map(valueText).join(", ");
    if (!known || known.bin > 1) {
      this.#timer = setTimeout(() => void this.#exact(picture, column, row), REST_MS);
    }
  }

  /**
   * @param {import("./picture/image.js").Picture} picture
   * @param {number} column
   * @param {number} row
   */
  async #exact(picture, column, row) {
    const timer = this.#timer;
    const { image, channels } = /** @type {import("./picture/tiles.js").Tiles} */ (picture.tiles);
    const [x, y] = [column - (column % SIDE), row - (row % SIDE)];
    const window = { x, y, width: Math.min(SIDE, image.width - x), height: Math.min(SIDE, image.height - y) };
    const squares = await Promise.all(channels.map((channel) => this.#square(picture.pk, { ...channel, ...window })));
    if (timer !== this.#timer) return; // the cursor is elsewhere
    const values = squares.map((square) => square?.values[(row - y) * square.columns + column - x]);
    if (values.every((value) => value !== undefined)) this.places.value.textContent = values.map(valueText).join(", ");
  }

  /**
   * @param {number} pk
   * @param {Record<string, string | number | null>} window
   */
  #square(pk, window) {
    const key = JSON.stringify([pk, window]);
    const known = this.#squares.get(key) ?? getPixels(pk, window).catch(() => null);
    this.#squares.delete(key);
    this.#squares.set(key, known);
    void known.then((square) => square ?? this.#squares.delete(key));
    if (this.#squares.size > MOST_SQUARES) this.#squares.delete([...this.#squares.keys()][0]);
    return known;
  }
}

/** @param {number | undefined} value */
export function valueText(value) {
  if (value === undefined || Number.isNaN(value)) return "blank";
  if (Number.isInteger(value) && Math.abs(value) < 1e7) return String(value);
  const size = Math.abs(value);
  return size >= 1e6 || size < 1e-3 ? value.toExponential(4) : String(Number(value.toPrecision(7)));
}
