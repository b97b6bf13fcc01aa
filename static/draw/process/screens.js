// @ts-check
/**
 * What shows the frames of a film, by their numbers from 1 on: a video that is stopped at each, or a
 * picture of each where there is no video, as while the film is made.
 */

/**
 * @typedef {object} Screen
 * @property {boolean} playing
 * @property {(frame: number, count: number) => void} show
 * @property {() => void} toggle plays or stops
 */

/** A film as a video. Frames follow each other at the same intervals, so a number is a time. */
export class VideoScreen {
  #wanted = 0;
  #count = 0;

  /**
   * @param {HTMLVideoElement} video
   * @param {(frame: number | null) => void} moved with the frame that is shown while it plays
   */
  constructor(video, moved) {
    this.video = video;
    this.moved = moved;
    for (const event of ["play", "pause"]) video.addEventListener(event, () => moved(null));
    for (const event of ["loadedmetadata", "seeked"]) video.addEventListener(event, () => this.#seek());
    video.addEventListener("timeupdate", () => this.#report());
    this.#watch();
  }

  get playing() {
    return !this.video.paused;
  }

  /** @param {number} count how many frames the film has */
  set count(count) {
    this.#count = count;
  }

  /**
   * @param {number} frame
   * @param {number} count
   */
  show(frame, count) {
    this.#count = count;
    this.#wanted = frame;
    this.video.pause();
    this.#seek();
  }

  toggle() {
    this.#wanted = 0;
    if (this.playing) this.video.pause();
    else void this.video.play().catch(() => {}); // stopped before it began
  }

  /** Go to the wanted frame; one that is wanted during a seek comes after it. */
  #seek() {
    const { video } = this;
    if (!this.#wanted || video.seeking || !Number.isFinite(video.duration) || !this.#count) return;
    const time = ((this.#wanted - 0.5) * video.duration) / this.#count; // the middle, whatever is rounded
    this.#wanted = 0;
    if (Math.abs(video.currentTime - time) > 1e-4) video.currentTime = time;
  }

  #watch() {
    if (!("requestVideoFrameCallback" in this.video)) return;
    this.video.requestVideoFrameCallback(() => {
      this.#report();
      this.#watch();
    });
  }

  #report() {
    const { video } = this;
    if (!this.playing || !this.#count || !Number.isFinite(video.duration)) return;
    const frame = Math.floor((video.currentTime * this.#count) / video.duration + 0.01) + 1;
    this.moved(Math.min(frame, this.#count));
  }
}

/** A picture of each frame, from the first of some addresses that has one. */
export class PictureScreen {
  playing = true;

  /**
   * @param {HTMLElement} place holds the picture
   * @param {(frame: number) => string[]} addressesOf a frame, the best one first
   * @param {() => void} play shows it as it moves
   */
  constructor(place, addressesOf, play) {
    this.place = place;
    this.addressesOf = addressesOf;
    this.play = play;
    this.shown = 0;
  }

  /** @param {number} frame */
  show(frame) {
    this.playing = false;
    this.shown = frame;
    this.#load(frame, this.addressesOf(frame));
  }

  toggle() {
    this.playing = !this.playing;
    if (this.playing) {
      this.shown = 0;
      this.play();
    } else this.stopped?.();
  }

  /** @type {(() => void) | undefined} called when it is stopped without a frame to show */
  stopped;

  /**
   * @param {number} frame
   * @param {string[]} addresses
   */
  #load(frame, [address, ...others]) {
    if (!address) return;
    const picture = new Image();
    picture.addEventListener("load", () => frame === this.shown && this.#draw(picture));
    picture.addEventListener("error", () => frame === this.shown && this.#load(frame, others));
    picture.src = address;
  }

  /** @param {HTMLImageElement} picture */
  #draw(picture) {
    const before = this.place.querySelector("img");
    Object.assign(picture, { id: before?.id ?? "", alt: before?.alt ?? "" });
    if (before?.dataset.film) picture.dataset.film = before.dataset.film;
    if (before) before.replaceWith(picture);
    else this.place.prepend(picture);
  }
}
