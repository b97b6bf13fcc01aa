// @ts-check
/** Uploads of files to a target: a few at a time, each with its own progress and its own end. */

import { addressOf } from "./address.js";
import { ApiError, parsed } from "./api.js";

/**
 * @typedef {object} Upload
 * @property {File} file
 * @property {"waiting" | "sending" | "stored" | "failed" | "same"} state
 * @property {number} share how much is sent, 0 to 1
 * @property {string} problem why it failed, or what it is the same as
 * @property {{name: string, size: number, sha256: string}} [stored] the data product that it became
 */

const AT_ONCE = 3;

export class Uploads {
  /** @type {Upload[]} */
  #waiting = [];
  /** @type {Map<Upload, XMLHttpRequest>} */
  #sending = new Map();

  /**
   * @param {number} target
   * @param {(upload: Upload) => void} changed
   */
  constructor(target, changed) {
    this.target = target;
    this.changed = changed;
  }

  get busy() {
    return this.#sending.size + this.#waiting.length > 0;
  }

  /**
   * @param {File} file
   * @param {string} [same] the data product that has the same bytes: then it is not sent by itself
   */
  add(file, same) {
    /** @type {Upload} */
    const upload = { file, state: same ? "same" : "waiting", share: 0, problem: "" };
    if (same) upload.problem = `Already here as ${same}.`;
    this.changed(upload);
    if (same) return;
    this.#waiting.push(upload);
    this.#sendNext();
  }

  /** @param {Upload} upload one that failed, or that is wanted although its bytes are here */
  retry(upload) {
    this.#waiting.push(upload);
    this.#setState(upload, "waiting");
    this.#sendNext();
  }

  /** @param {Upload} upload */
  remove(upload) {
    this.#waiting = this.#waiting.filter((waiting) => waiting !== upload);
    const sending = this.#sending.get(upload);
    if (!sending) return;
    sending.onloadend = null;
    sending.abort();
    this.#sending.delete(upload);
    this.#sendNext();
  }

  #sendNext() {
    while (this.#sending.size < AT_ONCE && this.#waiting.length) this.#send(this.#waiting.shift());
  }

  /** @param {Upload} upload */
  #send(upload) {
    const body = new FormData();
    body.append("file", upload.file, upload.file.name);
    const sending = new XMLHttpRequest();
    sending.upload.onprogress = ({ loaded, total }) => {
      upload.share = total ? loaded / total : 0;
      this.changed(upload);
    };
    sending.onloadend = () => this.#finished(upload, sending);
    this.#sending.set(upload, sending);
    sending.open("POST", addressOf(`/api/targets/${this.target}/dataproducts/`));
    sending.send(body);
    this.#setState(upload, "sending");
  }

  /**
   * @param {Upload} upload
   * @param {XMLHttpRequest} sent
   */
  #finished(upload, sent) {
    this.#sending.delete(upload);
    if (sent.status === 201) {
      upload.share = 1;
      upload.stored = parsed(sent.responseText).dataproducts?.[0];
      this.#setState(upload, "stored");
    } else {
      upload.problem = new ApiError(sent.status, parsed(sent.responseText)).message;
      this.#setState(upload, "failed");
    }
    this.#sendNext();
  }

  /**
   * @param {Upload} upload
   * @param {Upload["state"]} state
   */
  #setState(upload, state) {
    upload.state = state;
    this.changed(upload);
  }
}
