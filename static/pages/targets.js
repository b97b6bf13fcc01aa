// @ts-check
/** The page of all targets: searching as you type, making and deleting targets, what runs now. */

import { showConnection } from "../draw/connection.js";
import { part, parts } from "../draw/find.js";
import { clearProblems, showProblems } from "../draw/form_problems.js";
import { messageOf, showProblem } from "../draw/problems.js";
import { pageOf } from "../draw/process/process_row.js";
import { may } from "../draw/role.js";
import { updateRegion } from "../draw/region/morph.js";
import { makeSortable, sortAgain } from "../draw/process/sorting.js";
import { ArrowKeys } from "../draw/target/arrow_keys.js";
import { targetOf } from "../draw/target/target_form.js";
import { keepTimes } from "../draw/times.js";
import { addressOf } from "../server/address.js";
import { getPage, request } from "../server/api.js";
import { Answers, subscribe } from "../server/changes.js";
import { deleteTarget } from "./deletion.js";

const TYPING_MS = 200;
/** The list costs the server a lot, and changes with everything that happens. */
const APART_MS = 500;
const STATES = ["running", "queued"];
/** How far processes are counted. */
const COUNTED = 200;

keepTimes(Number(part("#targets").dataset.now));
searchAsYouType();
makeSortable();
new ArrowKeys(part("#targets"));
if (may("operator")) makeTargets();
if (may("admin")) deleteTargets();
followTargets();

function searchAsYouType() {
  const input = /** @type {HTMLInputElement} */ (part("#search"));
  let timer = 0;
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => void showTargets(input.value.trim()), TYPING_MS);
  });
}

/** @param {string} search */
async function showTargets(search) {
  const path = addressOf(search ? `/?${new URLSearchParams({ search })}` : "/");
  try {
    const page = await getPage(path);
    const newest = /** @type {HTMLInputElement} */ (part("#search")).value.trim();
    if (newest !== search) return;
    history.replaceState(null, "", path);
    updateRegion("targets", page);
    sortAgain(part("#targets"));
    drawRunning();
  } catch {
    // The list stays as it is; pressing Enter tries again and shows the error as a page.
  }
}

function makeTargets() {
  const form = /** @type {HTMLFormElement} */ (part("#new-target"));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    clearProblems(form);
    try {
      const target = await request("POST", "/api/targets/", targetOf(form));
      location.assign(addressOf(`/targets/${target.pk}/`));
    } catch (error) {
      showProblems(form, error);
    }
  });
}

function deleteTargets() {
  document.addEventListener("click", async (event) => {
    const button = /** @type {Element} */ (event.target).closest("[data-delete]");
    if (!(button instanceof HTMLElement)) return;
    const { name, delete: pk } = button.dataset;
    try {
      if (!(await deleteTarget(Number(pk), name ?? ""))) return;
      showProblem(part("#target-problem"), "");
      await drawTargets();
    } catch (error) {
      showProblem(part("#target-problem"), messageOf(error));
    }
  });
}

/** Draw the targets anew when any of them, what it has, or what runs on it has changed. */
function followTargets() {
  const answers = new Answers();
  let drawn = false;
  /** Whether the list could not be drawn when it should have been. */
  let stale = false;
  subscribe(null, async (what) => {
    let wanted = what.has("targets");
    for (const state of what.has("processes") ? STATES : []) {
      await answers.drawChanged(`/api/processes/?state=${state}&limit=1000`, ({ processes }) => {
        wanted = takeActive(state, processes) || wanted;
      });
    }
    // At first, all may have changed: it was drawn by the server a moment ago.
    stale = stale || (drawn && wanted);
    drawn = true;
    if (stale) await drawTargets();
    else drawRunning();
    stale = false;
  }, { state: showConnection, apartMs: APART_MS });
}

async function drawTargets() {
  updateRegion("targets", await getPage(location.pathname + location.search));
  sortAgain(part("#targets"));
  drawRunning();
}

/** What has not ended, newest first: asked for by state, so that a long queue hides nothing that runs. @type {Record<string, any[]>} */
const active = {};

/**
 * @param {string} state
 * @param {any[]} processes
 * @returns {boolean} whether any has been submitted, has started or has ended
 */
function takeActive(state, processes) {
  const before = JSON.stringify(active[state]?.map(wordsOf) ?? []);
  active[state] = processes;
  return JSON.stringify(processes.map(wordsOf)) !== before;
}

function drawRunning() {
  for (const cell of parts("[data-running]")) {
    const own = STATES.flatMap((state) => active[state] ?? []).filter((each) => each.target === Number(cell.dataset.running));
    if (cell.dataset.drawn === JSON.stringify(own.map(wordsOf))) continue;
    cell.dataset.drawn = JSON.stringify(own.map(wordsOf));
    cell.replaceChildren(...(own.length ? [linkTo(own[0]), more(own.length - 1)] : [faint("–")]));
  }
}

/** @param {any} process */
function wordsOf(process) {
  return [process.pk, process.state];
}

/** @param {any} process */
function linkTo(process) {
  const link = document.createElement("a");
  link.className = "state";
  link.dataset.state = process.state;
  link.href = pageOf(process);
  link.textContent = process.pipeline;
  return link;
}

/** @param {number} count */
function more(count) {
  return faint(count ? ` and ${count > COUNTED ? `${COUNTED}+` : count} more` : "");
}

/** @param {string} text */
function faint(text) {
  const words = document.createElement("span");
  words.className = "faint";
  words.textContent = text;
  return words;
}
