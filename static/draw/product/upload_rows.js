// @ts-check
/** The uploads that somebody has to look at: those that failed, and those that are here already. */

import { copyOf, part, slot } from "../find.js";
import { setText } from "../times.js";
import { size } from "../wording.js";

const DUPLICATE_SHOWN_MS = 15_000;

/** @typedef {import("../../server/uploads.js").Upload} Upload */

export class UploadRows {
  /** @type {Map<Upload, HTMLElement>} */
  #rows = new Map();

  /**
   * @param {HTMLElement} list
   * @param {{again: (upload: Upload) => void, away: (upload: Upload) => void}} acts
   */
  constructor(list, acts) {
    this.list = list;
    this.acts = acts;
  }

  /** Those that failed. */
  get failed() {
    return [...this.#rows.keys()].filter((upload) => upload.state === "failed");
  }

  /** @param {Upload} upload */
  draw(upload) {
    if (!upload.problem) return this.remove(upload);
    const row = this.#rows.get(upload) ?? this.#open(upload);
    row.dataset.state = upload.state;
    const stored = upload.state === "stored";
    setText(slot("note", row), stored ? `stored; the same as ${upload.problem}` : upload.problem);
    const again = part('[data-act="again"]', row);
    again.hidden = stored;
    setText(again, upload.state === "same" ? "Upload anyway" : "Try again");
    part('[data-act="away"]', row).hidden = stored;
    if (stored) setTimeout(() => this.remove(upload), DUPLICATE_SHOWN_MS);
    this.#offerAll();
  }

  /** @param {Upload} upload */
  remove(upload) {
    const row = this.#rows.get(upload);
    if (!row) return;
    row.remove();
    this.#rows.delete(upload);
    this.#offerAll();
  }

  #offerAll() {
    part("#retry-failed").hidden = this.failed.length < 2;
  }

  /** @param {Upload} upload */
  #open(upload) {
    const row = copyOf("#upload-row");
    slot("name", row).textContent = upload.file.name;
    slot("name", row).title = `${upload.file.name}, ${size(upload.file.size)}`;
    part('[data-act="again"]', row).addEventListener("click", () => this.acts.again(upload));
    part('[data-act="away"]', row).addEventListener("click", () => this.acts.away(upload));
    this.#rows.set(upload, row);
    this.list.append(row);
    return row;
  }
}
