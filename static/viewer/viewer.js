// @ts-check
/** The viewer: what is looked at, how, and drawing it whenever something of that changes. */

import { Blink } from "./series/blink.js";
import { listen } from "./gestures.js";
import { Picture } from "./picture/image.js";
import { draw } from "./picture/painter.js";
import { Readout } from "./readout.js";
import { keeper, readState } from "./state.js";
import { tableOf } from "./picture/shades.js";
import { targetIn } from "./target.js";
import { View } from "./picture/view.js";

/** How far a drag over the whole screen changes bias, and contrast by which factor. */
const BIAS_RANGE = 1;
const CONTRAST_RANGE = Math.log(30);

/**
 * @typedef {{pk: number, width: number, height: number, name: string, target: {ra: number, dec: number, name: string} | null}} Frame
 * @typedef {{changed: () => void, failed: (error: unknown) => void, described: () => void}} Told
 */

export class Viewer {
  view = new View();
  state = readState(location.hash);
  contrasting = false;
  /** @type {Picture} */
  picture;
  #dirty = false;
  #look = 0;
  #table = tableOf(this.state);
  #painted = "";
  /** @type {{right: number, down: number} | null} */
  #cursor = null;

  /**
   * @param {HTMLElement} screen
   * @param {HTMLCanvasElement} canvas
   * @param {Readout} readout
   * @param {Frame} frame
   * @param {Told} told
   */
  constructor(screen, canvas, readout, frame, told) {
    this.screen = screen;
    this.canvas = canvas;
    this.context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    this.readout = readout;
    this.frame = frame;
    this.told = told;
    this.write = keeper(() => ({ ...this.state, x: this.view.x + 1, y: this.view.y + 1, zoom: this.view.zoom }));
    this.blink = new Blink((picture) => this.#turnTo(picture), { changed: () => this.redraw(), failed: told.failed });
    this.picture = this.#pictureOf(frame.pk);
    listen(screen, this.#meaning());
    new ResizeObserver(() => this.#resize()).observe(screen);
    this.#resize();
  }

  /** Look at the HDU, plane and colours of the state. */
  async open() {
    this.blink.stop();
    this.picture.tiles?.stop();
    const picture = this.picture = this.#pictureOf(this.frame.pk);
    const usual = this.state.hdu === null && !this.state.plane && !this.state.colour;
    if (usual && this.frame.width) {
      picture.begin(this.frame.width, this.frame.height);
      this.#place(this.frame.width, this.frame.height);
    }
    this.redraw();
    await picture.load();
    if (picture !== this.picture) return;
    this.#place(picture.facts.width, picture.facts.height);
    this.told.described();
    this.redraw();
  }

  /** Draw anew at the next chance. */
  redraw() {
    if (this.#dirty) return;
    this.#dirty = true;
    requestAnimationFrame(() => {
      this.#dirty = false;
      this.#draw();
    });
  }

  /**
   * Change how values are shown.
   *
   * @param {Partial<import("./state.js").State>} changes
   */
  look(changes) {
    Object.assign(this.state, changes);
    this.#table = tableOf(this.picture.tiles?.channels.length === 3 ? { ...this.state, map: "grey" } : this.state);
    this.#changed();
  }

  /** Show all of the image. */
  fit() {
    this.view.fit();
    this.#changed();
  }

  /**
   * Change the zoom in the middle, to `to` if it is given.
   *
   * @param {number} factor
   * @param {number} [to]
   */
  zoom(factor, to) {
    this.view.zoomBy(to === undefined ? factor : to / this.view.zoom);
    this.#changed();
  }

  /** Return where the target is in the picture, null if that is unknown. */
  target() {
    return targetIn(this.picture, this.frame.target);
  }

  /** Return the cuts that are used now; null while there are none. */
  cuts() {
    return this.picture.cuts(this.state);
  }

  /** @param {number} pk */
  #pictureOf(pk) {
    const { hdu, plane, colour } = this.state;
    return new Picture(pk, { hdu, plane, colour }, { changed: () => this.redraw(), failed: this.told.failed });
  }

  /**
   * Show another picture at the same place: of the sky if both know it, else of the detector.
   *
   * @param {Picture} picture
   */
  #turnTo(picture) {
    const there = this.picture.sky?.at(this.view.x, this.view.y);
    const pixel = there && picture.sky?.pixel(there[0], there[1]);
    if (picture.facts) {
      this.view.image = { width: picture.facts.width, height: picture.facts.height };
      this.view.topDown = picture.facts.row_order === "TOP-DOWN";
    }
    if (pixel) this.view.moveTo(pixel.x, pixel.y);
    this.picture = picture;
    this.told.changed();
    this.redraw();
  }

  /**
   * @param {number} width
   * @param {number} height
   */
  #place(width, height) {
    const same = this.view.image.width === width && this.view.image.height === height;
    this.view.image = { width, height };
    this.view.topDown = this.picture.facts?.row_order === "TOP-DOWN";
    const { x, y, zoom } = this.state;
    if (!same) {
      this.view.fit();
      if (zoom !== null) this.view.zoom = zoom;
      if (x !== null && y !== null) this.view.moveTo(x - 1, y - 1);
    }
    this.#table = tableOf(this.picture.tiles?.channels.length === 3 ? { ...this.state, map: "grey" } : this.state);
  }

  #resize() {
    const { clientWidth: width, clientHeight: height } = this.screen;
    if (!width || !height) return;
    const whole = Math.abs(this.view.zoom / this.view.whole - 1) < 1e-9 && this.state.zoom === null;
    this.view.screen = { width, height };
    this.canvas.width = Math.round(width * devicePixelRatio);
    this.canvas.height = Math.round(height * devicePixelRatio);
    if (whole) this.view.fit();
    this.#draw();
  }

