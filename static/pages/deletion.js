// @ts-check
/** Deletes what a page shows, once the reader has confirmed it. */

import { messageOf, showProblem } from "../draw/problems.js";
import { ask } from "../draw/question.js";
import { addressOf } from "../server/address.js";
import { request } from "../server/api.js";
import { holdFollowing } from "./followed.js";

/**
 * @param {HTMLElement} button its `data-then` is the page to go to afterwards
 * @param {HTMLElement} place shows why it was refused
 * @param {{path: string, question: string}} what
 */
export function offerDeletion(button, place, { path, question }) {
  button.addEventListener("click", async () => {
    if (!(await ask(question))) return;
    showProblem(place, "");
    try {
      await remove(path);
      location.assign(button.dataset.then ?? addressOf("/"));
    } catch (error) {
      showProblem(place, messageOf(error));
    }
  });
}

/**
 * @param {number} pk
 * @param {string} identifier
 * @returns {Promise<boolean>} whether it was confirmed and done
 */
export function deleteProcess(pk, identifier) {
  return deleteConfirmed(`/api/processes/${pk}/`, `Delete ${identifier} with its log and its outputs?`);
}

/**
 * @param {number} pk
 * @param {string} name
 * @returns {Promise<boolean>} whether it was confirmed and done
 */
export function deleteTarget(pk, name) {
  const question = `Delete ${name} with all its data products and processes?`;
  return deleteConfirmed(`/api/targets/${pk}/?force=true`, question);
}

/**
 * @param {string} path
 * @param {string} question
 */
async function deleteConfirmed(path, question) {
  if (!(await ask(question))) return false;
  await remove(path);
  return true;
}

/**
 * Delete something while nobody looks for it, who would find it gone.
 *
 * @param {string} path
 */
async function remove(path) {
  holdFollowing(true);
  try {
    await request("DELETE", path);
  } catch (error) {
    holdFollowing(false);
    throw error;
  }
}
