// @ts-check
/** The page of a target: puts its processes, data products, uploads and the run form together. */

import { showConnection } from "../../draw/connection.js";
import { ArrowKeys } from "../../draw/target/arrow_keys.js";
import { part, parts } from "../../draw/find.js";
import { notify, offerNotifications } from "../../draw/browser/notify.js";
import { attempt, messageOf } from "../../draw/problems.js";
import { ProcessTable } from "../../draw/process/process_table.js";
import { drawChosen, RunForm } from "../../draw/process/run_form.js";
import { may } from "../../draw/role.js";
import { Selection } from "../../draw/product/selection.js";
import { newestOf } from "../../draw/target/frame_list.js";
import { keepTimes } from "../../draw/times.js";
import { idempotencyKey, loader, poll, request } from "../../server/api.js";
import { subscribe } from "../../server/changes.js";
import { ProcessFeed } from "../../server/process_feed.js";
import { watchProducts } from "./products.js";
import { takeFiles } from "./uploads.js";

/** @type {Set<number>} the PKs of processes whose deletion can be undone */
const deleted = new Set();
const target = Number(part("#target").dataset.pk);
keepTimes(Number(part("#target").dataset.now));
const selection = new Selection(part("#products"), chosenChanged);
const run = may("operator") ? new RunForm(part("#run"), selection) : null;
/** What the page shows of the target, and of the results. */
let facts = JSON.stringify(JSON.parse(part("#target").dataset.facts ?? ""));
let newest = part("#film").dataset.shown;

// What few visits want, or not at once.
const deleting = loader(() => import("./deleting/deleting.js"));
const editing = loader(() => import("./editing.js"));
const copying = loader(() => import("./coordinates.js"));
const results = loader(() => import("./results.js"));
const head = loader(() => import("./head.js"));
const sky = loader(() => import("./sky.js"));
const curve = loader(async () => {
  const { watchCurve } = await import("./light_curve/curve.js");
  return watchCurve(target);
});

const products = watchProducts(target, selection, (frames) => void drawResults(frames));
const feed = followProcesses();
subscribe(target, () => products.refresh(), { kinds: ["products", "groups"] });
subscribe(target, refreshCurve, { kinds: ["lightcurve"] });
subscribe(target, refreshHead, {
  kinds: ["target"],
  state: (state) => state === "gone" && showConnection(state), // the list of processes is empty then
});
showSkyLater();
offerNotifications(part("#notify"));
copyCoordinates();
if (run) {
  takeFiles(target);
  runPipelines(run);
  editTarget();
}

/**
 * Draw the newest film and outputs if they are others than before.
 *
 * @param {import("../../draw/target/frame_list.js").Frame[]} frames
 */
async function drawResults(frames) {
  const now = newestOf(frames);
  if (now === newest) return;
  newest = now;
  try {
    await (await results()).drawResults();
  } catch {
    newest = undefined; // it is tried again with the next change
  }
}

/** Bring the head of the page up to date. */
async function refreshHead() {
  const { name, identifier, ra, dec, extra_fields } = await poll(`/api/targets/${target}/`);
  const now = JSON.stringify([name, identifier, ra, dec, extra_fields]);
  if (now === facts) return;
  await (await head()).drawHead(name);
  facts = now;
}

/** Bring the light curve up to date. Without any, nothing is loaded that draws one. */
async function refreshCurve() {
  if (part("#light-curve").hidden) {
    const { lightcurve } = await poll(`/api/targets/${target}/lightcurve/?limit=1`);
    if (!lightcurve.length) return;
  }
  await (await curve()).refresh();
}

/** Show the sky, where the server knows its site, once everything else is there. */
function showSkyLater() {
  if (!document.getElementById("sky")) return;
  const show = () => setTimeout(async () => (await sky()).watchSky(target));
  if (document.readyState === "complete") show();
  else addEventListener("load", show, { once: true });
}

function copyCoordinates() {
  const buttonOf = (/** @type {Event} */ { target }) =>
    /** @type {HTMLElement | null} */ (/** @type {Element} */ (target).closest("button[data-copy]"));
  // The head of the page is drawn anew when others change the target.
  const heading = part("#target");
  heading.addEventListener("click", async (event) => {
    const button = buttonOf(event);
    try {
      if (button) await (await copying()).copyCoordinates(button);
    } catch (error) {
      part("#copied").textContent = messageOf(error);
    }
  });
  // Some browsers let a page copy only at once when a button is pressed.
  for (const before of ["pointerover", "focusin"]) {
    heading.addEventListener(before, (event) => void (buttonOf(event) && copying().catch(() => {})));
  }
}

function chosenChanged() {
  if (run) drawChosen(selection);
  run?.draw();
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
  return Object.fromEntries(selects.filter(({ value }) => value).map(({ name, value }) => [name, value]));
}

/** @param {Element} clicked */
async function act(clicked) {
  const button = clicked.closest("[data-act]");
  const row = button?.closest("tr");
  if (!(button instanceof HTMLElement) || !row || button.dataset.busy) return;
  const { pk, identifier } = row.dataset;
  button.dataset.busy = "true"; // a second click, or the second half of a double click, is none
  await attempt(part("#process-problem"), async () => {
    await doAct(button.dataset.act ?? "", Number(pk), identifier ?? "");
    await feed.fetch();
  });
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
      return (await deleting()).deleteProcess(pk, identifier, (isDeleted) => setDeleted(pk, isDeleted));
    default:
      throw new Error(`Unknown act ${name}`);
  }
}

/**
 * @param {number} pk
 * @param {boolean} isDeleted whether it is to be shown no more, as its deletion can be undone
 */
function setDeleted(pk, isDeleted) {
  if (isDeleted) return void deleted.add(pk);
  deleted.delete(pk);
  void feed.fetch().catch(() => {});
}

/** @param {RunForm} run */
function runPipelines(run) {
  run.form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (run.problems().length) return run.draw(true);
    const { pipeline, flags } = run;
    const submit = { target, pipeline, products: products.chosenInOrder, flags };
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
  const problem = part('[data-field="detail"]', form);
  if (location.hash === "#edit-target") form.closest("details")?.setAttribute("open", "");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void attempt(problem, async () => (await editing()).saveTarget(form, target));
  });
  form.querySelector("#delete-target")?.addEventListener("click", () => {
    void attempt(problem, async () => (await editing()).deleteThisTarget(form, target));
  });
}
