// @ts-check
/** Says when what is on the page may be old, and when it is true again. */

import { part } from "./find.js";

const HEALED_MS = 2500;
/** Polls are also a short step on the way back to a websocket: no word on that. */
const SETTLED_MS = 3000;

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
      timer = setTimeout(() => say(state, "No live connection: asking every 2 s instead."), SETTLED_MS);
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
