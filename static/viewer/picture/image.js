// @ts-check
/** One image of one file, as a viewer shows it: its description, its tiles, its cuts. */

import { getImage } from "../../server/pixels.js";
import { apart, cutsOf } from "./shades.js";
import { Sky } from "./sky.js";
import { Tiles } from "./tiles.js";

/**
 * Where the whole of all values lies between cuts, in percent: faint things are near the sky, so
 * less is cut below than above.
 */
const BELOW = 0.2;

export class Picture {
  /** @type {any} the description, null until it has come */
  facts = null;
  /** @type {Sky | null} */
  sky = null;
  /** @type {Tiles | null} */
  tiles = null;

  /**
   * @param {number} pk
   * @param {{hdu: number | null, plane: number, colour: boolean}} which
   * @param {{changed: () => void, failed: (error: unknown) => void}} told
   */
  constructor(pk, which, told) {
    this.pk = pk;
    this.which = which;
    this.told = told;
  }

  /**
   * Begin with the tiles, where the size of the image is known before its description.
   *
   * @param {number} width
   * @param {number} height
   */
  begin(width, height) {
    this.tiles ??= new Tiles(this.pk, { width, height }, this.#channels(), this.told.changed, this.told.failed);
  }

  /** Fetch the description. */
  async load() {
    const { hdu, plane } = this.which;
    this.facts = await getImage(this.pk, hdu, plane);
    this.sky = this.facts.wcs ? new Sky(this.facts.wcs) : null;
    const { width, height } = this.facts;
    const known = this.tiles?.image;
    if (this.which.colour || (known && (known.width !== width || known.height !== height))) {
      this.tiles?.stop();
      this.tiles = null;
    }
    this.begin(width, height);
  }

  /** Whether the image has colours that can be shown. */
  get hasColours() {
    return Boolean(this.facts && (this.facts.rgb || this.facts.bayer));
  }

  /**
   * Return the cuts of each channel: those that are given, else those of a percentage of all values;
   * null while nothing is known of them.
   *
   * @param {{low: number | null, high: number | null, cuts: string}} state
   * @returns {[number, number][] | null}
   */
  cuts({ low, high, cuts }) {
    const base = this.tiles?.base();
    if (this.tiles && this.tiles.channels.length === 3) {
      const found = base?.channels.map(({ values }) => cutsOf(values, ...percents(cuts)));
      return found?.every(Boolean) ? /** @type {[number, number][]} */ (found) : null;
    }
    if (low !== null && high !== null) return [apart(low, high)];
    const own = this.#ofStatistics(cuts) ?? (base ? cutsOf(base.channels[0].values, ...percents(cuts)) : null);
    return own ? [own] : base ? [[0, 1]] : null;
  }

  /**
   * @param {string} cuts
   * @returns {[number, number] | null}
   */
  #ofStatistics(cuts) {
    const statistics = this.facts?.statistics;
    if (!statistics) return null;
    const [from, to] = percents(cuts);
    const ranks = { 0: statistics.min, ...statistics.percentiles, 100: statistics.max };
    return apart(between(ranks, from), between(ranks, to));
  }

  #channels() {
    const { hdu, plane, colour } = this.which;
    if (!colour || !this.hasColours) return [{ hdu, plane: plane || null, colour: null }];
    if (this.facts.rgb) return [0, 1, 2].map((each) => ({ hdu, plane: each, colour: null }));
    return ["red", "green", "blue"].map((each) => ({ hdu, plane: null, colour: each }));
  }
}

/**
 * @param {string} cuts how much is between them, in percent
 * @returns {[number, number]}
 */
function percents(cuts) {
  const outside = 100 - Number(cuts);
  return [outside * BELOW, 100 - outside * (1 - BELOW)];
}

/**
 * @param {Record<string, number>} ranks values by the percentage that is below
 * @param {number} percent
 */
function between(ranks, percent) {
  const known = Object.entries(ranks).map(([at, value]) => [Number(at), value]).sort((a, b) => a[0] - b[0]);
  const next = known.findIndex(([at]) => at >= percent);
  if (next <= 0) return known[0][1];
  const [[from, low], [to, high]] = [known[next - 1], known[next]];
  return low + ((high - low) * (percent - from)) / (to - from);
}
