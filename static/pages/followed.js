// @ts-check
/** Keeps a page about one thing up to date with what changes about its targets. */

import { showConnection } from "../draw/connection.js";
import { may } from "../draw/role.js";
import { ApiError, POLL_MS } from "../server/api.js";
import { Answers, subscribe } from "../server/changes.js";

/** @typedef {import("../server/changes.js").Kind} Kind */

/** Of more targets than this, changes are not followed, but asked for. */
const MOST_TARGETS = 4;
/** A page that is asked about for the first time is not older than this. */
const FRESH_MS = 3000;
/** How often a guest asks, who may follow no target. */
const GUEST_MS = 5000;

/**
 * Call `changed` with what the API says of the thing whenever that has changed; not at first, when
 * the page shows it. When it is gone, the page says so.
 *
 * @param {string} path of the thing in the API
 * @param {number[]} targets on which its changes happen
 * @param {Kind[]} kinds of changes that may concern it
 * @param {(answer: any) => unknown} changed
 * @returns {(held: boolean) => void} holds it up, as while the page itself deletes the thing
 */
export function follow(path, targets, kinds, changed) {
  const answers = new Answers();
  let known = false;
  let held = false;
  const look = async () => {
    if (!held) await answers.drawChanged(path, async (answer) => {
      if (known || performance.now() > FRESH_MS) await changed(answer);
      known = true;
    });
  };
  followTargets(look, targets, kinds);
  return (hold) => {
    held = hold;
  };
}

/**
 * @param {() => Promise<void>} look
 * @param {number[]} targets
 * @param {Kind[]} kinds
 */
function followTargets(look, targets, kinds) {
  if (!may("viewer")) return void lookAgainAndAgain(look, GUEST_MS);
  if (!targets.length || targets.length > MOST_TARGETS) return void lookAgainAndAgain(look, POLL_MS);
  /** @type {(() => void)[]} */
  const ends = [];
  const lookOrEnd = async () => {
    try {
      await look();
    } catch (error) {
      if (!isGone(error)) throw error;
      for (const end of ends) end();
      showConnection("gone");
    }
  };
  targets.forEach((target, at) => {
    ends.push(subscribe(target, lookOrEnd, at ? { kinds } : { kinds, state: showConnection }));
  });
}

/**
 * @param {() => Promise<void>} look
 * @param {number} everyMs
 */
async function lookAgainAndAgain(look, everyMs) {
  for (;;) {
    try {
      if (!document.hidden) await look();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (isGone(error)) return showConnection("gone");
      if (error.status === 401 || error.status === 403) return may("viewer") ? showConnection("refused") : undefined;
    }
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

/** @param {unknown} error */
function isGone(error) {
  return error instanceof ApiError && error.status === 404;
}