  #draw() {
    const { tiles, pk } = this.picture;
    if (!tiles) return;
    const cuts = this.cuts();
    const painted = JSON.stringify([cuts, this.view.topDown, this.state.stretch, this.state.map, this.state.invert, this.state.bias, this.state.contrast]);
    if (painted !== this.#painted) {
      this.#painted = painted;
      this.#look++;
      this.told.changed();
    }
    const target = this.target();
    draw(this.context, this.view, devicePixelRatio, {
      tiles,
      cuts: cuts ?? [[0, 1]],
      table: this.#table,
      look: this.#look,
      sky: this.picture.sky,
      mark: target?.inside && target.pixel ? { ...target.pixel, name: target.name } : null,
      label: this.blink.on ? this.label(pk) : "",
    });
    if (tiles.base()) this.screen.dataset.shown = tiles.busy ? "coarse" : "fine";
    this.#read();
  }

  /** What a frame is called while frames blink; whoever knows the names sets this. */
  label = (/** @type {number} */ pk) => `${pk}`;

  #read() {
    // Without a cursor, as with keys alone, the middle is read.
    const at = this.#cursor ? this.view.toImage(this.#cursor.right, this.#cursor.down) : { x: this.view.x, y: this.view.y };
    this.readout.show(this.picture, at);
  }

  #changed() {
    if (this.state.zoom === null && Math.abs(this.view.zoom / this.view.whole - 1) > 1e-9) this.state.zoom = this.view.zoom;
    this.told.changed();
    this.write();
    this.redraw();
  }

  /** @returns {import("./gestures.js").Meaning} */
  #meaning() {
    return {
      pan: (right, down) => {
        this.view.pan(right, down);
        this.#changed();
      },
      zoom: (factor, right, down) => {
        this.view.zoomBy(factor, right, down);
        this.#changed();
      },
      contrast: (right, down) => this.look({
        bias: Math.min(Math.max(this.state.bias + (right / this.view.screen.width) * BIAS_RANGE, -2), 3),
        contrast: Math.min(Math.max(this.state.contrast * Math.exp((-down / this.view.screen.height) * CONTRAST_RANGE), 0.05), 50),
      }),
      point: (right, down) => {
        this.#cursor = { right, down };
        this.#read();
      },
      away: () => {
        this.#cursor = null;
        this.#read();
      },
      contrasting: () => this.contrasting,
    };
  }
}
