// @ts-check
/** The list of uploads. Those that are stored disappear after a while. */

import { copyOf, part, slot } from "../find.js";
import { setText } from "../times.js";
import { size } from "../wording.js";

const STORED_SHOWN_MS = 4000;
const DUPLICATE_SHOWN_MS = 15_000;

export class UploadRows {
  /** @type {Map<import("../../server/uploads.js").Upload, HTMLElement>} */
  #rows = new Map();

  /**
   * @param {HTMLElement} list
   * @param {{again: (upload: any) => void, away: (upload: any) => void}} acts
   */
  constructor(list, acts) {
    this.list = list;
    this.acts = acts;
  }

  /** Those that failed. */
  get failed() {
    return [...this.#rows.keys()].filter((upload) => upload.state === "failed");
  }

  /** @param {import("../../server/uploads.js").Upload} upload */
  draw(upload) {
    const row = this.#rows.get(upload) ?? this.#open(upload);
    row.dataset.state = upload.state;
    const bar = /** @type {HTMLProgressElement} */ (part("progress", row));
    bar.value = upload.share;
    setText(slot("note", row), note(upload));
    const again = part('[data-act="again"]', row);
    again.hidden = upload.state !== "failed" && upload.state !== "same";
    setText(again, upload.state === "same" ? "Upload anyway" : "Try again");
    part('[data-act="away"]', row).hidden = upload.state === "stored";
    const shownMs = upload.problem ? DUPLICATE_SHOWN_MS : STORED_SHOWN_MS;
    if (upload.state === "stored") setTimeout(() => this.remove(upload), shownMs);
    this.#offerAll();
  }

  /** @param {import("../../server/uploads.js").Upload} upload */
  remove(upload) {
    this.#rows.get(upload)?.remove();
    this.#rows.delete(upload);
    this.#offerAll();
  }

  #offerAll() {
    part("#retry-failed").hidden = this.failed.length < 2;
  }

  /** @param {import("../../server/uploads.js").Upload} upload */
  #open(upload) {
    const row = copyOf("#upload-row");
    slot("name", row).textContent = upload.file.name;
    part("progress", row).setAttribute("aria-label", `Upload of ${upload.file.name}`);
    part('[data-act="again"]', row).addEventListener("click", () => this.acts.again(upload));
    part('[data-act="away"]', row).addEventListener("click", () => this.acts.away(upload));
    this.#rows.set(upload, row);
    this.list.append(row);
    return row;
  }
}

/** @param {import("../../server/uploads.js").Upload} upload */
function note(upload) {
  switch (upload.state) {
    case "waiting":
      return size(upload.file.size);
    case "sending":
      return upload.share < 1 ? `${Math.floor(upload.share * 100)} % of ${size(upload.file.size)}` : "storing…";
    case "stored":
      return upload.problem ? `stored; the same as ${upload.problem}` : "stored";
    case "failed":
    case "same":
      return upload.problem;
    default:
      throw new Error(`Unknown state ${upload.state}`);
  }
}
