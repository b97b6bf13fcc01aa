// @ts-check
/** From values to colours: cuts, stretch, contrast and colour map as one table of shades. */

/** Entries of the table: more shades than can be told apart. */
const SHADES = 4096;
/** What blanks are shown as: a blue that no map has. */
const BLANK = [60, 70, 110];

/** @type {Record<string, (part: number) => number>} from 0 … 1 to 0 … 1 */
const STRETCHES = {
  asinh: (part) => Math.asinh(10 * part) / Math.asinh(10),
  linear: (part) => part,
  sqrt: (part) => Math.sqrt(part),
  log: (part) => Math.log10(1 + 1000 * part) / Math.log10(1001),
};
/** Colours at equal steps. `heat` is close to matplotlib's inferno, `viridis` to its viridis. */
/** @type {Record<string, number[][]>} */
const MAPS = {
  grey: [[0, 0, 0], [255, 255, 255]],
  heat: [[0, 0, 4], [40, 11, 84], [101, 21, 110], [159, 42, 99], [212, 72, 66], [245, 125, 21], [250, 193, 39], [252, 255, 164]],
  viridis: [[68, 1, 84], [70, 50, 127], [54, 92, 141], [39, 127, 142], [31, 161, 135], [74, 194, 109], [159, 218, 58], [253, 231, 37]],
};

export const STRETCH_NAMES = Object.keys(STRETCHES);
export const MAP_NAMES = Object.keys(MAPS);

/**
 * How values are shown. `bias` is which part of the range is half-way, `contrast` how fast shades
 * change around it.
 * @typedef {{stretch: string, map: string, invert: boolean, bias: number, contrast: number}} Look
 */

/**
 * @param {Look} look
 * @returns {Uint32Array} colours as a canvas has them, from the lower cut to the upper one
 */
export function tableOf(look) {
  const table = new Uint32Array(SHADES);
  for (let at = 0; at < SHADES; at++) table[at] = packed(colourOf(look.map, shadeOf(look, at / (SHADES - 1))));
  return table;
}

/**
 * Return the shade from 0 to 1 of a part of the range between the cuts.
 *
 * @param {Look} look
 * @param {number} part
 */
function shadeOf({ stretch, bias, contrast, invert }, part) {
  const stretched = STRETCHES[stretch](part);
  const shade = Math.min(Math.max((stretched - bias) * contrast + 0.5, 0), 1);
  return invert ? 1 - shade : shade;
}

/**
 * Draw one channel through a table, or three as red, green and blue of a grey one.
 *
 * @param {import("../../server/pixels.js").Pixels[]} channels
 * @param {[number, number][]} cuts of each channel
 * @param {Uint32Array} table
 * @param {boolean} topDown whether the first row is the top one
 * @param {HTMLCanvasElement} canvas of any size
 */
export function paint(channels, cuts, table, topDown, canvas) {
  const { rows, columns } = channels[0];
  canvas.width = columns;
  canvas.height = rows;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const picture = context.createImageData(columns, rows);
  const into = new Uint32Array(picture.data.buffer);
  for (let row = 0; row < rows; row++) {
    const to = (topDown ? row : rows - 1 - row) * columns;
    if (channels.length === 1) paintRow(channels[0].values, row * columns, columns, cuts[0], table, into, to);
    else paintColours(channels, row * columns, columns, cuts, table, into, to);
  }
  context.putImageData(picture, 0, 0);
}

/**
 * @param {Float32Array} values
 * @param {number} from
 * @param {number} count
 * @param {[number, number]} cut
 * @param {Uint32Array} table
 * @param {Uint32Array} into
 * @param {number} to
 */
function paintRow(values, from, count, [low, high], table, into, to) {
  const scale = (SHADES - 1) / (high - low);
  for (let at = 0; at < count; at++) {
    const shade = (values[from + at] - low) * scale;
    if (shade !== shade) into[to + at] = packed(BLANK);
    else into[to + at] = table[shade <= 0 ? 0 : shade >= SHADES - 1 ? SHADES - 1 : shade | 0];
  }
}

/**
 * @param {import("../../server/pixels.js").Pixels[]} channels
 * @param {number} from
 * @param {number} count
 * @param {[number, number][]} cuts
 * @param {Uint32Array} table of greys
 * @param {Uint32Array} into
 * @param {number} to
 */
function paintColours(channels, from, count, cuts, table, into, to) {
  const scales = cuts.map(([low, high]) => (SHADES - 1) / (high - low));
  for (let at = 0; at < count; at++) {
    let colour = 0xff000000;
    for (let channel = 0; channel < 3; channel++) {
      const value = (channels[channel].values[from + at] - cuts[channel][0]) * scales[channel];
      const shade = table[value >= SHADES - 1 ? SHADES - 1 : value > 0 ? value | 0 : 0] & 0xff;
      colour |= shade << (8 * channel);
    }
    into[to + at] = colour >>> 0;
  }
}

/**
 * @param {string} map
 * @param {number} shade
 */
function colourOf(map, shade) {
  const colours = MAPS[map];
  const place = shade * (colours.length - 1);
  const first = Math.min(Math.floor(place), colours.length - 2);
  return colours[first].map((part, at) => part + (colours[first + 1][at] - part) * (place - first));
}

/** @param {number[]} colour */
function packed([red, green, blue]) {
  return ((255 << 24) | (Math.round(blue) << 16) | (Math.round(green) << 8) | Math.round(red)) >>> 0;
}

/**
 * Return where the values of a channel are: cuts for the eye, before or without statistics.
 *
 * @param {Float32Array} values
 * @param {number} from in percent
 * @param {number} to
 * @returns {[number, number] | null} null if all are blank
 */
export function cutsOf(values, from, to) {
  const step = Math.max(1, Math.floor(values.length / 40_000));
  const sample = [];
  for (let at = 0; at < values.length; at += step) if (!Number.isNaN(values[at])) sample.push(values[at]);
  if (!sample.length) return null;
  const ranked = Float32Array.from(sample).sort();
  const at = (/** @type {number} */ percent) => ranked[Math.round((percent / 100) * (ranked.length - 1))];
  return apart(at(from), at(to));
}

/**
 * Return cuts that are apart, as equal ones show nothing.
 *
 * @param {number} low
 * @param {number} high
 * @returns {[number, number]}
 */
export function apart(low, high) {
  return high > low ? [low, high] : [low, low + Math.max(Math.abs(low) * 1e-6, 1e-30)];
}
