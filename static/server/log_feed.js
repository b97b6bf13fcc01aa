// @ts-check
/** One process's record and log lines as they come, over a channel, from a cursor. */

import { addressOf } from "./address.js";
import { get, getNow, poll } from "./api.js";
import { Channel } from "./channel.js";

/** @typedef {[number: number, time: number, level: string, text: string, unended?: boolean]} Entry */

const POLLED_LINES = 1000;
/** After missing more than this, go on from the newest line: the view fetches what it shows. */
const FAR_BEHIND_LINES = 5000;

export class LogFeed {
  #ended = false;

  /**
   * @param {number} pk
   * @param {number} cursor the last line that is known to exist
   * @param {object} reader
   * @param {(record: any) => void} reader.record
   * @param {(lines: Entry[]) => void} reader.lines
   * @param {(state: import("./channel.js").ChannelState) => void} reader.state
   */
  constructor(pk, cursor, reader) {
    this.pk = pk;
    this.cursor = cursor;
    this.reader = reader;
    this.channel = new Channel({
      path: () => `/ws/processes/${pk}/logs/?after=${this.cursor}`,
      receive: (message) => this.#receive(message),
      poll: () => this.#poll(),
      complete: () => this.#ended,
      changed: reader.state,
    });
  }

  /** @param {any} message */
  #receive(message) {
    switch (message.type) {
      case "process":
        return this.reader.record(message.process);
      case "lines":
        return this.#read(message.lines);
      case "end":
        this.#ended = true;
        return;
      default:
        throw new Error(`Unknown message ${message.type}`);
    }
  }

  /** @param {Entry[]} lines */
  #read(lines) {
    const fresh = lines.filter((line) => line[0] > this.cursor);
    if (!fresh.length) return;
    this.cursor = fresh[fresh.length - 1][0];
    this.reader.lines(fresh);
  }

  /** @returns {Promise<any>} the record as it is now */
  fetchRecord() {
    return poll(`/api/processes/${this.pk}/`);
  }

  async #poll() {
    const record = await this.fetchRecord();
    if (record.log_lines - this.cursor > FAR_BEHIND_LINES) this.cursor = record.log_lines;
    const query = queryString({ after: this.cursor, limit: POLLED_LINES });
    const page = await poll(`/api/processes/${this.pk}/logs/?${query}`);
    this.#read(page.lines);
    this.reader.record(record);
    this.#ended = record.terminal_timestamp !== null && this.cursor >= record.log_lines;
  }
}

/**
 * @typedef {object} LinesQuery
 * @property {number} [after] lines after this one, or
 * @property {number} [before] the last lines before this one
 * @property {number} limit
 * @property {string} [level]
 * @property {string} [q]
 */

/**
 * A page of a log: `next` is the last line that was examined, or the first one when it was read
 * backwards; `counts` are the lines of each level in the whole log so far.
 *
 * @typedef {{lines: Entry[], next: number, ended: boolean, counts?: Record<string, number>}} LinesPage
 */

/**
 * Fetch a page of a log.
 *
 * @param {number} pk
 * @param {LinesQuery} query
 * @param {AbortSignal} [signal] calls it off
 * @returns {Promise<LinesPage>}
 */
export function getLines(pk, query, signal) {
  return get(linesPath(pk, query), signal);
}

/**
 * Fetch a page of a log while everything waits: for printing, which does not.
 *
 * @param {number} pk
 * @param {LinesQuery} query
 * @returns {LinesPage}
 */
export function getLinesNow(pk, query) {
  return getNow(linesPath(pk, query));
}

/**
 * @param {number} pk
 * @param {LinesQuery} query
 */
function linesPath(pk, query) {
  return `/api/processes/${pk}/logs/?${queryString({ ...query })}`;
}

/**
 * Fetch where in the log each status began.
 *
 * @param {number} pk
 * @returns {Promise<[line: number, time: number, title: string][]>}
 */
export async function getSections(pk) {
  return (await get(`/api/processes/${pk}/sections/`)).sections;
}

/**
 * Return the address of the log as a file.
 *
 * @param {number} pk
 * @param {{level?: string, q?: string}} query
 */
export function logFileUrl(pk, query) {
  const text = queryString(query);
  return addressOf(`/api/processes/${pk}/logs.txt${text && `?${text}`}`);
}

/** @param {Record<string, string | number | undefined>} query */
function queryString(query) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
  return new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
}
