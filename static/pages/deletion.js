// @ts-check
/** A button that deletes what a page is about, and leads on. */

import { messageOf, showProblem } from "../draw/problems.js";
import { ask } from "../draw/question.js";
import { request } from "../server/api.js";

/**
 * @param {HTMLElement} button its `data-then` is where to go after
 * @param {HTMLElement} place for what the server refuses
 * @param {{path: string, question: string}} what
 */
export function offerDeletion(button, place, { path, question }) {
  button.addEventListener("click", async () => {
    if (!(await ask(question))) return;
    showProblem(place, "");
    try {
      await request("DELETE", path);
      location.assign(button.dataset.then ?? "/");
    } catch (error) {
      showProblem(place, messageOf(error));
    }
  });
}
