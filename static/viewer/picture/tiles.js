// @ts-check
/**
 * The pixels of one image in pieces of equal size: fetched when they are seen, the latest first, and
 * kept up to a number of them. What could not be fetched is asked for again when it is seen again.
 */

import { getPixels } from "../../server/pixels.js";

/** Values of a tile a side. */
const SIDE = 512;
const AT_ONCE = 4;
/** Values, all tiles together: 4 bytes each, and 4 for their colours. */
const MOST_VALUES = 32 * SIDE * SIDE;
const FAILED_MS = 3000;

/**
 * A part of an image from (x, y), `width` by `height` pixels; each channel has the values of it.
 * @typedef {{
 *   bin: number, x: number, y: number, width: number, height: number,
 *   channels: import("../../server/pixels.js").Pixels[],
 *   picture: HTMLCanvasElement | null, look: number, used: number,
 * }} Tile
 * @typedef {{hdu: number | null, plane: number, colour: string | null}} Channel
 */

let clock = 0;

export class Tiles {
  /**
   * @param {number} pk
   * @param {{width: number, height: number}} image
   * @param {Channel[]} channels one, or those of red, green and blue
   * @param {() => void} changed called when a tile has come
   * @param {(error: unknown) => void} failed
   */
  constructor(pk, image, channels, changed, failed) {
    this.pk = pk;
    this.image = image;
    this.channels = channels;
    this.changed = changed;
    this.failed = failed;
    /** @type {Map<string, Tile>} */
    this.known = new Map();
    /** @type {Map<string, {abort: AbortController, wanted: number}>} */
    this.coming = new Map();
    /** @type {{key: string, bin: number, x: number, y: number}[]} */
    this.waiting = [];
    /** @type {Map<string, number>} */
    this.failures = new Map();
    /** All of the image as one tile, which is drawn where nothing better is there. */
    this.baseBin = 2 ** Math.max(0, Math.ceil(Math.log2(Math.max(image.width, image.height) / SIDE)));
  }

  /** Return all of the image, coarsely; null until it has come. */
  base() {
    return this.#tile(this.baseBin, 0, 0);
  }

  /** Return whether tiles are on their way. */
  get busy() {
    return this.coming.size + this.waiting.length > 0;
  }

  /**
   * Return the tiles of a part of the image that are there, and fetch the others.
   *
   * @param {number} bin
   * @param {{left: number, right: number, lower: number, upper: number}} seen
   * @returns {Tile[]} coarse ones first
   */
  cover(bin, seen) {
    const base = this.base();
    const step = SIDE * Math.min(bin, this.baseBin);
    /** @type {Tile[]} */
    const found = [];
    /** @type {{key: string, bin: number, x: number, y: number}[]} */
    const missing = [];
    if (bin < this.baseBin) {
      for (let y = Math.floor(seen.lower / step) * step; y < seen.upper; y += step) {
        for (let x = Math.floor(seen.left / step) * step; x < seen.right; x += step) {
          const tile = this.#tile(bin, x, y);
          if (tile) found.push(tile);
          else missing.push({ key: keyOf(bin, x, y), bin, x, y });
        }
      }
    }
    const coarser = missing.length && bin * 4 < this.baseBin ? this.#between(bin, seen) : [];
    this.#want(base ? missing : [{ key: keyOf(this.baseBin, 0, 0), bin: this.baseBin, x: 0, y: 0 }, ...missing]);
    return [...(base ? [base] : []), ...coarser, ...found];
  }

  /**
   * Return the value at a pixel and by how many pixels a side it is a mean; null where none is known.
   *
   * @param {number} x
   * @param {number} y
   */
  value(x, y) {
    for (let bin = 1; bin <= this.baseBin; bin *= 2) {
      const step = SIDE * bin;
      const tile = this.known.get(keyOf(bin, Math.floor(x / step) * step, Math.floor(y / step) * step));
      if (!tile) continue;
      const [column, row] = [Math.floor((x - tile.x) / bin), Math.floor((y - tile.y) / bin)];
      return { bin, values: tile.channels.map(({ values, columns }) => values[row * columns + column]) };
    }
    return null;
  }

  /** Stop fetching. */
  stop() {
    this.waiting = [];
    for (const { abort } of this.coming.values()) abort.abort();
  }

  /**
   * @param {number} bin
   * @param {{left: number, right: number, lower: number, upper: number}} seen
   * @returns {Tile[]} known tiles of the next coarser levels that are seen
   */
  #between(bin, seen) {
    return [...this.known.values()]
      .filter((tile) => tile.bin > bin && tile.bin < this.baseBin && tile.x < seen.right && tile.y < seen.upper
        && tile.x + tile.width > seen.left && tile.y + tile.height > seen.lower)
      .sort((a, b) => b.bin - a.bin);
  }

  /**
   * @param {number} bin
   * @param {number} x
   * @param {number} y
   */
  #tile(bin, x, y) {
    const tile = this.known.get(keyOf(bin, x, y)) ?? null;
    if (tile) tile.used = ++clock;
    return tile;
  }

  /**
   * Fetch these, and nothing else that has not begun.
   *
   * @param {{key: string, bin: number, x: number, y: number}[]} wanted
   */
  #want(wanted) {
    const keys = new Set(wanted.map(({ key }) => key));
    for (const [key, { abort }] of this.coming) if (!keys.has(key)) abort.abort();
    const now = performance.now();
    this.waiting = wanted.filter(
      ({ key }) => !this.coming.has(key) && !(now - (this.failures.get(key) ?? -FAILED_MS) < FAILED_MS),
    );
    this.#next();
  }

  #next() {
    while (this.coming.size < AT_ONCE) {
      const wanted = this.waiting.shift();
      if (!wanted) return;
      void this.#fetch(wanted);
    }
  }

  /** @param {{key: string, bin: number, x: number, y: number}} wanted */
  async #fetch({ key, bin, x, y }) {
    const abort = new AbortController();
    this.coming.set(key, { abort, wanted: clock });
    const width = Math.min(SIDE * bin, this.image.width - x);
    const height = Math.min(SIDE * bin, this.image.height - y);
    try {
      const channels = await Promise.all(this.channels.map((channel) =>
        getPixels(this.pk, { ...channel, x, y, width, height, bin }, abort.signal)));
      this.known.set(key, { bin, x, y, width, height, channels, picture: null, look: -1, used: ++clock });
      this.#forget();
      this.changed();
    } catch (error) {
      if (!abort.signal.aborted) {
        this.failures.set(key, performance.now());
        this.failed(error);
      }
    } finally {
      this.coming.delete(key);
      this.#next();
    }
  }

  #forget() {
    const most = Math.ceil(MOST_VALUES / (SIDE * SIDE) / this.channels.length);
    if (this.known.size <= most) return;
    const base = keyOf(this.baseBin, 0, 0);
    const [oldest] = [...this.known].filter(([key]) => key !== base).sort((a, b) => a[1].used - b[1].used);
    if (oldest) this.known.delete(oldest[0]);
  }
}

/**
 * @param {number} bin
 * @param {number} x
 * @param {number} y
 */
function keyOf(bin, x, y) {
  return `${bin} ${x} ${y}`;
}
