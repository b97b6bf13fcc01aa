// @ts-check
/**
 * Uploads of files to a target: several side by side, small ones some in a request, as each request
 * costs the server as much as several small files do. Each has its own progress and its own end.
 */

import { addressOf } from "./address.js";
import { ApiError, parsed } from "./api.js";

/**
 * @typedef {object} Upload
 * @property {File} file
 * @property {"waiting" | "sending" | "stored" | "failed" | "same"} state
 * @property {number} share how much is sent, 0 to 1
 * @property {string} problem why it failed, or what it is the same as
 * @property {boolean} alone whether it is sent in a request of its own
 * @property {{pk: number, name: string, size: number, sha256: string}} [stored] what it became
 */

/** Browsers open six connections to a server; two are left for what the page asks meanwhile. */
const AT_ONCE = 4;
/** How many files go in one request, how many bytes they have together, and each at most. */
const TOGETHER = 16;
const TOGETHER_BYTES = 4_000_000;
const SMALL_BYTES = 1_000_000;

export class Uploads {
  /** @type {Set<Upload>} those that are neither sent nor given up */
  #planned = new Set();
  /** @type {Upload[]} those of them that may be sent */
  #waiting = [];
  /** @type {Map<XMLHttpRequest, Upload[]>} */
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
    return this.#sending.size + this.#planned.size > 0;
  }

  /** @param {File} file */
  add(file) {
    this.start(this.plan(file));
  }

  /**
   * Count a file among those that are to be sent; it is sent once it is started.
   *
   * @param {File} file
   */
  plan(file) {
    /** @type {Upload} */
    const upload = { file, state: "waiting", share: 0, problem: "", alone: false };
    this.#planned.add(upload);
    this.changed(upload);
    return upload;
  }

  /**
   * @param {Upload} upload one that is planned
   * @param {string} [same] the data product that has the same bytes: then it is not sent by itself
   */
  start(upload, same) {
    if (!this.#planned.has(upload)) return; // given up meanwhile
    if (same) {
      this.#planned.delete(upload);
      upload.problem = `Already here as ${same}.`;
      this.#setState(upload, "same");
      return;
    }
    this.#waiting.push(upload);
    this.#sendNext();
  }

  /** @param {Upload} upload one that failed, or that is wanted although its bytes are here */
  retry(upload) {
    this.#planned.add(upload);
    upload.problem = "";
    this.#setState(upload, "waiting");
    this.start(upload);
  }

  /** Give up all that are not stored, and return them. */
  stop() {
    const given = [...this.#planned, ...[...this.#sending.values()].flat()];
    this.#planned.clear();
    this.#waiting = [];
    for (const sending of this.#sending.keys()) {
      sending.onloadend = null;
      sending.abort();
    }
    this.#sending.clear();
    return given;
  }

  #sendNext() {
    while (this.#sending.size < AT_ONCE && this.#waiting.length) this.#send(this.#takeSome());
  }

  /** Take the next file, and small ones that follow it. */
  #takeSome() {
    // What is left is shared among the requests that may be made.
    const most = Math.min(TOGETHER, Math.ceil(this.#waiting.length / AT_ONCE));
    let [count, bytes] = [0, 0];
    for (const { alone, file } of this.#waiting.slice(0, most)) {
      bytes += file.size;
      if (count && (alone || file.size > SMALL_BYTES || bytes > TOGETHER_BYTES)) break;
      count++;
      if (alone || file.size > SMALL_BYTES) break;
    }
    const some = this.#waiting.splice(0, count);
    for (const upload of some) this.#planned.delete(upload);
    return some;
  }

  /** @param {Upload[]} uploads */
  #send(uploads) {
    const body = new FormData();
    for (const { file } of uploads) body.append("file", file, file.name);
    const sending = new XMLHttpRequest();
    sending.upload.onprogress = ({ loaded, total }) => {
      for (const upload of uploads) {
        upload.share = total ? loaded / total : 0;
        this.changed(upload);
      }
    };
    sending.onloadend = () => this.#finished(uploads, sending);
    this.#sending.set(sending, uploads);
    sending.open("POST", addressOf(`/api/targets/${this.target}/dataproducts/`));
    sending.send(body);
    for (const upload of uploads) this.#setState(upload, "sending");
  }

  /**
   * @param {Upload[]} uploads
   * @param {XMLHttpRequest} sent
   */
  #finished(uploads, sent) {
    this.#sending.delete(sent);
    const body = parsed(sent.responseText);
    if (sent.status === 201) this.#stored(uploads, body.dataproducts ?? []);
    else if (uploads.length > 1) this.#sendAlone(uploads);
    else this.#failed(uploads[0], new ApiError(sent.status, body).message);
    this.#sendNext();
  }

  /**
   * @param {Upload[]} uploads
   * @param {Required<Upload>["stored"][]} products in the same order
   */
  #stored(uploads, products) {
    uploads.forEach((upload, at) => {
      upload.share = 1;
      upload.stored = products[at];
      this.#setState(upload, "stored");
    });
  }

  /**
   * Send files again that were refused together: one of them may be the reason.
   *
   * @param {Upload[]} uploads
   */
  #sendAlone(uploads) {
    for (const upload of uploads) {
      upload.alone = true;
      upload.share = 0;
      this.#planned.add(upload);
      this.#setState(upload, "waiting");
    }
    this.#waiting.unshift(...uploads);
  }

  /**
   * @param {Upload} upload
   * @param {string} problem
   */
  #failed(upload, problem) {
    upload.problem = problem;
    upload.share = 0;
    this.#setState(upload, "failed");
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
