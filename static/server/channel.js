// @ts-check
/**
 * A way for the server's news: a websocket while there is one, polls while there is none. It heals
 * itself after restarts, and tells what it is. What the news mean is not its business.
 */

import { ApiError, parsed, POLL_MS } from "./api.js";

/** @typedef {"connecting" | "live" | "polling" | "lost" | "ended" | "gone"} ChannelState */

/** How long to wait before the next websocket: while nobody answers, and while polls get through. */
const PATIENCE = { first: 250, lost: 4000, polling: 30000 };
/** A silent socket may be a dead one: a poll finds out. */
const SILENCE_MS = 30000;

const DELETED = 4404;

export class Channel {
  #stopped = false;
  /** @type {ChannelState} */
  #state = "connecting";
  #failures = 0;
  #hurried = () => {};
  #hangUp = () => {};

  /**
   * @param {object} source
   * @param {() => string} source.path of the websocket, asked for anew each time
   * @param {(message: any) => void} source.receive
   * @param {() => Promise<void>} source.poll gets over HTTP what the socket would have sent
   * @param {() => boolean} source.complete whether there can be no more news
   * @param {(state: ChannelState) => void} source.changed
   */
  constructor(source) {
    this.source = source;
  }

  /** Bring news until there can be none. */
  async open() {
    while (!this.#finished()) {
      const opened = await this.#listen();
      this.#failures = opened ? 0 : this.#failures + 1;
      if (!this.#finished()) await this.#poll();
      await this.#pollUntilNextAttempt();
    }
  }

  close() {
    this.#stopped = true;
    this.#hangUp();
    this.#hurried();
  }

  /** Try again now: the network is back, or somebody looks at the page again. */
  hurry() {
    this.#failures = 0;
    this.#hurried();
  }

  #finished() {
    if (this.source.complete()) this.#become("ended");
    return this.#stopped || this.#state === "ended" || this.#state === "gone";
  }

  /** @param {ChannelState} state */
  #become(state) {
    if (state === this.#state || this.#stopped) return;
    this.#state = state;
    this.source.changed(state);
  }

  /** @returns {Promise<boolean>} when the socket is closed: whether it had brought anything */
  #listen() {
    return new Promise((resolve) => {
      let opened = false;
      let watch = 0;
      const socket = new WebSocket(socketUrl(this.source.path()));
      const watchSilence = () => {
        clearTimeout(watch);
        watch = setTimeout(() => this.#checkSilence(watchSilence), SILENCE_MS);
      };
      const done = () => {
        clearTimeout(watch);
        socket.onopen = socket.onmessage = socket.onclose = null;
        socket.close();
        resolve(opened);
      };
      this.#hangUp = done;
      socket.onopen = watchSilence;
      socket.onmessage = (event) => {
        opened = true; // some proxies open one and let nothing through
        this.#become("live");
        watchSilence();
        this.source.receive(parsed(event.data));
      };
      socket.onclose = (event) => {
        if (event.code === DELETED) this.#become("gone");
        done();
      };
    });
  }

  /** @param {() => void} goOn */
  async #checkSilence(goOn) {
    try {
      await this.source.poll();
      if (this.#finished()) this.#hangUp();
      else goOn();
    } catch {
      this.#hangUp();
    }
  }

  async #poll() {
    try {
      await this.source.poll();
      if (!this.#finished()) this.#become("polling");
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#become(error.status === 404 ? "gone" : "lost");
    }
  }

  async #pollUntilNextAttempt() {
    const attempt = Date.now() + this.#patience();
    while (!this.#finished() && Date.now() < attempt) {
      const before = this.#state;
      const hurried = await this.#pause(Math.min(POLL_MS, attempt - Date.now()));
      if (hurried || this.#stopped) return;
      if (Date.now() < attempt) await this.#poll();
      if (before === "lost" && this.#state === "polling") return;
    }
  }

  #patience() {
    if (this.#failures === 0) return PATIENCE.first * (0.5 + Math.random());
    const longest = this.#state === "polling" ? PATIENCE.polling : PATIENCE.lost;
    const grown = PATIENCE.first * 2 ** Math.min(this.#failures, 10);
    return Math.min(longest, grown) * (0.75 + Math.random() / 2);
  }

  /**
   * @param {number} milliseconds
   * @returns {Promise<boolean>} whether it was cut short
   */
  #pause(milliseconds) {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), milliseconds);
      this.#hurried = () => {
        clearTimeout(timer);
        resolve(true);
      };
    });
  }
}

/** @param {string} path */
function socketUrl(path) {
  const url = new URL(path, location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}
