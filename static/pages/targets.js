// @ts-check
/** The page of all targets: searching as you type, making and deleting targets, what runs now. */

import { showConnection } from "../draw/connection.js";
import { part, parts } from "../draw/find.js";
import { clearProblems, messageOf, showProblem, showProblems } from "../draw/problems.js";
import { pageOf } from "../draw/process/process_row.js";
import { may } from "../draw/role.js";
import { swapRegion } from "../draw/region.js";
import { makeSortable } from "../draw/process/sorting.js";
import { targetOf } from "../draw/target/target_form.js";
import { keepTimes } from "../draw/times.js";
import { addressOf } from "../server/address.js";
import { ApiError, getPage, poll, request } from "../server/api.js";
import { deleteTarget } from "./deletion.js";

const TYPING_MS = 200;
const RUNNING_MS = 4000;
const LOST_MS = 1000;

keepTimes(Number(part("#targets").dataset.now));
searchAsYouType();
makeSortable();
if (may("operator")) makeTargets();
if (may("admin")) deleteTargets();
void followRunning();

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
    swapRegion("targets", page);
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
      swapRegion("targets", await getPage(location.pathname + location.search));
    } catch (error) {
      showProblem(part("#target-problem"), messageOf(error));
    }
  });
}

async function followRunning() {
  for (;;) {
    const connected = document.hidden || (await showRunning());
    await new Promise((resolve) => setTimeout(resolve, connected ? RUNNING_MS : LOST_MS));
  }
}

/** @returns {Promise<boolean>} whether the server could be asked */
async function showRunning() {
  try {
    const { processes } = await poll("/api/processes/?state=queued,running&limit=1000");
    drawRunning(processes);
    showConnection("live");
    return true;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    showConnection(error.status === 401 ? "refused" : "lost");
    return false;
  }
}

/** @param {any[]} processes newest first */
function drawRunning(processes) {
  for (const cell of parts("[data-running]")) {
    const own = processes.filter((each) => each.target === Number(cell.dataset.running));
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
  return faint(count ? ` and ${count} more` : "");
}

/** @param {string} text */
function faint(text) {
  const words = document.createElement("span");
  words.className = "faint";
  words.textContent = text;
  return words;
}
