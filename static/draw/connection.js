// @ts-check
/** Says when what is on the page may be old, and when it is true again. */

import { POLL_MS } from "../server/api.js";
import { part } from "./find.js";

const HEALED_MS = 2500;
/** Polls are also a short step on the way back to a websocket: no word on that. */
const SETTLED_MS = 3000;

const POLLING = `No live connection: asking every ${POLL_MS / 1000} s instead.`;

let wasLost = false;
let timer = 0;

/** @param {import("../server/channel.js").ChannelState} state */
export function showConnection(state) {
  clearTimeout(timer);
  switch (state) {
    case "connecting":
      return;
    case "live":
    case "ended":
      say(state, wasLost ? "Connected again." : "");
      timer = setTimeout(() => say(state, ""), HEALED_MS);
      wasLost = false;
      return;
    case "polling":
      timer = setTimeout(() => say(state, POLLING), SETTLED_MS);
      return;
    case "lost":
      say(state, "Connection lost. Trying again…");
      wasLost = true;
      return;
    case "gone":
      say(state, "This has been deleted.");
      return;
    default:
      throw new Error(`Unknown state ${state}`);
  }
}

/**
 * @param {string} state
 * @param {string} text
 */
function say(state, text) {
  const line = part("#connection");
  line.dataset.state = state;
  line.textContent = text;
  line.hidden = !text;
}
