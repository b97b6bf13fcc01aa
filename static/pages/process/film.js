// @ts-check
/** A film to work with: frame by frame, each with its file, its facts and its line in the log. */

import { part, parts } from "../../draw/find.js";
import { messageOf, showProblem } from "../../draw/problems.js";
import { drawFrameFacts } from "../../draw/process/frame_facts.js";
import { pageOf } from "../../draw/process/process_row.js";
import { PictureScreen, VideoScreen } from "../../draw/process/screens.js";
import { may } from "../../draw/role.js";
import { setText } from "../../draw/times.js";
import { counted, number } from "../../draw/wording.js";
import { addressOf } from "../../server/address.js";
import { idempotencyKey, request } from "../../server/api.js";

/** @typedef {import("../../draw/process/frames.js").Frame} Frame */
/** @typedef {import("../../draw/process/screens.js").Screen} Screen */

const STEPS = { ArrowLeft: -1, ArrowRight: 1 };
const LEAP = 10;

export class FilmPlayer {
  #stage = part("#stage");
  /** @type {any} */
  #record;
  /** @type {Frame[]} */
  #frames = [];
  #at = 1;
  /** @type {Screen} */
  #screen;
  #key = idempotencyKey();

  /** @param {any} record */
  constructor(record) {
    this.#record = record;
    this.#screen = this.#screenOf();
    this.#listen();
    this.#draw();
  }

  /** How many frames there are so far. */
  get #count() {
    return Math.max(this.#frames.length, Math.floor(this.#record.progress?.done ?? 0));
  }

