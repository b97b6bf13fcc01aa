// @ts-check
/**
 * The sky above an image: between the nodes of the grid that the server sends, directions are
 * interpolated as vectors, so that neither 0° of right ascension nor a pole is a special case.
 */

const DEGREES = 180 / Math.PI;
const STEPS = 12;
/** How near a position is found, in pixels. */
const NEAR = 1e-4;

/**
 * @typedef {{centre: number[], scale: number, rotation: number, parity: number, columns: number, grid: (number | null)[][]}} Wcs
 */

export class Sky {
  /** @param {Wcs} wcs */
  constructor(wcs) {
    this.scale = wcs.scale;
    this.rotation = wcs.rotation;
    this.parity = wcs.parity;
    this.columns = wcs.columns;
    this.rows = wcs.grid.length / wcs.columns;
    this.width = Number(wcs.grid[wcs.columns - 1][0]);
    this.height = Number(wcs.grid[wcs.grid.length - 1][1]);
    this.nodes = wcs.grid.map(([, , ra, dec]) => (ra === null || dec === null ? null : vectorOf(Number(ra), Number(dec))));
  }

  /**
   * Return right ascension and declination in degrees at a pixel; null where there are none.
   *
   * @param {number} x
   * @param {number} y
   * @returns {[number, number] | null}
   */
  at(x, y) {
    const vector = this.#vector(x, y);
    if (!vector) return null;
    const [a, b, c] = vector;
    return [(Math.atan2(b, a) * DEGREES + 360) % 360, Math.atan2(c, Math.hypot(a, b)) * DEGREES];
  }

  /**
   * Return the pixel of a position; null if it is not near the image.
   *
   * @param {number} ra
   * @param {number} dec
   */
  pixel(ra, dec) {
    const there = vectorOf(ra, dec);
    let [x, y] = [this.width / 2, this.height / 2];
    for (let step = 0; step < STEPS; step++) {
      const here = this.#vector(x, y);
      const right = this.#vector(x + 1, y);
      const up = this.#vector(x, y + 1);
      if (!here || !right || !up || dot(here, there) <= 0) return null;
      const [along, across] = [minus(right, here), minus(up, here)];
      const gap = minus(there.map((part) => part / dot(here, there)), here);
      const [aa, ab, bb] = [dot(along, along), dot(along, across), dot(across, across)];
      const [ga, gb] = [dot(gap, along), dot(gap, across)];
      const determinant = aa * bb - ab * ab;
      if (!determinant) return null;
      const [dx, dy] = [(ga * bb - gb * ab) / determinant, (gb * aa - ga * ab) / determinant];
      x += dx;
      y += dy;
      if (Math.hypot(dx, dy) < NEAR) return { x, y };
      if (Math.hypot(x, y) > 1e7) return null;
    }
    return { x, y };
  }

  /** Return the directions of north and east in the image, as steps of x and of y. */
  directions() {
    const turn = this.rotation / DEGREES;
    const north = [-Math.sin(turn), Math.cos(turn)];
    return { north, east: [-north[1] * this.parity, north[0] * this.parity] };
  }

  /**
   * @param {number} x
   * @param {number} y
   */
  #vector(x, y) {
    const along = (x / this.width) * (this.columns - 1);
    const up = (y / this.height) * (this.rows - 1);
    const column = Math.min(Math.max(Math.floor(along), 0), this.columns - 2);
    const row = Math.min(Math.max(Math.floor(up), 0), this.rows - 2);
    const [right, above] = [along - column, up - row];
    const first = row * this.columns + column;
    const corners = [first, first + 1, first + this.columns, first + this.columns + 1].map((at) => this.nodes[at]);
    if (corners.some((corner) => corner === null)) return null;
    const weights = [(1 - right) * (1 - above), right * (1 - above), (1 - right) * above, right * above];
    const sum = [0, 1, 2].map((part) => corners.reduce((total, corner, at) => total + Number(corner?.[part]) * weights[at], 0));
    const length = Math.hypot(...sum);
    return sum.map((part) => part / length);
  }
}

/**
 * Return the angle between two positions and the direction from the first one, in degrees.
 *
 * @param {number[]} from right ascension and declination
 * @param {number[]} to
 */
export function separation(from, to) {
  const [a, b] = [vectorOf(from[0], from[1]), vectorOf(to[0], to[1])];
  const angle = 2 * Math.asin(Math.min(1, Math.hypot(...minus(a, b)) / 2)) * DEGREES;
  const turn = (to[0] - from[0]) / DEGREES;
  const [first, second] = [from[1] / DEGREES, to[1] / DEGREES];
  const east = Math.sin(turn) * Math.cos(second);
  const north = Math.cos(first) * Math.sin(second) - Math.sin(first) * Math.cos(second) * Math.cos(turn);
  return { angle, direction: (Math.atan2(east, north) * DEGREES + 360) % 360 };
}

/**
 * @param {number} ra in degrees
 * @param {number} dec
 * @param {number} scale arcseconds of a pixel, of which a tenth is shown
 */
export function sexagesimal(ra, dec, scale) {
  const digits = Math.min(Math.max(Math.ceil(-Math.log10(scale / 10)), 0), 4);
  const sign = dec < 0 ? "−" : "+";
  return `${parts(ra / 15, digits + 1, 24)} ${sign}${parts(Math.abs(dec), digits, Infinity)}`;
}

/**
 * @param {number} value
 * @param {number} digits
 * @param {number} circle after which it begins again
 */
function parts(value, digits, circle) {
  const unit = 10 ** digits;
  let rest = Math.round(value * 3600 * unit) % (circle * 3600 * unit || Infinity);
  const seconds = rest % (60 * unit);
  rest = Math.round((rest - seconds) / (60 * unit));
  const two = (/** @type {number | string} */ part, width = 2) => String(part).padStart(width, "0");
  return `${two(Math.floor(rest / 60))}:${two(rest % 60)}:${two((seconds / unit).toFixed(digits), digits ? digits + 3 : 2)}`;
}

/**
 * Write an angle in the unit that suits it.
 *
 * @param {number} degrees
 */
export function angleText(degrees) {
  const seconds = degrees * 3600;
  if (seconds < 100) return `${trimmed(seconds)}″`;
  return seconds < 6000 ? `${trimmed(seconds / 60)}′` : `${trimmed(degrees)}°`;
}

/** @param {number} value */
function trimmed(value) {
  return String(Number(value.toPrecision(value < 10 ? 2 : 3)));
}

/**
 * @param {number} ra
 * @param {number} dec
 */
function vectorOf(ra, dec) {
  const [along, up] = [ra / DEGREES, dec / DEGREES];
  return [Math.cos(up) * Math.cos(along), Math.cos(up) * Math.sin(along), Math.sin(up)];
}

/**
 * @param {number[]} a
 * @param {number[]} b
 */
function dot(a, b) {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

/**
 * @param {number[]} a
 * @param {number[]} b
 */
function minus(a, b) {
  return a.map((part, at) => part - b[at]);
}
