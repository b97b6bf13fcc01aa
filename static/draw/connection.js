// @ts-check
/** Shows when the page may be out of date, and when it is live again. */

import { addressOf, pathHere } from "../server/address.js";
import { loader, LoadError } from "../server/api.js";
import { part } from "./find.js";
import { holdDurations, setText } from "./times.js";

const RECONNECTED_MS = 2500;
/** A few polls on the way back to a websocket are not worth a message. */
const POLLING_GRACE_MS = 3000;
/** A module that has not come by then may have to come from a frozen server. */
const LATE_MS = 6000;
const AGAIN_MS = 5000;
/** For so long it is said that something did not come, which can be asked for again. */
const SAID_MS = 6000;

const POLLING = "No live connection: asking every second instead.";

/** @type {import("../server/channel.js").ChannelState} */
let connection = "connecting";
let wasLost = false;
let timer = 0;
/** What is known of the connection, and said of it. */
let shown = { state: "connecting", text: "" };
/** The modules that do not come. @type {Set<Absence>} */
const absences = new Set();

/** @param {import("../server/channel.js").ChannelState} state */
export function showConnection(state) {
  connection = state;
  clearTimeout(timer);
  hold();
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
 * Load a module that the page cannot do without: say when it does not come, and ask until it does.
 *
 * @template M
 * @param {() => Promise<M>} load imports the module; called again after it failed
 * @returns {Promise<M>}
 */
export async function needed(load) {
  const ask = loader(load);
  const absence = new Absence();
  try {
    for (;;) {
      try {
        return await absence.waited(ask());
      } catch (error) {
        absence.say(error);
      }
      await onlineOrLater();
    }
  } finally {
    absence.end();
  }
}

/**
 * Do what was asked for, or say for a while that it needs a module that does not come.
 *
 * @param {() => Promise<unknown>} module loads it
 * @param {() => unknown} act
 */
export async function orSayMissing(module, act) {
  const absence = new Absence();
  try {
    await absence.waited(module());
    absence.end();
  } catch (error) {
    absence.say(error);
    setTimeout(() => absence.end(), SAID_MS);
    return;
  }
  await act();
}

/** What the page says while a module does not come. */
class Absence {
  message = "";

  /**
   * Wait for a module, and say so when that takes long.
   *
   * @template M
   * @param {Promise<M>} module
   */
  async waited(module) {
    const late = setTimeout(() => this.say(new LoadError(0)), LATE_MS);
    try {
      return await module;
    } finally {
      clearTimeout(late);
    }
  }

  /** @param {unknown} error why the module does not come; any other error is a defect */
  say(error) {
    if (!(error instanceof LoadError)) throw error;
    this.message = error.message;
    absences.add(this);
    hold();
    draw();
  }

  end() {
    if (!absences.delete(this)) return;
    hold();
    draw();
  }
}

/** Wait for a while, or until the network is back. */
function onlineOrLater() {
  return new Promise((resolve) => {
    const timer = setTimeout(done, AGAIN_MS);
    addEventListener("online", done);
    function done() {
      clearTimeout(timer);
      removeEventListener("online", done);
      resolve(undefined);
    }
  });
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
  shown = { state, text };
  draw();
}

/** Stop counting how long things take while the server is not heard. */
function hold() {
  holdDurations(connection === "lost" || (connection === "connecting" && absences.size > 0));
}

/** Show what is missing, else the state of the connection. */
function draw() {
  const line = part("#connection");
  const [absence] = shown.state === "gone" ? [] : absences;
  const { state, text } = absence ? { state: "lost", text: absence.message } : shown;
  line.dataset.state = state;
  setText(line, text);
  line.hidden = !text;
}
