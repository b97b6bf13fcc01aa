// @ts-check
/** Shows when the page may be out of date, and when it is live again. */

import { addressOf, pathHere } from "../server/address.js";
import { part } from "./find.js";
import { holdDurations } from "./times.js";

const RECONNECTED_MS = 2500;
/** A few polls on the way back to a websocket are not worth a message. */
const POLLING_GRACE_MS = 3000;

const POLLING = "No live connection: asking every second instead.";

let wasLost = false;
let timer = 0;

/** @param {import("../server/channel.js").ChannelState} state */
export function showConnection(state) {
  clearTimeout(timer);
  holdDurations(state === "lost");
  switch (state) {
    case "connecting":
      return;
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
  line.dataset.state = state;
  line.textContent = text;
  line.hidden = !text;
}
