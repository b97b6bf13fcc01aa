// @ts-check
/** The facts of one process at the head of its page. */

import { part, parts, slot } from "./find.js";
import { drawProgress, shareNow } from "./process_row.js";
import { now, setDuration, setText, setTime } from "./times.js";
import { duration, resources } from "./wording.js";

/**
 * @param {HTMLElement} page
 * @param {any} record
 */
export function drawFacts(page, record) {
  const ended = record.terminal_timestamp !== null;
  page.dataset.state = record.state;
  slot("status", page).dataset.state = record.state;
  setText(slot("status", page), record.status);
  setText(slot("share", page), shareNow(record));
  setText(slot("note", page), record.waiting_for ?? "");
  drawProgress(/** @type {HTMLProgressElement} */ (slot("progress", page)), record);
  setText(slot("failure", page), record.failure_message ?? "");
  slot("failure", page).hidden = !record.failure_message;
  drawStarted(slot("started", page), record.started);
  setText(slot("took-name", page), ended ? "Took" : "Running for");
  setDuration(slot("took", page), record.started, record.terminal_timestamp);
  setText(slot("attempt", page), String(record.attempt || "–"));
  setText(slot("resources", page), resources(record.resources));
  part('[data-fact="resources"]', page).hidden = !record.resources;
  part('[data-fact="left"]', page).hidden = ended;
  drawTimeLeft(page, record);
  drawActs(page, ended);
  document.title = `${titleOf(record)} · Heliograph`;
}

/**
 * How long it will still take if it goes on at its present pace.
 *
 * @param {HTMLElement} page
 * @param {any} record
 */
export function drawTimeLeft(page, record) {
  setText(slot("left", page), timeLeft(record));
}

/** @param {any} record */
function timeLeft(record) {
  const { progress, started } = record;
  if (!progress || started === null || progress.done <= 0) return "–";
  const spent = now() - started;
  return duration((spent * Math.max(0, progress.total - progress.done)) / progress.done);
}

/**
 * @param {HTMLElement} place
 * @param {number | null} started
 */
function drawStarted(place, started) {
  if (started === null) return setText(place, "not yet");
  const time = place.querySelector("time") ?? document.createElement("time");
  setTime(time, started);
  if (!time.isConnected) place.replaceChildren(time);
}

/**
 * @param {HTMLElement} page
 * @param {boolean} ended
 */
function drawActs(page, ended) {
  for (const button of parts("header [data-act]", page)) {
    button.hidden = (button.dataset.act === "cancel") === ended;
  }
  const again = page.querySelector("details.again");
  if (again instanceof HTMLElement) again.hidden = !ended;
}

/** @param {any} record */
function titleOf(record) {
  const done = shareNow(record);
  if (record.state === "running") return `${done || record.status} – ${record.identifier}`;
  return `${record.status} – ${record.identifier}`;
}
