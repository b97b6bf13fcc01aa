// @ts-check
/** Says when what is on the page may be old, and when it is true again. */

import { part } from "./find.js";

const HEALED_MS = 2500;

let shown = "live";
let timer = 0;

/** @param {import("../server/channel.js").ChannelState} state */
export function showConnection(state) {
  clearTimeout(timer);
  const healed = state === "live" && shown === "lost";
  shown = state;
  say(state, healed ? "Connected again." : words(state));
  if (healed) timer = setTimeout(() => say(state, ""), HEALED_MS);
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

/** @param {import("../server/channel.js").ChannelState} state */
function words(state) {
  switch (state) {
    case "connecting":
    case "live":
    case "ended":
      return "";
    case "polling":
      return "Live connection refused: asking every 2 s instead.";
    case "lost":
      return "Connection lost. Trying again…";
    case "gone":
      return "This has been deleted.";
    default:
      throw new Error(`Unknown state ${state}`);
  }
}
