// @ts-check
/** The page of all targets: search as you type, make one, see what runs. */

import { part, parts } from "../draw/find.js";
import { clearProblems, showProblems } from "../draw/problems.js";
import { swapRegion } from "../draw/region.js";
import { targetOf } from "../draw/target_form.js";
import { keepTimes } from "../draw/times.js";
import { get, getPage, request } from "../server/api.js";

const TYPING_MS = 200;
const RUNNING_MS = 4000;

keepTimes(Number(part("#targets").dataset.now));
searchAsYouType();
makeTargets();
followRunning();

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
  const path = search ? `/?${new URLSearchParams({ search })}` : "/";
  try {
    const page = await getPage(path);
    const newest = /** @type {HTMLInputElement} */ (part("#search")).value.trim();
    if (newest !== search) return;
    history.replaceState(null, "", path);
    swapRegion("targets", page);
  } catch {
    // What is shown stays; pressing Enter asks once more and shows the error as a page.
  }
}

function makeTargets() {
  const form = /** @type {HTMLFormElement} */ (part("#new-target"));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    clearProblems(form);
    try {
      const target = await request("POST", "/api/targets/", targetOf(form));
      location.assign(`/targets/${target.pk}/`);
    } catch (error) {
      showProblems(form, error);
    }
  });
}

function followRunning() {
  setInterval(async () => {
    if (document.hidden) return;
    try {
      const { processes } = await get("/api/processes/?state=queued,running&limit=1000");
      drawRunning(processes);
    } catch {
      // The next one may get through.
    }
  }, RUNNING_MS);
}

/** @param {{target: number}[]} processes */
function drawRunning(processes) {
  for (const cell of parts("[data-running]")) {
    const count = processes.filter((each) => each.target === Number(cell.dataset.running)).length;
    const mark = /** @type {HTMLElement} */ (cell.firstElementChild);
    mark.className = count ? "state" : "faint";
    mark.dataset.state = count ? "running" : "";
    mark.textContent = count ? String(count) : "–";
  }
}
