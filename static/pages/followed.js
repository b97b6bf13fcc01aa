// @ts-check
/** Keeps a page about one thing up to date with what changes about its targets. */

import { showConnection } from "../draw/connection.js";
import { may } from "../draw/role.js";
import { ApiError, POLL_MS } from "../server/api.js";
import { Answers, subscribe } from "../server/changes.js";

/** @typedef {import("../server/changes.js").Kind} Kind */

/** Of more targets than this, changes are not followed, but asked for. */
const MOST_TARGETS = 4;
/** How often a guest asks, who may follow no target. */
const GUEST_MS = 5000;

let held = false;

/**
 * Call `changed` with what the API says of the thing, at first and whenever that has changed: it may
 * have changed since the page was made. When it is gone, the page says so.
 *
 * @param {string} path of the thing in the API
 * @param {number[]} targets on which its changes happen
 * @param {Kind[]} kinds of changes that may concern it
 * @param {(answer: any) => unknown} changed
 */
export function follow(path, targets, kinds, changed) {
  const answers = new Answers();
  followTargets(async () => {
    if (!held) await answers.drawChanged(path, changed);
  }, targets, kinds);
}

/**
 * Hold up what this page follows, as while it deletes what it shows, or go on.
 *
 * @param {boolean} hold
 */
export function holdFollowing(hold) {
  held = hold;
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
