// @ts-check
/**
 * Tells a page what has changed, over one channel for all its parts (`/ws/changes/`); what it is now,
 * they ask the HTTP API. Where there is no websocket, everything may have changed at each poll: then
 * `Answers` tells what has not.
 *
 *     subscribe(target, async (what) => {
 *       if (what.has("products")) await drawProducts();
 *     });
 */

import { ApiError, LoadError, poll, POLL_MS, pollAnswer } from "./api.js";
import { Channel } from "./channel.js";

/** @typedef {"target" | "targets" | "products" | "groups" | "lightcurve" | "processes"} Kind */

/** @type {Kind[]} what can change about one target, and about all of them */
const OF_ONE = ["target", "products", "groups", "lightcurve", "processes"];
/** @type {Kind[]} */
const OF_ALL = ["targets", "processes"];
/** After this, what could not be fetched is tried again. */
const AGAIN_MS = 1000;
const MOST_PAUSE_MS = 1000;

/**
 * Call `changed` with what may have changed: with everything once connected, then with each change
 * within a second, also after the connection was lost. While it is busy (it may return a promise),
 * changes are merged; after it failed for want of an answer, it is called with the same again. For
 * want of a module, it is so a few times, ever later; then it waits for the next change.
 *
 * @param {number | null} target of which one, or null for all targets and processes
 * @param {(what: Set<Kind>) => unknown} changed
 * @param {object} [options]
 * @param {Kind[]} [options.kinds] those that are of interest, by default all
 * @param {number} [options.apartMs] the least time between the ends of two calls
 * @param {number} [options.pollMs] how often it is called where there is no websocket, unless another
 *   part of the page wants to know sooner
 * @param {(state: import("./channel.js").ChannelState) => void} [options.state] called with each
 *   state of the channel
 * @param {(error: LoadError) => void} [options.failed] called when a module is not waited for any more
 * @returns {() => void} ends the subscription
 */
export function subscribe(target, changed, { kinds, apartMs = 0, pollMs = POLL_MS, state, failed } = {}) {
  const follower = followerOf(target);
  const reader = new Reader(changed, { kinds: kinds ?? follower.kinds, apartMs, pollMs, state, failed });
  follower.add(reader);
  return () => follower.remove(reader);
}

/** @type {Map<number | null, Follower>} those that have readers, by target */
const followers = new Map();

/** @param {number | null} target */
function followerOf(target) {
  const follower = followers.get(target) ?? new Follower(target);
  followers.set(target, follower);
  return follower;
}

/** One channel and its readers. */
class Follower {
  /** @type {Set<Reader>} */
  #readers = new Set();
  /** @type {import("./channel.js").ChannelState} */
  #state = "connecting";

  /** @param {number | null} target */
  constructor(target) {
    this.target = target;
    this.kinds = target === null ? OF_ALL : OF_ONE;
    this.channel = new Channel({
      path: () => (target === null ? "/ws/changes/" : `/ws/changes/?target=${target}`),
      receive: (message) => this.#receive(message),
      poll: () => this.#poll(),
      complete: () => false,
      changed: (state) => this.#show(state),
      pollMs: () => Math.min(...[...this.#readers].map((reader) => reader.pollMs)),
    });
    this.reconnectNow = () => this.channel.reconnectNow();
  }

  /** @param {Reader} reader */
  add(reader) {
    this.#readers.add(reader);
    if (this.#readers.size === 1) this.#open();
    else if (this.#state === "live") reader.tell(this.kinds); // what the others were told already
    reader.state(this.#state);
  }

  /** @param {Reader} reader */
  remove(reader) {
    reader.close();
    if (!this.#readers.delete(reader) || this.#readers.size) return;
    followers.delete(this.target);
    removeEventListener("online", this.reconnectNow);
    this.channel.close();
  }

  #open() {
    addEventListener("online", this.reconnectNow);
    void this.channel.open();
  }

  /** @param {any} message */
  #receive(message) {
    if (message.type === "changed") this.#tell(message.what);
  }

  /** Ask whether it is still there, and whether we may still see it. */
  async #poll() {
    await poll(this.target === null ? "/api/targets/?limit=1" : `/api/targets/${this.target}/`);
    this.#tell(this.kinds);
  }

  /** @param {Kind[]} what */
  #tell(what) {
    for (const reader of this.#readers) reader.tell(what);
  }

  /** @param {import("./channel.js").ChannelState} state */
  #show(state) {
    this.#state = state;
    for (const reader of this.#readers) reader.state(state);
  }
}

/** Calls one part of the page, not again before it is done. */
class Reader {
  /** @type {Set<Kind>} what it has not been told yet */
  #news = new Set();
  #busy = false;
  #closed = false;

  /**
   * @param {(what: Set<Kind>) => unknown} changed
   * @param {object} options as those of `subscribe`
   * @param {Kind[]} options.kinds
   * @param {number} options.apartMs
   * @param {number} options.pollMs
   * @param {(state: import("./channel.js").ChannelState) => void} [options.state]
   * @param {(error: LoadError) => void} [options.failed]
   */
  constructor(changed, { kinds, apartMs, pollMs, state, failed }) {
    this.changed = changed;
    this.kinds = kinds;
    this.apartMs = apartMs;
    this.pollMs = pollMs;
    this.state = state ?? (() => {});
    this.failed = failed ?? ((error) => reportError(error));
  }

  close() {
    this.#closed = true;
  }

  /** @param {Kind[]} what */
  tell(what) {
    for (const kind of what) if (this.kinds.includes(kind)) this.#news.add(kind);
    if (!this.#busy) void this.#callWhileNews();
  }

  async #callWhileNews() {
    this.#busy = true;
    while (this.#news.size && !this.#closed) {
      const news = this.#news;
      this.#news = new Set();
      const begun = Date.now();
      try {
        await this.changed(news);
        // What takes long to fetch and to draw leaves as much time to everything else.
        await pause(Math.max(this.apartMs, Math.min(MOST_PAUSE_MS, Date.now() - begun)));
      } catch (error) {
        if (!(error instanceof ApiError)) reportError(error);
        else if (await this.#mayComeBack(error)) for (const kind of news) this.#news.add(kind);
      }
    }
    this.#busy = false;
  }

  /** @param {ApiError} error */
  async #mayComeBack(error) {
    const { status } = error;
    if (status > 0 && status < 500 && status !== 429) return false;
    if (!(error instanceof LoadError)) await pause(AGAIN_MS);
    else if (error.last) this.failed(error);
    else await pause(AGAIN_MS * 2 ** (error.tries - 1));
    return !(error instanceof LoadError && error.last);
  }
}

/** @param {number} milliseconds */
function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** What the server has answered last, so that nothing is drawn again that has not changed. */
export class Answers {
  /** @type {Map<string, string>} */
  #versions = new Map();

  /**
   * Draw something if it is not the same as when it was drawn last. What could not be drawn, as the
   * server could not be reached for the rest of it, counts as changed the next time.
   *
   * @param {string} path
   * @param {(body: any) => unknown} draw
   */
  async drawChanged(path, draw) {
    const { version, body } = await pollAnswer(path);
    if (this.#versions.get(path) === version) return;
    await draw(body);
    this.#versions.set(path, version);
  }
}
