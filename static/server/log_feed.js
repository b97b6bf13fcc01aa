// @ts-check
/** One process's record and log lines as they come, over a channel, from a cursor. */

import { get, poll } from "./api.js";
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
 * Fetch a page of a log.
 *
 * @param {number} pk
 * @param {{after: number, limit: number, level?: string, q?: string}} query
 * @returns {Promise<{lines: Entry[], next: number, ended: boolean}>}
 */
export function getLines(pk, query) {
  return get(`/api/processes/${pk}/logs/?${queryString(query)}`);
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
  return `/api/processes/${pk}/logs.txt${text && `?${text}`}`;
}

/** @param {Record<string, string | number | undefined>} query */
function queryString(query) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
  return new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
}
