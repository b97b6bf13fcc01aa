// @ts-check
/**
 * Requests to the server: JSON in, JSON out, and its errors as sentences. Knows no page. A `path` is
 * one of this server without its prefix; an `address` is complete, or came from the server.
 */

import { addressOf } from "./address.js";

/** How often the server is asked for what no websocket brings: pages are right within a second. */
export const POLL_MS = 600;
/** How long a poll waits for its answer. */
const ANSWER_MS = 6000;

/** An error that the server answered, or no answer at all (`status` 0). */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {Record<string, unknown>} body what the server answered
   */
  constructor(status, body) {
    super(sentence(status, body));
    this.status = status;
    this.body = body;
  }
}

/** A module of the page that could not be loaded. */
export class LoadError extends ApiError {
  /**
   * @param {number} tries how many have failed
   * @param {string} [sentence] why there is no sense in trying again soon
   */
  constructor(tries, sentence) {
    super(0, sentence ? { detail: sentence } : {});
    this.tries = tries;
    this.last = sentence !== undefined;
  }
}

/**
 * @param {number} status
 * @param {Record<string, unknown>} body
 */
function sentence(status, body) {
  if (typeof body.detail === "string") return body.detail;
  const messages = Object.values(body).flat().filter((message) => typeof message === "string");
  if (messages.length) return messages.join(" ");
  return status ? `The server answered ${status}.` : "The server cannot be reached.";
}

/**
 * Parse a JSON object; anything else becomes an empty one.
 *
 * @param {string} text
 */
export function parsed(text) {
  try {
    const body = JSON.parse(text);
    return body && typeof body === "object" ? body : {};
  } catch {
    return {};
  }
}

/**
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body] sent as JSON
 * @param {Record<string, string>} [headers]
 * @returns {Promise<any>}
 */
export async function request(method, path, body, headers = {}) {
  const type = body === undefined ? {} : { "Content-Type": "application/json" };
  const content = body === undefined ? undefined : JSON.stringify(body);
  const { status, text } = await answer(addressOf(path), { method, headers: { ...type, ...headers }, body: content });
  if (status >= 400) throw new ApiError(status, parsed(text));
  return status === 204 ? null : parsed(text);
}

/**
 * @param {string} path
 * @param {AbortSignal} [signal] calls it off
 * @returns {Promise<any>}
 */
export async function get(path, signal) {
  const { status, text } = await answer(addressOf(path), { signal });
  if (status >= 400) throw new ApiError(status, parsed(text));
  return parsed(text);
}

/**
 * Fetch something while everything waits: only where the browser leaves no other way.
 *
 * @param {string} path
 * @returns {any}
 */
export function getNow(path) {
  const asked = new XMLHttpRequest();
  asked.open("GET", addressOf(path), false);
  asked.send();
  if (asked.status >= 400) throw new ApiError(asked.status, parsed(asked.responseText));
  return parsed(asked.responseText);
}

/**
 * Fetch what is to be shown as it is now. A server that does not answer in time, as a frozen one,
 * counts as one that cannot be reached.
 *
 * @param {string} path
 * @returns {Promise<any>}
 */
export async function poll(path) {
  return (await pollAnswer(path)).body;
}

/**
 * Fetch the same together with its version, which changes with what is in it.
 *
 * @param {string} path
 * @returns {Promise<{version: string, body: any}>}
 */
export async function pollAnswer(path) {
  const { status, text, version } = await answer(addressOf(path), { signal: AbortSignal.timeout(ANSWER_MS) });
  if (status >= 400) throw new ApiError(status, parsed(text));
  return { version: version ?? text, body: parsed(text) };
}

/**
 * Fetch a page or a file of this server as text.
 *
 * @param {string} address
 * @param {Record<string, string>} [headers]
 */
export async function getPage(address, headers) {
  const { status, text } = await answer(address, { headers });
  if (status >= 400) throw new ApiError(status, parsed(text));
  return text;
}

/**
 * @param {string} address
 * @param {RequestInit} options
 */
async function answer(address, options) {
  try {
    const response = await fetch(address, options);
    const version = response.headers.get("ETag");
    return { status: response.status, text: await response.text(), version };
  } catch {
    throw new ApiError(0, {});
  }
}

/** After this many tries, a module is asked for only now and then: some browsers keep that it failed. */
const TRIES = 4;
const REST_MS = 30_000;
let onlineSince = 0;
addEventListener("online", () => (onlineSince = Date.now()));

/**
 * Return a function that loads a module when it is first wanted, and then has it.
 *
 * @template M, T
 * @param {() => Promise<M>} load imports the module; called again after it failed
 * @param {(module: M) => T} [make] makes of it what is wanted, by default the module; its errors are
 *   those of a defect, and stay as they are
 * @returns {() => Promise<T>} rejects with a LoadError if the module does not come
 */
export function loader(load, make = (module) => /** @type {any} */ (module)) {
  /** @type {Promise<T> | undefined} */
  let coming;
  let tries = 0;
  let failedAt = 0;
  const failed = (/** @type {unknown} */ error) => {
    const problem = notLoaded(error, ++tries);
    if (problem.last) failedAt = Date.now();
    else coming = undefined;
    throw problem;
  };
  return () => {
    if (failedAt && failedAt <= Math.max(Date.now() - REST_MS, onlineSince)) {
      coming = undefined;
      failedAt = 0;
    }
    return (coming ??= load().then(make, failed));
  };
}

/**
 * @param {unknown} error that of an import
 * @param {number} tries how many have failed
 */
function notLoaded(error, tries) {
  // A name that the page imports is gone, or its file is cut: the page is older than the server.
  if (error instanceof SyntaxError) return new LoadError(tries, "The server has been updated. Reload the page.");
  if (!(error instanceof TypeError)) throw error;
  return new LoadError(tries, tries < TRIES ? undefined : "A part of this page could not be loaded. Reload the page.");
}

/** Make a key for one submission, so that sending it twice starts one process. */
export function idempotencyKey() {
  const random = crypto.getRandomValues(new Uint32Array(4));
  return Array.from(random, (part) => part.toString(16).padStart(8, "0")).join("");
}
