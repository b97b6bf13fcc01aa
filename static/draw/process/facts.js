// @ts-check
/** Draws the facts of one process on its page. */

import { part, parts, slot } from "../find.js";
import { heardNow, setDuration, setText, setTime } from "../times.js";
import { duration, note, resources, statusOf } from "../wording.js";
import { drawButtons, drawProgress, setNote, shareNow } from "./process_row.js";

/**
 * @param {HTMLElement} page
 * @param {any} record
 * @param {string} words those of the exception, if they say more than the failure message
 */
export function drawFacts(page, record, words) {
  const ended = record.terminal_timestamp !== null;
  page.dataset.state = record.state;
  slot("status", page).dataset.state = record.state;
  setText(slot("status", page), statusOf(record));
  setText(slot("share", page), shareNow(record));
  setNote(slot("note", page), ended ? "" : note(record));
  drawProgress(/** @type {HTMLProgressElement} */ (slot("progress", page)), record);
  drawFailure(slot("failure", page), ended ? words || note(record) : "");
  drawStarted(slot("started", page), record.started);
  setText(slot("took-name", page), ended ? "Took" : "Running for");
  setDuration(slot("took", page), record.started, record.terminal_timestamp);
  setText(slot("attempt", page), String(record.attempt || "–"));
  setText(slot("resources", page), resources(record.resources) || "–");
  part('[data-fact="resources"]', page).hidden = !ended;
  part('[data-fact="left"]', page).hidden = ended;
  drawTimeLeft(page, record);
  drawButtons(parts("header [data-act]", page), record);
  drawRunAgain(page, record);
  document.title = `${titleOf(record)} · Heliograph`;
}

/**
 * Show how long the process will still take at its present pace.
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
  const spent = heardNow() - started;
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
 * @param {HTMLElement} place
 * @param {string} message
 */
function drawFailure(place, message) {
  setText(place, message);
  place.hidden = !message;
  if (place.scrollHeight > place.clientHeight) place.tabIndex = 0;
}

/**
 * @param {HTMLElement} page
 * @param {any} record
 */
function drawRunAgain(page, record) {
  const again = page.querySelector("details.again");
  if (again instanceof HTMLElement) again.hidden = record.terminal_timestamp === null;
}

/** @param {any} record */
function titleOf(record) {
  const done = shareNow(record);
  if (record.state === "running") return `${done || record.status} – ${record.identifier}`;
  return `${statusOf(record)} – ${record.identifier}`;
}
