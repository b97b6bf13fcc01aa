// @ts-check
/** One line about all uploads: how many are stored, how much is sent, and how long it will take. */

import { part, slot } from "../find.js";
import { setText } from "../times.js";
import { counted, duration, number, sizeOf } from "../wording.js";

/** @typedef {import("../../server/uploads.js").Upload} Upload */

/** The pace is that of the last seconds. */
const PACE_MS = 8000;
/** No guess before this. */
const GUESS_AFTER_MS = 1500;
const DONE_SHOWN_MS = 6000;

export class UploadLine {
  /** @type {Set<Upload>} those of this round */
  #uploads = new Set();
  /** @type {{at: number, files: number, bytes: number}[]} what was done by then, oldest first */
  #past = [];
  #drawing = 0;
  #emptying = 0;

  /** @param {HTMLElement} place */
  constructor(place) {
    this.place = place;
    this.bar = /** @type {HTMLProgressElement} */ (part("progress", place));
  }

  /** @param {Upload} upload one that is new or has changed */
  note(upload) {
    this.#uploads.add(upload);
    this.#drawSoon();
  }

  /** @param {Upload} upload one that is given up */
  forget(upload) {
    this.#uploads.delete(upload);
    this.#drawSoon();
  }

  #drawSoon() {
    this.#drawing ||= setTimeout(() => {
      this.#drawing = 0;
      this.#draw();
    }, 100);
  }

  #draw() {
    const sums = sumsOf(this.#uploads);
    const busy = sums.left > 0;
    clearTimeout(this.#emptying);
    this.bar.hidden = part('[data-act="stop"]', this.place).hidden = !busy;
    this.bar.max = sums.allBytes + sums.all; // files of no bytes count, too
    this.bar.value = sums.bytes + sums.files;
    const words = this.#uploads.size ? this.#words(sums) : "";
    setText(slot("words", this.place), words);
    setText(slot("news", this.place), busy ? "" : words); // read out once
    if (busy) return;
    this.#past = [];
    if (!sums.failed) this.#emptying = setTimeout(() => this.#empty(), DONE_SHOWN_MS);
  }

  #empty() {
    this.#uploads.clear();
    this.#draw();
  }

  /** @param {Sums} sums */
  #words(sums) {
    const same = sums.same ? `, ${number(sums.same)} here already` : "";
    const failed = sums.failed ? `, ${number(sums.failed)} failed` : "";
    if (!sums.left) return `${counted(sums.files, "file")} stored${same}${failed}.`;
    const left = this.#timeLeft(sums);
    const sent = sizeOf(sums.bytes, sums.allBytes);
    return `${number(sums.files)} of ${number(sums.all)}, ${sent}${left ? `, ${left} left` : ""}${same}${failed}`;
  }

  /** @param {Sums} sums */
  #timeLeft({ files, bytes, left, leftBytes }) {
    const now = performance.now();
    this.#past = this.#past.filter(({ at }) => now - at < PACE_MS);
    this.#past.push({ at: now, files, bytes });
    const first = this.#past[0];
    const passed = now - first.at;
    if (passed < GUESS_AFTER_MS || (files === first.files && bytes === first.bytes)) return "";
    // Small files take their time by their number, large ones by their bytes.
    const byFiles = files > first.files ? (left / (files - first.files)) * passed : 0;
    const byBytes = bytes > first.bytes ? (leftBytes / (bytes - first.bytes)) * passed : 0;
    return duration(Math.max(1, Math.ceil(Math.max(byFiles, byBytes) / 1000)));
  }
}

/**
 * @typedef {object} Sums how many files and bytes there are, are done, and are left; how many failed,
 *   and how many are not sent, as the target has the same bytes
 * @property {number} all
 * @property {number} allBytes
 * @property {number} files
 * @property {number} bytes
 * @property {number} left
 * @property {number} leftBytes
 * @property {number} failed
 * @property {number} same
 */

/**
 * @param {Iterable<Upload>} uploads
 * @returns {Sums}
 */
function sumsOf(uploads) {
  const sums = { all: 0, allBytes: 0, files: 0, bytes: 0, left: 0, leftBytes: 0, failed: 0, same: 0 };
  for (const { state, share, file } of uploads) {
    if (state === "same") {
      sums.same++;
      continue;
    }
    sums.all++;
    if (state === "failed") {
      sums.failed++;
      continue;
    }
    const sent = state === "stored" ? file.size : share * file.size;
    sums.allBytes += file.size;
    sums.bytes += sent;
    if (state === "stored") sums.files++;
    else {
      sums.left++;
      sums.leftBytes += file.size - sent;
    }
  }
  return sums;
}
