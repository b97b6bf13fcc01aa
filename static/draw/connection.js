// @ts-check
/** Shows when the page may be out of date, and when it is live again. */

import { addressOf, pathHere } from "../server/address.js";
import { loader, LoadError } from "../server/api.js";
import { part } from "./find.js";
import { holdDurations } from "./times.js";

const RECONNECTED_MS = 2500;
/** A few polls on the way back to a websocket are not worth a message. */
const POLLING_GRACE_MS = 3000;
/** A module that has not come by then may come from a frozen server. */
const LATE_MS = 6000;
const AGAIN_MS = 3000;
/** For so long it is said that something did not come, which may be asked for again. */
const SAID_MS = 6000;

const POLLING = "No live connection: asking every second instead.";

/** @type {import("../server/channel.js").ChannelState} */
let latest = "connecting";
let wasLost = false;
let timer = 0;
/** What is said of modules that the page waits for. @type {Set<{message: string}>} */
const missing = new Set();

/** @param {import("../server/channel.js").ChannelState} state */
export function showConnection(state) {
  latest = state;
  clearTimeout(timer);
  holdDurations(state === "lost");
  switch (state) {
    case "connecting":
      return show(state, "");
    case "live":
    case "ended":
      show(state, wasLost ? "Connected again." : "");
      timer = setTimeout(() => show(state, ""), RECONNECTED_MS);
      wasLost = false;
      return;
    case "polling":
      timer = setTimeout(() => show(state, POLLING), POLLING_GRACE_MS);
      return;
    case "lost":
      show(state, "Connection lost. Trying again…");
      wasLost = true;
      return;
    case "gone":
      show(state, "This has been deleted.");
      return;
    case "refused":
      signIn();
      return;
    default:
      throw new Error(`Unknown state ${state}`);
  }
}

/**
 * Say that a part of the page is missing, until the server is there again.
 *
 * @param {Error} error
 */
export function showMissing({ message }) {
  show("lost", message);
}

/**
 * Load a module that the page is not whole without: say when it does not come, and ask until it does.
 *
 * @template M
 * @param {() => Promise<M>} load imports the module; called again after it failed
 * @returns {Promise<M>}
 */
export async function needed(load) {
  const ask = loader(load);
  const words = { message: "" };
  try {
    for (;;) {
      const late = setTimeout(() => miss(words, new LoadError(0)), LATE_MS);
      try {
        return await ask();
      } catch (error) {
        miss(words, error);
      } finally {
        clearTimeout(late);
      }
      await onlineOrLater();
    }
  } finally {
    wasLost ||= missing.has(words);
    found(words);
  }
}

/**
 * @param {{message: string}} words what is said
 * @param {unknown} error why a module has not come; any other error is a defect
 */
function miss(words, error) {
  if (!(error instanceof LoadError)) throw error;
  words.message = error.message;
  missing.add(words);
  show(latest, "");
  return words;
}

/** @param {{message: string}} words what need not be said any more */
function found(words) {
  if (missing.delete(words)) showConnection(latest);
}

/** Wait for a while, or until the network is back. */
function onlineOrLater() {
  return new Promise((resolve) => {
    setTimeout(resolve, AGAIN_MS);
    addEventListener("online", resolve, { once: true });
  });
}

/**
 * Do what was asked for, or say for a while that it needs a module that has not come.
 *
 * @param {() => Promise<unknown>} act
 */
export async function orSayMissing(act) {
  try {
    await act();
  } catch (error) {
    const words = miss({ message: "" }, error);
    setTimeout(() => found(words), SAID_MS);
  }
}

/** Leave for the form that leads back here once somebody has signed in. */
function signIn() {
  location.assign(addressOf(`/login?next=${encodeURIComponent(pathHere())}`));
}

/**
 * @param {string} state
 * @param {string} text
 */
function show(state, text) {
  const line = part("#connection");
  const [words] = missing;
  line.dataset.state = words ? "lost" : state;
  line.textContent = words?.message ?? text;
  line.hidden = !line.textContent;
}
