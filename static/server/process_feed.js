// @ts-check
/** The processes of one target as they change: states are pushed, then records are fetched. */

import { ApiError, poll } from "./api.js";
import { Channel } from "./channel.js";

/** Records are fetched at most this often while states change, and while something runs. */
const AFTER_NEWS_MS = 300;
const WHILE_RUNNING_MS = 2000;

export class ProcessFeed {
  /** @type {Map<string, any>} the newest known record of each identifier */
  #records = new Map();
  /** @type {Set<number>} the PKs of those that were cancelled on this page */
  #stopping = new Set();
  /** @type {Set<string>} the identifiers of those that ended without being among the records */
  #endedUnseen = new Set();
  #timer = 0;
  #due = 0;
  #fetching = false;

  /**
   * @param {number} target
   * @param {object} reader
   * @param {(records: any[]) => void} reader.records newest first
   * @param {(status: any) => void} reader.endedUnseen called once for each that ends and is not
   *   among the records, by its six specified keys
   * @param {(state: import("./channel.js").ChannelState) => void} reader.state
   */
  constructor(target, reader) {
    this.target = target;
    this.limit = 8;
    /**
     * Which processes to fetch, by the names of the API's filters: `state`, `pipeline`.
     * @type {Record<string, string>}
     */
    this.filters = {};
    this.reader = reader;
    this.channel = new Channel({
      path: () => `/ws/async/status/${target}/`,
      receive: (message) => this.#receive(message),
      poll: () => this.fetch(),
      complete: () => false,
      changed: reader.state,
    });
  }

  /** @param {any} message */
  #receive(message) {
    switch (message.type) {
      case "snapshot":
        this.#schedule(0);
        return;
      case "status":
        this.#schedule(this.#merge(message.process) ? AFTER_NEWS_MS : 0);
        return;
      default:
        throw new Error(`Unknown message ${message.type}`);
    }
  }

  /**
   * Report a status before the record is there; but an end only with it, as it names the outputs.
   *
   * @param {any} status the six specified keys, newer than what the record says
   * @returns {boolean} whether the record can wait
   */
  #merge(status) {
    const record = this.#records.get(status.identifier);
    if (!record) this.#reportUnseen(status);
    else if (status.terminal_timestamp !== null) return record.terminal_timestamp !== null;
    else {
      this.#records.set(status.identifier, { ...record, ...status, state: stateOf(status) });
      this.#report();
    }
    return true;
  }

  /** @param {any} status of a process that is not among the records */
  #reportUnseen(status) {
    const { identifier, terminal_timestamp } = status;
    if (terminal_timestamp === null || this.#endedUnseen.has(identifier)) return;
    this.#endedUnseen.add(identifier);
    this.reader.endedUnseen(status);
  }

  /** Fetch the newest records now. An answer that the filters have overtaken is dropped. */
  async fetch() {
    const query = this.#query();
    const page = await poll(`/api/processes/?${query}`);
    if (query === this.#query()) this.#take(page);
  }

  #query() {
    const { target, limit, filters } = this;
    return `${new URLSearchParams({ target: `${target}`, limit: `${limit}`, ...filters })}`;
  }

  /** @param {{processes: any[], next: number | null}} page */
  #take({ processes, next }) {
    this.next = next;
    this.#records = new Map(processes.map((record) => [record.identifier, record]));
    const running = processes.some((record) => record.terminal_timestamp === null);
    if (running) this.#schedule(WHILE_RUNNING_MS);
    this.#report();
  }

  /** @param {number} pk of a process that was asked to stop */
  stopping(pk) {
    this.#stopping.add(pk);
  }

  #report() {
    const records = [...this.#records.values()];
    this.reader.records(records.map((record) => ({ ...record, stopping: this.#stops(record) })));
  }

  /** @param {any} record */
  #stops(record) {
    return record.terminal_timestamp === null && this.#stopping.has(record.pk);
  }

  /** @param {number} milliseconds until the next fetch, unless it is sooner anyway */
  #schedule(milliseconds) {
    const due = Date.now() + milliseconds;
    if (this.#timer && this.#due <= due) return;
    clearTimeout(this.#timer);
    this.#due = due;
    this.#timer = setTimeout(() => {
      this.#timer = 0;
      void this.#fetchQuietly();
    }, milliseconds);
  }

  async #fetchQuietly() {
    if (this.#fetching) return this.#schedule(AFTER_NEWS_MS);
    this.#fetching = true;
    try {
      await this.fetch();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#schedule(WHILE_RUNNING_MS);
    } finally {
      this.#fetching = false;
    }
  }
}

/** @param {any} status of a process that has not ended */
function stateOf(status) {
  return status.status === "pending" ? "queued" : "running";
}
