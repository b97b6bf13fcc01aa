// @ts-check
/** Two runs side by side: their films in step, by the files that their frames are made of; kept current. */

import { part, parts, slot } from "../../draw/find.js";
import { VideoScreen, PictureScreen } from "../../draw/process/screens.js";
import { updateRegion } from "../../draw/region/morph.js";
import { regionOf } from "../../draw/region/region.js";
import { keepTimes, setText } from "../../draw/times.js";
import { exact, number } from "../../draw/wording.js";
import { addressOf } from "../../server/address.js";
import { get, getPage } from "../../server/api.js";
import { follow } from "../followed.js";

/** @typedef {import("../../draw/process/frames.js").Frame} Frame */
/** A frame of each film that are made of the same file; null where a film has none. @typedef {[Frame | null, Frame | null]} Pair */

const PLAYED_MS = 125;
const LEAP = 10;

const pair = part("#pair");
keepTimes(Number(pair.dataset.now));
const processes = JSON.parse(pair.dataset.processes ?? "[]");
const screens = screensIn(pair); // as the server drew them
chooseOther();
if (pair.dataset.film !== undefined) void playTogether(processes).catch(() => {}); // one was deleted
for (const pk of processes) followRun(pk);

/** @param {number} pk of a process whose state, receipt and outputs are shown as they are now */
function followRun(pk) {
  let drawn = "";
  follow(`/api/processes/${pk}/`, JSON.parse(pair.dataset.targets ?? "[]"), ["processes", "products"], async (record) => {
    const { status, attempt, outputs, failure_message: message, stopping } = record;
    const now = JSON.stringify([status, attempt, outputs.length, message, stopping]);
    if (now === drawn) return; // it has only gone on
    const page = await getPage(location.pathname);
    if (screensIn(regionOf("pair", page)) !== screens) return location.reload();
    updateRegion(`run-${pk}`, page);
    updateRegion("compared", page);
    drawn = now;
  });
}

/**
 * Return what is shown of both, to tell whether it is still the same.
 *
 * @param {HTMLElement} region
 */
function screensIn(region) {
  return parts(".screen > *", region).map((screen) => screen.getAttribute("src")).join();
}

function chooseOther() {
  const select = document.querySelector("#other");
  if (!(select instanceof HTMLSelectElement)) return;
  select.addEventListener("change", () => {
    location.assign(addressOf(`/processes/${part("#other-run").dataset.process}/compare/${select.value}/`));
  });
}

/** @param {[number, number]} processes */
async function playTogether(processes) {
  const films = await Promise.all(processes.map((pk) => get(`/api/processes/${pk}/frames/`)));
  const both = new Both(films.map(({ frames }) => frames));
  both.show(1);
}

class Both {
  #at = 1;
  #timer = 0;

  /** @param {Frame[][]} films */
  constructor(films) {
    this.films = films;
    this.pairs = pairsOf(films[0], films[1]);
    this.figures = [...pair.querySelectorAll("figure")];
    this.screens = this.figures.map((figure, side) => screenOf(figure, films[side]));
    this.slider = /** @type {HTMLInputElement} */ (part("#both-slider"));
    this.slider.max = String(Math.max(1, this.pairs.length));
    this.slider.addEventListener("input", () => this.#go(Number(this.slider.value)));
    part("#other-back").addEventListener("click", () => this.#go(this.#at - 1));
    part("#other-on").addEventListener("click", () => this.#go(this.#at + 1));
    part("#both-play").addEventListener("click", () => this.#toggle());
    addEventListener("keydown", (event) => this.#pressed(event));
  }

  /** @param {number} at the pair to show, from 1 on */
  show(at) {
    if (!this.pairs.length) return;
    this.#at = Math.min(Math.max(1, at), this.pairs.length);
    for (const [side, figure] of this.figures.entries()) this.#showSide(side, figure);
    this.slider.value = String(this.#at);
    this.slider.setAttribute("aria-valuetext", `${number(this.#at)} of ${number(this.pairs.length)}`);
    for (const each of document.querySelectorAll(".together button, .together input")) each.removeAttribute("disabled");
    part("#other-back").toggleAttribute("disabled", this.#at <= 1);
    part("#other-on").toggleAttribute("disabled", this.#at >= this.pairs.length);
    setText(part("#both-place"), `${number(this.#at)} / ${number(this.pairs.length)}`);
  }

  /**
   * @param {number} side
   * @param {HTMLElement} figure
   */
  #showSide(side, figure) {
    const frame = this.pairs[this.#at - 1][side];
    figure.classList.toggle("without", frame === null);
    if (frame) this.screens[side].show(frame.frame, this.films[side].length);
    const other = this.pairs[this.#at - 1][1 - side];
    setText(slot("frame", figure), frame ? nameOf(frame) : `${other?.name ?? "It"} is not in this film`);
  }

  /** @param {number} at */
  #go(at) {
    this.#stop();
    this.show(at);
  }

  #toggle() {
    if (this.#timer) return this.#stop();
    this.#timer = setInterval(() => this.show((this.#at % this.pairs.length) + 1), PLAYED_MS);
    drawPlay(true);
  }

  #stop() {
    clearInterval(this.#timer);
    this.#timer = 0;
    drawPlay(false);
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const target = /** @type {Element} */ (event.target);
    if (target.closest("input, select, [tabindex='0'], dialog")) return;
    event.preventDefault();
    this.#go(this.#at + step * (event.shiftKey ? LEAP : 1));
  }
}

/** @param {boolean} playing */
function drawPlay(playing) {
  const button = part("#both-play");
  const words = playing ? "Stop both" : "Play both";
  button.title = `${words} (p)`;
  setText(part("span", button), words);
  part("use", button).setAttribute("href", playing ? "#i-pause" : "#i-run");
}

/**
 * @param {HTMLElement} figure
 * @param {Frame[]} frames
 * @returns {import("../../draw/process/screens.js").Screen}
 */
function screenOf(figure, frames) {
  const video = figure.querySelector("video");
  if (video) return new VideoScreen(video, () => {});
  const addresses = (/** @type {number} */ frame) => {
    const product = frames[frame - 1]?.product;
    return product ? [addressOf(`/dataproducts/${product}/preview.png?size=1024`)] : [];
  };
  return new PictureScreen(part(".screen", figure), addresses, () => {});
}

/** @param {Frame} frame */
function nameOf({ name, date }) {
  return date === null ? name : `${name}, ${exact(date)}`;
}

/**
 * Pair the frames of two films that are made of the same file, in the order in which they were taken.
 *
 * @param {Frame[]} one
 * @param {Frame[]} other
 * @returns {Pair[]}
 */
function pairsOf(one, other) {
  /** @type {Map<string, Pair>} */
  const pairs = new Map();
  for (const [side, frames] of [one, other].entries()) {
    /** @type {Map<number, number>} how many frames of a file came before */
    const before = new Map();
    for (const frame of frames) {
      const nth = before.get(frame.product) ?? 0;
      before.set(frame.product, nth + 1);
      const key = `${frame.product} ${nth}`;
      const found = pairs.get(key) ?? /** @type {Pair} */ ([null, null]);
      found[side] = frame;
      pairs.set(key, found);
    }
  }
  return [...pairs.values()].sort((a, b) => placeOf(a) - placeOf(b));
}

/** @param {Pair} pair */
function placeOf([one, other]) {
  return (one ?? other)?.date ?? Infinity;
}
