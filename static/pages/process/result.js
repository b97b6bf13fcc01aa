// @ts-check
/** The result of a process on its page: what there is of it while it is made, and what it has become. */

import { needed } from "../../draw/connection.js";
import { part } from "../../draw/find.js";
import { regionOf } from "../../draw/region/region.js";
import { addressOf } from "../../server/address.js";
import { watchFrames } from "./frames.js";
import { startStage } from "./stage.js";

export class Result {
  /** @type {any} */
  #record;
  /** Plays the film of a timelapse. @type {import("./film.js").FilmPlayer | undefined} */
  #player;
  /** Draws the frames of a timelapse. @type {(record: any) => void} */
  #drawFrames = () => {};

  /** @param {any} record */
  constructor(record) {
    this.#record = record;
    this.#drawPicture();
    if (record.process_type === "timelapse") void this.#followFrames();
    else void startStage(record);
  }

  async #followFrames() {
    const { FilmPlayer } = await needed(() => import("./film.js"));
    if (part("#stage").dataset.kind === "film") this.#player = new FilmPlayer(this.#record);
    this.#drawFrames = watchFrames(this.#record, (frames) => this.#player?.take(frames));
  }

  /** @param {any} record the newest one */
  record(record) {
    this.#record = record;
    this.#drawPicture();
    this.#drawFrames(record);
    this.#player?.record(record);
  }

  /** Show the latest picture of a run, of a timelapse its last finished frame, while it goes on. */
  #drawPicture() {
    const { pk, process_type: type, state, progress, log_lines: lines } = this.#record;
    const shown = document.querySelector("#stage:not([data-by-hand]) #frame");
    if (!(shown instanceof HTMLImageElement) || shown.dataset.asked) return;
    if (state !== "running" || (type === "timelapse" && !progress)) {
      if (type === "timelapse") shown.hidden = true;
      return;
    }
    shown.dataset.asked = "true"; // one at a time, however fast they are finished
    const newer = new Image();
    Object.assign(newer, { id: shown.id, alt: shown.alt });
    newer.addEventListener("load", () => shown.replaceWith(newer));
    newer.addEventListener("error", () => delete shown.dataset.asked);
    newer.src = addressOf(`/processes/${pk}/preview.png?done=${progress ? progress.done : lines}`);
  }

  /**
   * Show what the process has made, if it is something to look at. Where the log has had all the
   * room, it stays until the reader wants the result, so that no line is moved away while it is read.
   *
   * @param {string} html the page as the server renders it now
   */
  ended(html) {
    const fresh = regionOf("stage", html);
    const stage = part("#stage");
    if (fresh.hidden) {
      const waiting = stage.querySelector(".waiting");
      if (waiting) waiting.textContent = "No film was made.";
    } else if (this.#player && fresh.dataset.kind === "film") {
      part(".screen", stage).replaceWith(part(".screen", fresh));
      delete stage.dataset.byHand;
      this.#player.made();
    } else if (stage.hidden && !document.hidden) this.#offer(fresh);
    else this.#replaceStage(fresh);
  }

  /** @param {HTMLElement} fresh */
  #replaceStage(fresh) {
    part("#show-result").hidden = true;
    part("#stage").replaceWith(fresh);
    void startStage(this.#record);
  }

  /** @param {HTMLElement} fresh */
  #offer(fresh) {
    const button = part("#show-result");
    button.hidden = false;
    button.onclick = () => { // in place of what was offered before
      this.#replaceStage(fresh);
      scrollTo({ top: 0 });
    };
  }
}
