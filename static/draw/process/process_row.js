// @ts-check
/** Draws a process into its row of the table. The markup is the template's. */

import { addressOf } from "../../server/address.js";
import { parts, slot } from "../find.js";
import { setDuration, setName, setText, setTime } from "../times.js";
import { note, share, statusOf } from "../wording.js";

/**
 * @param {HTMLElement} row
 * @param {any} record
 */
export function drawProcess(row, record) {
  Object.assign(row.dataset, { pk: record.pk, identifier: record.identifier, state: record.state });
  const link = /** @type {HTMLAnchorElement} */ (slot("identifier", row));
  setName(link, record.identifier);
  link.setAttribute("href", pageOf(record));
  setText(slot("pipeline", row), record.pipeline);
  slot("status", row).dataset.state = record.state;
  setText(slot("status", row), statusOf(record));
  setNote(slot("note", row), note(record));
  setText(slot("share", row), shareNow(record));
  drawProgress(/** @type {HTMLProgressElement} */ (slot("progress", row)), record);
  setTime(/** @type {HTMLTimeElement} */ (slot("created", row)), record.created);
  setDuration(slot("took", row), record.started, record.terminal_timestamp);
  drawButtons(parts("[data-act]", row), record);
  drawOutputs(row, record);
}

/**
 * Show a note, also as a title: it may be too long for its line.
 *
 * @param {HTMLElement} place
 * @param {string} words
 */
export function setNote(place, words) {
  setText(place, words);
  if (place.title !== words) place.title = words;
}

/**
 * @param {HTMLProgressElement} bar
 * @param {any} record
 */
export function drawProgress(bar, record) {
  bar.max = record.progress?.total || 1;
  bar.value = record.progress?.done ?? 0;
  bar.toggleAttribute("data-idle", !shareNow(record));
}

/**
 * Return how much is done of a process that has not ended.
 *
 * @param {any} record
 */
export function shareNow(record) {
  return record.terminal_timestamp === null ? share(record.progress) : "";
}

/** @param {any} record */
export function pageOf(record) {
  return record.view_url ?? addressOf(`/processes/${record.pk}`);
}

/**
 * Show the buttons that apply: cancelling until a process has ended, all others after.
 *
 * @param {HTMLElement[]} buttons
 * @param {any} record
 */
export function drawButtons(buttons, record) {
  const ended = record.terminal_timestamp !== null;
  for (const button of /** @type {HTMLButtonElement[]} */ (buttons)) {
    const cancels = button.dataset.act === "cancel";
    button.hidden = cancels === ended;
    button.disabled = cancels && Boolean(record.stopping);
  }
}

/**
 * @param {HTMLElement} row
 * @param {any} record
 */
function drawOutputs(row, record) {
  const outputs = slot("outputs", row);
  outputs.hidden = record.group === null;
  if (record.group !== null) outputs.setAttribute("href", addressOf(`/dataproducts/data/group/${record.group}/`));
}
