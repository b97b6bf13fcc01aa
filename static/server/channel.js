// @ts-check
/**
 * Brings the server's messages: over a websocket where there is one, by polling where there is none.
 * Connects again after a restart and reports its state. What the messages mean, its source knows.
 */

import { addressOf } from "./address.js";
import { ApiError, parsed, poll, POLL_MS } from "./api.js";

/** @typedef {"connecting" | "live" | "polling" | "lost" | "ended" | "gone" | "refused"} ChannelState */

/** How long to wait before the next websocket: at first, while nothing answers, while polls do. */
const RECONNECT_MS = { first: 250, lost: 4000, polling: 30000 };
/** After this long without a message the server may be frozen: a cheap question finds out. */
const SILENCE_MS = 6000;
/** After this many silences the socket may be dead although the server is not: a poll finds out. */
const SILENCES = 5;
/** What is asked of a silent server. */
const ALIVE = "/healthz";

/** The close code of a websocket about something that has been deleted. */
const DELETED = 4404;
/** The close code of a websocket whose token or session is no longer good. */
const NO_LONGER_ALLOWED = 4401;
/** The states that nothing follows. */
const LAST = ["ended", "gone", "refused"];

export class Channel {
  #stopped = false;
  /** @type {ChannelState} */
  #state = "connecting";
  #failures = 0;
  #endPause = () => {};
  #closeSocket = () => {};

  /**
   * @param {object} source
   * @param {() => string} source.path of the websocket, asked for anew each time
   * @param {(message: any) => void} source.receive
   * @param {() => Promise<void>} source.poll gets over HTTP what the socket would have sent
   * @param {() => boolean} source.complete whether there can be no more messages
   * @param {(state: ChannelState) => void} source.changed
   * @param {() => number} [source.pollMs] how often to poll where there is no socket
   */
  constructor(source) {
    this.source = source;
  }

  /** Bring messages until there can be no more. */
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
    this.#closeSocket();
    this.#endPause();
  }

  /** Try again at once, as when the network is back. */
  reconnectNow() {
    this.#failures = 0;
    this.#endPause();
  }

  #finished() {
    if (this.source.complete()) this.#setState("ended");
    return this.#stopped || LAST.includes(this.#state);
  }

  /** @param {ChannelState} state */
  #setState(state) {
    if (state === this.#state || this.#stopped) return;
    this.#state = state;
    this.source.changed(state);
  }

  /** @returns {Promise<boolean>} when the socket is closed: whether it had brought anything */
  #listen() {
    return new Promise((resolve) => {
      let opened = false;
      let watch = 0;
      let silences = 0;
      const socket = new WebSocket(socketUrl(this.source.path()));
      const watchSilence = () => {
        clearTimeout(watch);
        watch = setTimeout(() => this.#checkSilence(++silences, watchSilence), SILENCE_MS);
      };
      const done = () => {
        clearTimeout(watch);
        socket.onmessage = socket.onclose = null;
        socket.close();
        resolve(opened);
      };
      this.#closeSocket = done;
      watchSilence(); // a frozen server takes the connection and says nothing
      socket.onmessage = (event) => {
        opened = true; // some proxies open one and let nothing through
        this.#setState("live");
        silences = 0;
        watchSilence();
        this.source.receive(parsed(event.data));
      };
      socket.onclose = (event) => {
        if (event.code === DELETED) this.#setState("gone");
        if (event.code === NO_LONGER_ALLOWED) this.#setState("refused");
        done();
      };
    });
  }

  /**
   * @param {number} silences since the last message
   * @param {() => void} onAlive
   */
  async #checkSilence(silences, onAlive) {
    const close = this.#closeSocket;
    try {
      if (silences % SILENCES) await poll(ALIVE);
      else await this.source.poll();
      if (close !== this.#closeSocket) return; // of a socket that has been closed meanwhile
      if (this.#finished()) close();
      else onAlive();
    } catch (error) {
      if (close !== this.#closeSocket) return;
      if (error instanceof ApiError && error.status === 0) this.#setState("lost");
      close();
    }
  }

  async #poll() {
    try {
      await this.source.poll();
      if (!this.#finished()) this.#setState("polling");
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#setState(stateAfter(error.status));
    }
  }

  async #pollUntilNextAttempt() {
    const attempt = Date.now() + this.#reconnectDelay();
    while (!this.#finished() && Date.now() < attempt) {
      const before = this.#state;
      const every = this.source.pollMs?.() ?? POLL_MS;
      const cutShort = await this.#pause(Math.min(every, attempt - Date.now()));
      if (cutShort || this.#stopped) return;
      if (Date.now() < attempt) await this.#poll();
      if (before === "lost" && this.#state === "polling") return;
    }
  }

  #reconnectDelay() {
    if (this.#failures === 0) return RECONNECT_MS.first * (0.5 + Math.random());
    const longest = this.#state === "polling" ? RECONNECT_MS.polling : RECONNECT_MS.lost;
    const grown = RECONNECT_MS.first * 2 ** Math.min(this.#failures, 10);
    return Math.min(longest, grown) * (0.75 + Math.random() / 2);
  }

  /**
   * @param {number} milliseconds
   * @returns {Promise<boolean>} whether it was cut short
   */
  #pause(milliseconds) {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), milliseconds);
      this.#endPause = () => {
        clearTimeout(timer);
        resolve(true);
      };
    });
  }
}

/**
 * @param {number} status of a poll that failed
 * @returns {ChannelState}
 */
function stateAfter(status) {
  if (status === 404) return "gone";
  return status === 401 ? "refused" : "lost";
}

/** @param {string} path */
function socketUrl(path) {
  const url = new URL(addressOf(path), location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}
