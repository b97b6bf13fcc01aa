// @ts-check
/** The page of what runs, waits and has failed: kept current, and what can be done about it. */

import { showConnection } from "../../draw/connection.js";
import { part } from "../../draw/find.js";
import { messageOf, showProblem } from "../../draw/problems.js";
import { updateRegion } from "../../draw/region/morph.js";
import { keepTimes } from "../../draw/times.js";
import { getPage, request } from "../../server/api.js";
import { subscribe } from "../../server/changes.js";

/** The least time between two looks, however much changes. */
const APART_MS = 500;

const ACTS = /** @type {Record<string, {path: string, body?: unknown, done: string}>} */ ({
  front: { path: "move", body: { to: "front" }, done: "is now first in the queue" },
  back: { path: "move", body: { to: "back" }, done: "is now last in the queue" },
  cancel: { path: "cancel", done: "is being cancelled" },
  rerun: { path: "rerun", done: "runs again" },
});

keepTimes(Number(part("#now").dataset.now));
part("#now").addEventListener("click", (event) => void act(/** @type {Element} */ (event.target)));
subscribe(null, refresh, { state: showConnection, apartMs: APART_MS });
part("#now").addEventListener("error", hidePicture, true);

async function refresh() {
  updateRegion("now", await getPage(location.pathname));
  document.title = `${part("#now").dataset.title} · Heliograph`;
}

/**
 * Leave the frame empty where a run has no picture, or has it on another server.
 *
 * @param {Event} event
 */
function hidePicture({ target }) {
  if (target instanceof HTMLImageElement) target.toggleAttribute("data-none", true);
}

/** @param {Element} clicked */
async function act(clicked) {
  const button = clicked.closest("[data-act]");
  const item = button?.closest("li");
  if (!(button instanceof HTMLButtonElement) || !item) return;
  const { path, body, done } = ACTS[button.dataset.act ?? ""];
  showProblem(part("#now-problem"), "");
  button.disabled = true;
  try {
    await request("POST", `/api/processes/${item.dataset.pk}/${path}/`, body);
    part("#now-news").textContent = `${item.dataset.identifier} ${done}.`;
    updateRegion("now", await getPage(location.pathname));
  } catch (error) {
    showProblem(part("#now-problem"), messageOf(error));
  }
  button.disabled = false;
}
