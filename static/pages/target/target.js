// @ts-check
/** The page of a target: puts its processes, data products, uploads and the run form together. */

import { showConnection } from "../../draw/connection.js";
import { ArrowKeys } from "../../draw/target/arrow_keys.js";
import { part, parts } from "../../draw/find.js";
import { notify, offerNotifications } from "../../draw/browser/notify.js";
import { clearProblems, messageOf, showProblem, showProblems } from "../../draw/problems.js";
import { ProcessTable } from "../../draw/process/process_table.js";
import { drawChosen, RunForm } from "../../draw/process/run_form.js";
import { may } from "../../draw/role.js";
import { Selection } from "../../draw/product/selection.js";
import { keepTimes } from "../../draw/times.js";
import { addressOf } from "../../server/address.js";
import { ApiError, idempotencyKey, request } from "../../server/api.js";
import { subscribe } from "../../server/changes.js";
import { ProcessFeed } from "../../server/process_feed.js";
import { copyCoordinates } from "./coordinates.js";
import { watchCurve } from "./light_curve/curve.js";
import { watchProducts } from "./products.js";
import { showSkyLater } from "./later.js";
import { drawResults } from "./results.js";
import { deleteSoon } from "./undo.js";

/** @type {Set<number>} the PKs of processes whose deletion can be undone */
const deleted = new Set();
const target = Number(part("#target").dataset.pk);
keepTimes(Number(part("#target").dataset.now));
const selection = new Selection(part("#products"), chosenChanged);
const run = may("operator") ? new RunForm(part("#run"), selection) : null;
const products = watchProducts(target, selection, (frames) => void drawResults(frames));
const curve = watchCurve(target);
const feed = followProcesses();
subscribe(target, () => products.refresh(), { kinds: ["products", "groups"] });
subscribe(target, () => curve.refresh(), { kinds: ["lightcurve"] });
/** Brings the head up to date. @type {Promise<() => Promise<void>> | undefined} */
let head;
subscribe(target, async () => {
  head ??= loadHead();
  await (await head)();
}, {
  kinds: ["target"],
  state: (state) => state === "gone" && showConnection(state), // the list of processes is empty then
});
showSkyLater(target);
offerNotifications(part("#notify"));
copyCoordinates();
if (run) {
  takeTables();
  runPipelines(run);
  editTarget();
}
if (may("admin")) deleteThisTarget();

async function loadHead() {
  try {
    const { watchHead } = await import("./head.js"); // the first paint needs none of it
    return watchHead();
  } catch (error) {
    head = undefined;
    throw error instanceof TypeError ? new ApiError(0, {}) : error; // the server is away: once more
  }
}

function takeTables() {
  part("#curve-files").addEventListener("change", async (event) => {
    const input = /** @type {HTMLInputElement} */ (event.currentTarget);
    const files = [...(input.files ?? [])];
    input.value = "";
    const { importTables } = await import("./imports.js"); // seldom wanted, too
    importTables(target, files);
  });
}

function chosenChanged() {
  if (!run) return;
  drawChosen(selection);
  run.draw();
}

function followProcesses() {
  const section = part("#processes");
  const table = new ProcessTable(section, reportEnded);
  new ArrowKeys(part("table", section));
  const following = new ProcessFeed(target, {
    records(records) {
      table.filtered = Object.keys(following.filters).length > 0;
      table.draw(records.filter(({ pk }) => !deleted.has(pk)));
      part(".more", section).hidden = !following.next;
    },
    endedUnseen: reportEnded,
    state: showConnection,
  });
  for (const button of parts('[data-act="cancel"]:disabled', section)) {
    following.stopping(Number(button.closest("tr")?.dataset.pk));
  }
  part(".heading", section).addEventListener("change", () => {
    following.filters = filtersIn(section);
    void following.fetch();
  });
  part("#older-processes").addEventListener("click", () => {
    following.limit = Math.min(1000, following.limit * 4);
    void following.fetch();
  });
  section.addEventListener("click", (event) => void act(/** @type {Element} */ (event.target)));
  addEventListener("online", () => following.channel.reconnectNow());
  void following.channel.open();
  return following;
}

