// @ts-check
/** The page of a process: its facts and its log, live. */

import { needed, orSayMissing, showConnection } from "../../draw/connection.js";
import { part } from "../../draw/find.js";
import { messageOf, showProblem } from "../../draw/problems.js";
import { drawFacts, drawTimeLeft } from "../../draw/process/facts.js";
import { pageOf } from "../../draw/process/process_row.js";
import { regionOf, swapRegion } from "../../draw/region/region.js";
import { keepTimes } from "../../draw/times.js";
import { addressOf } from "../../server/address.js";
import { getPage, loader, request } from "../../server/api.js";
import { getSections, LogFeed } from "../../server/log_feed.js";

/** @typedef {import("./log.js").ProcessLog} Log */

const LOAD_MS = 3000;
const QUEUE_MS = 3000;
const SECTIONS_RETRY_MS = 3000;
const SECTIONS_MS = 300;

const page = part("#process");
let record = JSON.parse(page.dataset.record ?? "{}");
let failure = failureOf(page);
// What is seldom wanted.
const sharing = loader(() => import("./sharing.js"));
const sheet = loader(() => import("./sheet.js"));
const deletion = loader(() => import("../deletion.js"));
/** Shows the result; its module loads after the page. @type {import("./result.js").Result | undefined} */
let result;
/** The page as the server renders it after the end, once that has come. */
let outcome = "";

keepTimes(Number(page.dataset.now));
draw();
const counting = setInterval(() => drawTimeLeft(page, record), 1000);
void start();
page.addEventListener("click", (event) => void act(/** @type {Element} */ (event.target)));
page.querySelector("#rerun")?.addEventListener("submit", (event) => {
  event.preventDefault();
  void act(part('header [data-act="rerun"]'), flagsOf(/** @type {HTMLFormElement} */ (event.target)));
});

page.querySelector("#share")?.addEventListener("click", () => {
  void orSayMissing(sharing, async () => (await sharing()).openSharing(record.pk));
});

/** Take the log over from the server, which has drawn its end, follow it, and bring the result to life. */
async function start() {
  await pageLoaded(); // the first paint does not wait for what comes now
  part("#print-sheet").addEventListener("click", () => {
    void orSayMissing(sheet, async () => (await sheet()).printSheet());
  });
  void startResult();
  const { ProcessLog } = await needed(() => import("./log.js"));
  const log = new ProcessLog(record, failure);
  follow(log, sectionDrawer(log, page.dataset.sections));
}

async function startResult() {
  const { Result } = await needed(() => import("./result.js"));
  result = new Result(record);
  if (outcome) result.ended(outcome);
}

/** Wait until the page is complete, but not for long: a picture of it may never come. */
function pageLoaded() {
  if (document.readyState === "complete") return Promise.resolve();
  return new Promise((resolve) => {
    addEventListener("load", resolve, { once: true });
    setTimeout(resolve, LOAD_MS);
  });
}

/**
 * @param {Log} log
 * @param {() => void} drawSections
 */
function follow(log, drawSections) {
  const feed = new LogFeed(record.pk, record.log_lines, {
    record(newer) {
      const before = record;
      record = { ...newer, stopping: record.stopping && newer.terminal_timestamp === null };
      draw();
      log.record(record);
      if (before.status !== record.status || before.attempt !== record.attempt) drawSections();
      if (outputsChanged(before, record)) void drawOutcome(log);
      result?.record(record);
    },
    lines: (lines) => log.lines(lines),
    state: showConnection,
  });
  addEventListener("online", () => feed.channel.reconnectNow());
  const asking = setInterval(() => void drawQueuePosition(feed), QUEUE_MS);
  void feed.channel.open().then(() => {
    clearInterval(counting);
    clearInterval(asking);
    return followOutcome(log);
  });
}

/**
 * Keep the outputs right once there are no more lines, as they can be deleted.
 *
 * @param {Log} log
 */
