// @ts-check
/** The page of all processes: its filters are its address; what is shown is kept current. */

import { showConnection } from "../../draw/connection.js";
import { part, parts } from "../../draw/find.js";
import { messageOf, showProblem } from "../../draw/problems.js";
import { updateRegion } from "../../draw/region/morph.js";
import { makeSortable, sortAgain } from "../../draw/process/sorting.js";
import { ArrowKeys } from "../../draw/target/arrow_keys.js";
import { keepTimes } from "../../draw/times.js";
import { getPage, request } from "../../server/api.js";
import { subscribe } from "../../server/changes.js";
import { deleteProcess } from "../deletion.js";

/** The least time between two looks, however much changes. */
const APART_MS = 1000;

const form = /** @type {HTMLFormElement} */ (part("#filters"));
keepTimes(Number(part("#processes").dataset.now));
fillInstants();
form.addEventListener("submit", leaveOutEmpty);
form.addEventListener("change", ({ target }) => {
  if (target instanceof HTMLSelectElement) form.requestSubmit();
});
// After "back", what was left out is there again.
addEventListener("pageshow", () => parts("[data-left-out]", form).forEach(takeIn));
part("#processes").addEventListener("click", (event) => void act(/** @type {Element} */ (event.target)));
makeSortable();
new ArrowKeys(part("#processes"));
subscribe(null, refresh, { kinds: ["processes"], state: showConnection, apartMs: APART_MS });

async function refresh() {
  updateRegion("processes", await getPage(location.pathname + location.search));
  sortAgain(part("#processes"));
}

/** Show the instants of the address, which are Unix seconds, by the reader's clock. */
function fillInstants() {
  for (const input of instants()) {
    const { value } = fieldOf(input);
    if (value) input.value = localTime(Number(value));
    input.addEventListener("change", () => {
      const field = fieldOf(input);
      const seconds = Date.parse(input.value) / 1000;
      field.disabled = !(seconds >= 0);
      field.value = field.disabled ? "" : String(seconds);
    });
  }
}

/** @returns {HTMLInputElement[]} */
function instants() {
  return parts("[data-instant]", form);
}

/** @param {HTMLInputElement} input */
function fieldOf(input) {
  return /** @type {HTMLInputElement} */ (part(`[name="${input.dataset.instant}"]`, form));
}

/** @param {number} seconds */
function localTime(seconds) {
  const ahead = new Date(seconds * 1000).getTimezoneOffset() * 60;
  return new Date((seconds - ahead) * 1000).toISOString().slice(0, 19);
}

/** Keep the address short. */
function leaveOutEmpty() {
  /** @type {(HTMLInputElement | HTMLSelectElement)[]} */
  const fields = parts("[name]", form);
  for (const field of fields) {
    if (field.value || field.disabled) continue;
    field.disabled = true;
    field.dataset.leftOut = "true";
  }
}

/** @param {HTMLElement} field */
function takeIn(field) {
  field.removeAttribute("disabled");
  delete field.dataset.leftOut;
}

/** @type {WeakSet<Element>} the buttons whose act is being done: the page may be drawn anew meanwhile */
const busy = new WeakSet();

/** @param {Element} clicked */
async function act(clicked) {
  const button = clicked.closest("[data-act]");
  const row = button?.closest("tr");
  if (!(button instanceof HTMLElement) || !row || busy.has(button)) return;
  busy.add(button);
  const { pk, identifier } = row.dataset;
  showProblem(part("#process-problem"), "");
  try {
    await doAct(button.dataset.act ?? "", Number(pk), identifier ?? "");
    await refresh();
  } catch (error) {
    showProblem(part("#process-problem"), messageOf(error));
  }
  busy.delete(button);
}

/**
 * @param {string} name
 * @param {number} pk
 * @param {string} identifier
 */
async function doAct(name, pk, identifier) {
  if (name === "delete") return deleteProcess(pk, identifier);
  await request("POST", `/api/processes/${pk}/${name}/`);
  part("#process-news").textContent = name === "rerun" ? `${identifier} runs again.` : `${identifier} is being cancelled.`;
}