/** @param {any} process one that has just ended, its record or its status */
function reportEnded({ identifier, failure_message }) {
  const news = failure_message ?? "Succeeded";
  part("#process-news").textContent = `${identifier}: ${news}`;
  notify(identifier, news);
}

/**
 * Return the chosen filters of the list of processes, without those that are left open.
 *
 * @param {HTMLElement} section
 */
function filtersIn(section) {
  /** @type {HTMLSelectElement[]} */
  const selects = parts("select[name]", section);
  return Object.fromEntries(
    selects.filter((select) => select.value).map((select) => [select.name, select.value]),
  );
}

/** @param {Element} clicked */
async function act(clicked) {
  const button = clicked.closest("[data-act]");
  const row = button?.closest("tr");
  if (!(button instanceof HTMLElement) || !row || button.dataset.busy) return;
  const { pk, identifier } = row.dataset;
  showProblem(part("#process-problem"), "");
  button.dataset.busy = "true"; // a second click, or the second half of a double click, is none
  try {
    await doAct(button.dataset.act ?? "", Number(pk), identifier ?? "");
    await feed.fetch();
  } catch (error) {
    showProblem(part("#process-problem"), messageOf(error));
  }
  delete button.dataset.busy;
}

/**
 * @param {string} name
 * @param {number} pk
 * @param {string} identifier
 */
async function doAct(name, pk, identifier) {
  switch (name) {
    case "cancel":
      await request("POST", `/api/processes/${pk}/cancel/`);
      return feed.stopping(pk);
    case "rerun":
      return request("POST", `/api/processes/${pk}/rerun/`);
    case "delete":
      return deleteProcess(pk, identifier);
    default:
      throw new Error(`Unknown act ${name}`);
  }
}

/**
 * Delete a process once it is confirmed, with some seconds to undo it.
 *
 * @param {number} pk
 * @param {string} identifier
 */
async function deleteProcess(pk, identifier) {
  const { ask } = await import("../../draw/question.js"); // seldom wanted
  if (!(await ask(`Delete ${identifier} with its log and its outputs?`))) return;
  deleted.add(pk);
  const back = () => {
    deleted.delete(pk);
    void feed.fetch().catch(() => {});
  };
  deleteSoon({
    words: `${identifier} deleted.`,
    kind: "processes",
    pks: [pk],
    undone: back,
    done(problem) {
      if (problem) showProblem(part("#process-problem"), messageOf(problem.error));
      back();
    },
  });
}

/** @param {RunForm} run */
function runPipelines(run) {
  const runForm = run.form;
  runForm.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (run.problems().length) return run.draw(true);
    const submit = {
      target,
      pipeline: run.pipeline,
      products: products.chosenInOrder,
      flags: run.flags,
    };
    run.setBusy(true);
    try {
      const key = { "Idempotency-Key": idempotencyKey() };
      await request("POST", "/api/processes/", submit, key);
      await feed.fetch();
      run.setBusy(false);
      part("#processes-title").scrollIntoView({ block: "nearest" });
    } catch (error) {
      run.setBusy(false);
      run.showProblems([messageOf(error)]);
    }
  });
}

function editTarget() {
  const form = /** @type {HTMLFormElement} */ (part("#edit-target"));
  if (location.hash === "#edit-target") form.closest("details")?.setAttribute("open", "");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    clearProblems(form);
    try {
      // Seldom wanted, so that it is not among what the first paint waits for.
      const { targetOf } = await import("../../draw/target/target_form.js");
      await request("PATCH", `/api/targets/${target}/`, targetOf(form));
      location.reload();
    } catch (error) {
      showProblems(form, error);
    }
  });
}

function deleteThisTarget() {
  const form = /** @type {HTMLFormElement} */ (part("#edit-target"));
  part("#delete-target").addEventListener("click", async () => {
    try {
      const { deleteTarget } = await import("../deletion.js"); // seldom wanted, too
      if (await deleteTarget(target, part("h1").textContent ?? "")) location.assign(addressOf("/"));
    } catch (error) {
      showProblems(form, error);
    }
  });
}