async function followOutcome(log) {
  const { followAfterEnd } = await needed(() => import("./after.js"));
  followAfterEnd(record, (newer) => {
    const before = record;
    record = newer;
    draw();
    if (outputsChanged(before, record)) void drawOutcome(log);
  });
}

/**
 * @param {Log} log
 * @param {string | undefined} first the sections when the page was rendered, if there are any to show
 * @returns {() => void} draws the present ones a moment later
 */
function sectionDrawer(log, first) {
  if (first === undefined) return () => {};
  let timer = 0;
  const draw = async () => {
    timer = 0;
    try {
      log.sections(await getSections(record.pk));
    } catch {
      timer = setTimeout(draw, SECTIONS_RETRY_MS);
    }
  };
  log.sections(JSON.parse(first));
  return () => {
    timer ||= setTimeout(draw, SECTIONS_MS);
  };
}

/**
 * Update the position in the queue. It changes with other processes, so no message tells of it.
 *
 * @param {LogFeed} feed
 */
async function drawQueuePosition(feed) {
  if (record.state !== "queued" || document.hidden) return;
  const newer = await feed.fetchRecord().catch(() => record);
  if (record.state !== "queued" || newer.state !== "queued") return;
  record = { ...record, waiting_for: newer.waiting_for };
  draw();
}

/**
 * @param {any} before
 * @param {any} after
 */
function outputsChanged(before, after) {
  const ended = before.terminal_timestamp === null && after.terminal_timestamp !== null;
  return ended || before.outputs.length !== after.outputs.length;
}

/**
 * Show the outputs, and of a failure the exception and where it is in the log.
 *
 * @param {Log} log
 */
async function drawOutcome(log) {
  try {
    const html = await getPage(location.pathname);
    swapRegion("outputs", html);
    swapRegion("failed-at", html);
    outcome = html;
    result?.ended(html);
    failure = failureOf(regionOf("process", html));
  } catch {
    return; // they appear when the page is next loaded
  }
  draw();
  if (failure) log.failed(failure);
}

function draw() {
  drawFacts(page, record, failure?.words ?? "");
}

/**
 * @param {HTMLElement} rendered
 * @returns {{words: string | null, line: number, errors: number[]} | null}
 */
function failureOf(rendered) {
  return JSON.parse(rendered.dataset.failure ?? "null");
}

/**
 * @param {Element} clicked
 * @param {Record<string, boolean>} [flags]
 */
async function act(clicked, flags) {
  const button = clicked.closest("[data-act]");
  if (!(button instanceof HTMLButtonElement)) return;
  button.disabled = true;
  showProblem(part("#act-problem"), "");
  try {
    await doAct(button.dataset.act ?? "", flags);
  } catch (error) {
    showProblem(part("#act-problem"), messageOf(error));
  } finally {
    button.disabled = false;
    draw();
  }
}

/**
 * @param {string} name
 * @param {Record<string, boolean>} [flags]
 */
async function doAct(name, flags) {
  switch (name) {
    case "cancel": {
      const asked = await request("POST", `/api/processes/${record.pk}/cancel/`);
      record.stopping = record.terminal_timestamp === null && asked.terminal_timestamp === null;
      return;
    }
    case "rerun": {
      const body = flags ? { flags } : undefined;
      const again = await request("POST", `/api/processes/${record.pk}/rerun/`, body);
      return location.assign(pageOf(again));
    }
    case "delete": {
      if (!(await (await deletion()).deleteProcess(record.pk, record.identifier))) return;
      return location.assign(addressOf(`/targets/${record.target}/`));
    }
    default:
      throw new Error(`Unknown act ${name}`);
  }
}

/** @param {HTMLFormElement} form */
function flagsOf(form) {
  const boxes = [...form.elements].filter((element) => element instanceof HTMLInputElement);
  return Object.fromEntries(boxes.map((box) => [box.name, box.checked]));
}
