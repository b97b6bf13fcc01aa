// @ts-check
/**
 * Which part of an image is on the screen. Pixels of the image count from 0, their centres at whole
 * numbers; those of the screen are CSS pixels from its upper left corner.
 */

const LARGEST_ZOOM = 64;
/** The smallest zoom is this part of the one at which all of the image is seen. */
const SMALLEST_PART = 0.5;

export class View {
  /** Where the middle of the screen is in the image. */
  x = 0;
  y = 0;
  /** Pixels of the screen for each of the image. */
  zoom = 1;
  /** Whether the first row belongs to the top, so that y grows downwards. */
  topDown = false;
  image = { width: 1, height: 1 };
  screen = { width: 1, height: 1 };

  /** Return the zoom at which all of the image is seen. */
  get whole() {
    const { image, screen } = this;
    return Math.min(screen.width / image.width, screen.height / image.height, LARGEST_ZOOM);
  }

  /** Show all of the image. */
  fit() {
    this.zoom = this.whole;
    this.x = (this.image.width - 1) / 2;
    this.y = (this.image.height - 1) / 2;
  }

  /**
   * Change the zoom around a point of the screen, which stays where it is.
   *
   * @param {number} factor
   * @param {number} [right]
   * @param {number} [down]
   */
  zoomBy(factor, right = this.screen.width / 2, down = this.screen.height / 2) {
    const before = this.toImage(right, down);
    const least = Math.min(this.whole * SMALLEST_PART, 1);
    this.zoom = Math.min(Math.max(this.zoom * factor, least), LARGEST_ZOOM);
    const after = this.toImage(right, down);
    this.moveTo(this.x + before.x - after.x, this.y + before.y - after.y);
  }

  /**
   * Move by pixels of the screen.
   *
   * @param {number} right
   * @param {number} down
   */
  pan(right, down) {
    this.moveTo(this.x - right / this.zoom, this.y - (this.topDown ? 1 : -1) * (down / this.zoom));
  }

  /**
   * Put a pixel in the middle; the image never leaves the screen.
   *
   * @param {number} x
   * @param {number} y
   */
  moveTo(x, y) {
    this.x = Math.min(Math.max(x, -0.5), this.image.width - 0.5);
    this.y = Math.min(Math.max(y, -0.5), this.image.height - 0.5);
  }

  /**
   * @param {number} right
   * @param {number} down
   */
  toImage(right, down) {
    const up = (this.topDown ? 1 : -1) * (down - this.screen.height / 2);
    return { x: this.x + (right - this.screen.width / 2) / this.zoom, y: this.y + up / this.zoom };
  }

  /**
   * @param {number} x
   * @param {number} y
   */
  toScreen(x, y) {
    const up = (y - this.y) * this.zoom;
    return {
      right: this.screen.width / 2 + (x - this.x) * this.zoom,
      down: this.screen.height / 2 + (this.topDown ? up : -up),
    };
  }

  /** Return the first and the last pixels on the screen, those behind the last not included. */
  seen() {
    const [a, b] = [this.toImage(0, 0), this.toImage(this.screen.width, this.screen.height)];
    const within = (/** @type {number} */ at, /** @type {number} */ most) => Math.min(Math.max(at, 0), most);
    return {
      left: within(Math.floor(a.x + 0.5), this.image.width),
      right: within(Math.ceil(b.x + 0.5), this.image.width),
      lower: within(Math.floor(Math.min(a.y, b.y) + 0.5), this.image.height),
      upper: within(Math.ceil(Math.max(a.y, b.y) + 0.5), this.image.height),
    };
  }

  /**
   * Return how many pixels a side may be one value, so that the screen loses nothing.
   *
   * @param {number} density pixels of the device for each of the screen
   */
  bin(density) {
    return 2 ** Math.max(0, Math.floor(Math.log2(1 / (this.zoom * density)) + 1e-6));
  }
}
