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
 * Fetch a page of this server as text.
 *
 * @param {string} address
 */
export async function getPage(address) {
  const { status, text } = await answer(address, {});
  if (status >= 400) throw new ApiError(status, {});
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

/**
 * Return a function that loads something when it is first wanted, and then has it.
 *
 * @template T
 * @param {() => Promise<T>} load imports modules; called again after it failed
 * @returns {() => Promise<T>} rejects with an ApiError of status 0 if the server cannot be reached
 */
export function loader(load) {
  /** @type {Promise<T> | undefined} */
  let coming;
  const failed = (/** @type {unknown} */ error) => {
    coming = undefined;
    throw error instanceof TypeError ? new ApiError(0, {}) : error; // as a module fails that is not answered
  };
  return () => (coming ??= load().catch(failed));
}

/** Make a key for one submission, so that sending it twice starts one process. */
export function idempotencyKey() {
  const random = crypto.getRandomValues(new Uint32Array(4));
  return Array.from(random, (part) => part.toString(16).padStart(8, "0")).join("");
}

/**
 * Fetch the beginning of a file as text.
 *
 * @param {string} address
 * @param {number} bytes
 */
export async function getBeginning(address, bytes) {
  const { status, text } = await answer(address, { headers: { Range: `bytes=0-${bytes - 1}` } });
  if (status >= 400) throw new ApiError(status, parsed(text));
  return text;
}
