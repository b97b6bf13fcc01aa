// @ts-check
/** Draws what is on the screen: tiles, and over them north and east, a scale bar and the target. */

import { paint } from "./shades.js";
import { angleText } from "./sky.js";

/** Lengths that a scale bar may have: these times a power of ten; of angles, these in arcseconds. */
const ROUND = [1, 2, 5];
const ROUND_ANGLES = [...[-2, -1, 0].flatMap((power) => ROUND.map((part) => part * 10 ** power)),
  10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 18_000, 36_000, 72_000];
const BAR_PART = 0.25;
const MARGIN = 16;
const COMPASS = 34;
/** The least size of a mark, as a radius in pixels of the screen. */
const MARK = 14;

/**
 * @typedef {{
 *   tiles: import("./tiles.js").Tiles, cuts: [number, number][], table: Uint32Array, look: number,
 *   sky: import("./sky.js").Sky | null, mark: {x: number, y: number, name: string} | null,
 *   label: string,
 * }} Picture
 */

/**
 * @param {CanvasRenderingContext2D} context
 * @param {import("./view.js").View} view
 * @param {number} density pixels of the device for each of the screen
 * @param {Picture} picture
 */
export function draw(context, view, density, picture) {
  context.setTransform(density, 0, 0, density, 0, 0);
  context.clearRect(0, 0, view.screen.width, view.screen.height);
  context.imageSmoothingEnabled = view.zoom * density < 1;
  for (const tile of picture.tiles.cover(view.bin(density), view.seen())) drawTile(context, view, tile, picture);
  context.imageSmoothingEnabled = true;
  if (picture.mark) drawMark(context, view, picture.mark);
  drawBar(context, view, picture.sky);
  if (picture.sky) drawCompass(context, view, picture.sky);
  if (picture.label) text(context, picture.label, MARGIN, MARGIN + 4, "left");
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {import("./view.js").View} view
 * @param {import("./tiles.js").Tile} tile
 * @param {Picture} picture
 */
function drawTile(context, view, tile, { cuts, table, look }) {
  if (tile.look !== look || !tile.picture) {
    tile.picture ??= document.createElement("canvas");
    paint(tile.channels, cuts, table, view.topDown, tile.picture);
    tile.look = look;
  }
  // The last column and row may stand for fewer pixels than the others: these are drawn beyond it.
  const [width, height] = [tile.picture.width * tile.bin, tile.picture.height * tile.bin];
  const corner = view.toScreen(tile.x - 0.5, view.topDown ? tile.y - 0.5 : tile.y - 0.5 + height);
  context.save();
  context.beginPath();
  const edge = view.toScreen(tile.x - 0.5, view.topDown ? tile.y - 0.5 : tile.y - 0.5 + tile.height);
  context.rect(edge.right, edge.down, tile.width * view.zoom, tile.height * view.zoom);
  if (width !== tile.width || height !== tile.height) context.clip();
  context.drawImage(tile.picture, corner.right, corner.down, width * view.zoom, height * view.zoom);
  context.restore();
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {import("./view.js").View} view
 * @param {{x: number, y: number, name: string}} mark
 */
function drawMark(context, view, { x, y, name }) {
  const { right, down } = view.toScreen(x, y);
  const radius = Math.max(MARK, 3 * view.zoom);
  outlined(context, () => {
    context.beginPath();
    context.arc(right, down, radius, 0, 2 * Math.PI);
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      context.moveTo(right + dx * radius, down + dy * radius);
      context.lineTo(right + dx * radius * 1.6, down + dy * radius * 1.6);
    }
    context.stroke();
  });
  text(context, name, right + radius * 1.2, down - radius * 1.2, "left");
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {import("./view.js").View} view
 * @param {import("./sky.js").Sky | null} sky
 */
function drawBar(context, view, sky) {
  const most = view.screen.width * BAR_PART;
  const { length, words } = sky ? angleBar(most, view.zoom / sky.scale) : pixelBar(most, view.zoom);
  const down = view.screen.height - MARGIN;
  outlined(context, () => {
    context.beginPath();
    context.moveTo(MARGIN, down - 5);
    context.lineTo(MARGIN, down);
    context.lineTo(MARGIN + length, down);
    context.lineTo(MARGIN + length, down - 5);
    context.stroke();
  });
  text(context, words, MARGIN + length / 2, down - 12, "center");
}

/**
 * @param {number} most its length on the screen
 * @param {number} each pixels of the screen for an arcsecond
 */
function angleBar(most, each) {
  const seconds = ROUND_ANGLES.filter((angle) => angle * each <= most).at(-1) ?? ROUND_ANGLES[0];
  return { length: seconds * each, words: angleText(seconds / 3600) };
}

/**
 * @param {number} most
 * @param {number} each pixels of the screen for one of the image
 */
function pixelBar(most, each) {
  const power = 10 ** Math.floor(Math.log10(most / each));
  const count = Math.max(1, (ROUND.filter((part) => part * power * each <= most).at(-1) ?? 1) * power);
  return { length: count * each, words: `${count} px` };
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {import("./view.js").View} view
 * @param {import("./sky.js").Sky} sky
 */
function drawCompass(context, view, sky) {
  const { north, east } = sky.directions();
  const from = { right: view.screen.width - MARGIN - COMPASS * 1.4, down: view.screen.height - MARGIN - COMPASS * 1.4 };
  for (const [name, [dx, dy]] of /** @type {[string, number[]][]} */ ([["N", north], ["E", east]])) {
    const [right, down] = [dx, view.topDown ? dy : -dy];
    const to = { right: from.right + right * COMPASS, down: from.down + down * COMPASS };
    outlined(context, () => arrow(context, from, to));
    text(context, name, to.right + right * 10, to.down + down * 10, "center");
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {{right: number, down: number}} from
 * @param {{right: number, down: number}} to
 */
function arrow(context, from, to) {
  const turn = Math.atan2(to.down - from.down, to.right - from.right);
  context.beginPath();
  context.moveTo(from.right, from.down);
  context.lineTo(to.right, to.down);
  for (const side of [-1, 1]) {
    context.moveTo(to.right, to.down);
    context.lineTo(to.right - 6 * Math.cos(turn + side * 0.5), to.down - 6 * Math.sin(turn + side * 0.5));
  }
  context.stroke();
}

/**
 * Draw lines that are seen on any ground: light ones within dark ones.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {() => void} lines
 */
function outlined(context, lines) {
  context.lineCap = "round";
  for (const [width, colour] of /** @type {[number, string][]} */ ([[4, "rgb(0 0 0 / 0.65)"], [1.5, "#ffd06a"]])) {
    context.lineWidth = width;
    context.strokeStyle = colour;
    lines();
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {string} words
 * @param {number} right
 * @param {number} down
 * @param {CanvasTextAlign} align
 */
function text(context, words, right, down, align) {
  context.font = "600 13px system-ui, sans-serif";
  context.textAlign = align;
  context.textBaseline = "middle";
  context.lineWidth = 4;
  context.lineJoin = "round";
  context.strokeStyle = "rgb(0 0 0 / 0.65)";
  context.strokeText(words, right, down);
  context.fillStyle = "#ffd06a";
  context.fillText(words, right, down);
}