  get #isMade() {
    return !this.#stage.querySelector("#frame");
  }

  /** @param {Frame[]} frames all that are known by now */
  take(frames) {
    this.#frames = frames;
    part("#log").dataset.film = "";
    this.#followAddress(false);
    this.#draw();
  }

  /** @param {any} record the newest one */
  record(record) {
    this.#record = record;
    this.#draw();
  }

  /** The film is made: show it in place of its frames so far. */
  made() {
    const isAtFrame = !this.#screen.playing;
    this.#screen = this.#screenOf();
    if (isAtFrame) this.show(this.#at);
    else this.#at = 1;
    this.#draw();
  }

  /** @param {number} frame */
  show(frame) {
    if (!this.#count) return;
    this.#at = Math.min(Math.max(1, frame), this.#count);
    if (!this.#isMade) this.#stage.dataset.byHand = "";
    this.#screen.show(this.#at, this.#count);
    this.#draw();
  }

  /** @returns {Screen} */
  #screenOf() {
    const video = this.#stage.querySelector("video");
    if (video instanceof HTMLVideoElement) {
      return new VideoScreen(video, (frame) => {
        if (frame !== null) this.#at = frame;
        this.#draw();
      });
    }
    const screen = new PictureScreen(
      part(".screen", this.#stage),
      (frame) => this.#picturesOf(frame),
      () => this.#playPictures(),
    );
    screen.stopped = () => this.show(this.#at);
    return screen;
  }

  /**
   * @param {number} frame
   * @returns {string[]} where there may be a picture of it
   */
  #picturesOf(frame) {
    const found = [];
    const product = this.#frames[frame - 1]?.product;
    if (!this.#isMade) found.push(addressOf(`/processes/${this.#record.pk}/frames/${frame}.jpg`));
    if (product && may("viewer")) found.push(addressOf(`/dataproducts/${product}/preview.png?size=1024`));
    return found;
  }

  #playPictures() {
    delete this.#stage.dataset.byHand;
    const whole = this.#stage.querySelector("#film-picture");
    if (whole instanceof HTMLImageElement && whole.dataset.film) whole.src = whole.dataset.film;
    this.#draw();
  }

  #draw() {
    const count = this.#count;
    if (this.#screen instanceof VideoScreen) {
      this.#screen.count = count;
      this.#screen.video.controls = count === 0; // nothing is known of the frames of old films
    } else if (this.#screen.playing && !this.#isMade) this.#at = Math.max(1, count);
    const slider = /** @type {HTMLInputElement} */ (part("#film-slider"));
    slider.max = String(Math.max(1, count));
    slider.value = String(this.#at);
    const name = this.#frames[this.#at - 1]?.name ?? "";
    slider.setAttribute("aria-valuetext", `${number(this.#at)} of ${number(count)}${name && `, ${name}`}`);
    for (const each of parts(".reel button, .reel input")) each.toggleAttribute("disabled", count === 0);
    part("#film-back").toggleAttribute("disabled", this.#at <= 1);
    part("#film-on").toggleAttribute("disabled", this.#at >= count);
    setText(part("#film-place"), count ? `${number(this.#at)} / ${number(count)}` : "");
    this.#drawPlay();
    this.#drawFrame();
  }

  #drawPlay() {
    const { playing } = this.#screen;
    const words = playing ? "Stop" : this.#isMade ? "Play" : "Show the newest frame";
    const button = part("#film-play");
    button.title = `${words} (p)`;
    setText(part("span", button), words);
    part("use", button).setAttribute("href", playing ? "#i-pause" : "#i-run");
  }

  #drawFrame() {
    const frame = this.#frames[this.#at - 1];
    drawFrameFacts(this.#stage, frame);
    for (const row of /** @type {HTMLLIElement[]} */ (parts("#film-frames li"))) {
      if (row.value === this.#at) row.setAttribute("aria-current", "true");
      else row.removeAttribute("aria-current");
    }
    const button = this.#stage.querySelector("#leave-out");
    if (!(button instanceof HTMLButtonElement) || button.dataset.busy) return;
    button.disabled = !frame || this.#record.products.length < 2;
    const same = frame ? this.#frames.filter(({ product }) => product === frame.product).length : 0;
    button.title = frame ? `Make the film again without ${frame.name}${same > 1 ? ` and its ${counted(same, "frame")}` : ""}` : "";
  }

  #listen() {
    const slider = /** @type {HTMLInputElement} */ (part("#film-slider"));
    slider.addEventListener("input", () => this.show(Number(slider.value)));
    part("#film-back").addEventListener("click", () => this.show(this.#at - 1));
    part("#film-on").addEventListener("click", () => this.show(this.#at + 1));
    part("#film-play").addEventListener("click", () => {
      this.#screen.toggle();
      this.#draw();
    });
    part("#process").addEventListener("click", (event) => this.#clicked(event));
    addEventListener("keydown", (event) => this.#pressed(event));
    addEventListener("popstate", () => this.#followAddress(true));
    this.#stage.querySelector("#leave-out")?.addEventListener("click", () => void this.#leaveOut());
  }

  /** @param {MouseEvent} event */
  #clicked(event) {
    const target = /** @type {Element} */ (event.target);
    if (target.closest('[data-frame="line"] a')) return part(".log-box").scrollIntoView({ block: "nearest" });
    const video = target.closest("#film-video");
    if (video && this.#count) return part("#film-play").click();
    const line = target.closest("#log .line");
    if (line instanceof HTMLElement && getSelection()?.isCollapsed !== false && !target.closest(".text a")) {
      this.#goToLine(Number(line.dataset.number), true);
    }
  }

  /**
   * @param {number} line
   * @param {boolean} isSeen whether the stage is to come into view
   */
  #goToLine(line, isSeen) {
    const frame = this.#frames.find((each) => each.line === line);
    if (!frame) return;
    this.show(frame.frame);
    if (isSeen) this.#stage.scrollIntoView({ block: "nearest" });
  }

  /** @param {boolean} always also if a frame is shown already */
  #followAddress(always) {
    const line = /^#L(\d+)$/.exec(location.hash)?.[1];
    if (!line || (!always && this.#stage.dataset.followed)) return;
    if (this.#frames.length) this.#stage.dataset.followed = "true";
    this.#goToLine(Number(line), false);
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    const step = STEPS[event.key];
    if (!step || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.querySelector("dialog[open]")) return;
    const target = /** @type {Element} */ (event.target);
    const inFilm = target === document.body || target.id === "main" || target.closest("#stage");
    if (!inFilm || target instanceof HTMLInputElement) return;
    event.preventDefault();
    this.show(this.#at + step * (event.shiftKey ? LEAP : 1));
  }

  async #leaveOut() {
    const frame = this.#frames[this.#at - 1];
    const button = /** @type {HTMLButtonElement} */ (part("#leave-out"));
    if (!frame) return;
    const { target, pipeline, products, flags } = this.#record;
    button.disabled = true;
    button.dataset.busy = "true";
    showProblem(part("#act-problem"), "");
    try {
      const body = { target, pipeline, flags, products: products.filter((pk) => pk !== frame.product) };
      const again = await request("POST", "/api/processes/", body, { "Idempotency-Key": this.#key });
      location.assign(pageOf(again));
    } catch (error) {
      showProblem(part("#act-problem"), messageOf(error));
      this.#key = idempotencyKey();
    }
    delete button.dataset.busy;
    this.#drawFrame();
  }
}
