// @ts-check
/** The page of a target: puts its processes, data products, uploads and the run form together. */

import { showConnection } from "../../draw/connection.js";
import { part, parts } from "../../draw/find.js";
import { notify, offerNotifications } from "../../draw/notify.js";
import { clearProblems, messageOf, showProblem, showProblems } from "../../draw/problems.js";
import { ProcessTable } from "../../draw/process/process_table.js";
import { drawCount, RunForm } from "../../draw/process/run_form.js";
import { may } from "../../draw/role.js";
import { Selection } from "../../draw/product/selection.js";
import { keepTimes } from "../../draw/times.js";
import { addressOf } from "../../server/address.js";
import { idempotencyKey, request } from "../../server/api.js";
import { subscribe } from "../../server/changes.js";
import { ProcessFeed } from "../../server/process_feed.js";
import { watchCurve } from "./curve.js";
import { watchProducts } from "./products.js";

/** When it is told of all things for the first time, the page is not older than this. */
const FRESH_MS = 3000;
const target = Number(part("#target").dataset.pk);
keepTimes(Number(part("#target").dataset.now));
const selection = new Selection(part("#products"), chosenChanged, () => products.showAll());
const run = may("operator") ? new RunForm(part("#run"), selection) : null;
const products = watchProducts(target, selection);
const curve = watchCurve(target);
const feed = followProcesses();
selection.draw();
subscribe(target, () => products.refresh(), { kinds: ["products", "groups"] });
subscribe(target, () => curve.refresh(), { kinds: ["lightcurve"] });
/** Brings the head up to date. @type {Promise<() => Promise<void>> | undefined} */
let head;
let told = false;
subscribe(target, async () => {
  const first = !told;
  told = true;
  if (first && performance.now() < FRESH_MS) return;
  head ??= loadHead();
  await (await head)();
}, {
  kinds: ["target"],
  state: (state) => state === "gone" && showConnection(state), // the list of processes is empty then
});
offerNotifications(part("#notify"));
if (run) {
  takeTables();
  runPipelines(run);
  editTarget();
}
if (may("admin")) deleteThisTarget();

async function loadHead() {
  const { watchHead } = await import("./head.js"); // the first paint needs none of it
  return watchHead();
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
  drawCount(selection.chosen.size);
  run.draw();
  products.chosenChanged();
}

function followProcesses() {
  const section = part("#processes");
  const table = new ProcessTable(section, reportEnded);
  const following = new ProcessFeed(target, {
    records(records) {
      table.filtered = Object.keys(following.filters).length > 0;
      table.draw(records);
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
function reportEnded({ identifier, failure_message, status }) {
  const news = failure_message ?? status;
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
  if (!(button instanceof HTMLElement) || !row) return;
  const { pk, identifier } = row.dataset;
  showProblem(part("#process-problem"), "");
  try {
    await doAct(button.dataset.act ?? "", Number(pk), identifier ?? "");
    await feed.fetch();
  } catch (error) {
    showProblem(part("#process-problem"), messageOf(error));
  }
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
    case "delete": {
      const { deleteProcess } = await import("../deletion.js"); // seldom wanted, as below
      return deleteProcess(pk, identifier);
    }
    default:
      throw new Error(`Unknown act ${name}`);
  }
}

/** @param {RunForm} run */
function runPipelines(run) {
  const runForm = run.form;
  runForm.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = /** @type {HTMLButtonElement} */ (part("button.primary", runForm));
    const submit = {
      target,
      pipeline: run.pipeline,
      products: products.inOrder([...selection.chosen.keys()]),
      flags: run.flags,
    };
    button.disabled = true;
    try {
      const key = { "Idempotency-Key": idempotencyKey() };
      await request("POST", "/api/processes/", submit, key);
      await feed.fetch();
      run.draw();
      part("#processes-title").scrollIntoView({ block: "nearest" });
    } catch (error) {
      run.showProblems([messageOf(error)]);
      button.disabled = false;
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
      const { deleteTarget } = await import("../deletion.js");
      if (await deleteTarget(target, part("h1").textContent ?? "")) location.assign(addressOf("/"));
    } catch (error) {
      showProblems(form, error);
    }
  });
}
