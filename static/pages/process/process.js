// @ts-check
/** The page of a process: its facts and its log, live. */

import { showConnection } from "../../draw/connection.js";
import { part } from "../../draw/find.js";
import { messageOf, showProblem } from "../../draw/problems.js";
import { drawFacts, drawTimeLeft } from "../../draw/process/facts.js";
import { pageOf } from "../../draw/process/process_row.js";
import { regionOf, swapRegion } from "../../draw/region.js";
import { keepTimes } from "../../draw/times.js";
import { addressOf } from "../../server/address.js";
import { getPage, request } from "../../server/api.js";
import { getSections, LogFeed } from "../../server/log_feed.js";

/** @typedef {import("./log.js").ProcessLog} Log */

const QUEUE_MS = 3000;
const SECTIONS_RETRY_MS = 3000;
const SECTIONS_MS = 300;

const page = part("#process");
let record = JSON.parse(page.dataset.record ?? "{}");
let failure = failureOf(page);
/** Plays the film, once its module has come. @type {import("./film.js").FilmPlayer | undefined} */
let player;

keepTimes(Number(page.dataset.now));
draw();
setInterval(() => drawTimeLeft(page, record), 1000);
drawFrame();
/** Draws the frames of a film; its module loads after the page. @type {(record: any) => void} */
let drawFrames = () => {};
void start();
page.addEventListener("click", (event) => void act(/** @type {Element} */ (event.target)));
page.querySelector("#rerun")?.addEventListener("submit", (event) => {
  event.preventDefault();
  void act(part('header [data-act="rerun"]'), flagsOf(/** @type {HTMLFormElement} */ (event.target)));
});

page.querySelector("#share")?.addEventListener("click", async () => {
  const { openSharing } = await import("./sharing.js"); // seldom wanted
  openSharing(record.pk);
});

/** Bring the result to life, and take the log over from the server, which has drawn its end, and follow it. */
async function start() {
  await pageLoaded(); // the first paint does not wait for what comes now
  part("#print-sheet").addEventListener("click", () => void printSheet());
  void startResult();
  const { ProcessLog } = await import("./log.js");
  const log = new ProcessLog(record, failure);
  follow(log, sectionDrawer(log, page.dataset.sections));
}

async function startResult() {
  if (record.process_type === "timelapse") return followFrames();
  const { startStage } = await import("./stage.js");
  await startStage(record);
}

async function printSheet() {
  const { printSheet } = await import("./sheet.js"); // seldom wanted
  printSheet();
}

/** Wait until the page is complete. */
function pageLoaded() {
  if (document.readyState === "complete") return Promise.resolve();
  return new Promise((resolve) => addEventListener("load", resolve, { once: true }));
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
      drawFrame();
      drawFrames(record);
      player?.record(record);
    },
    lines: (lines) => log.lines(lines),
    state: showConnection,
  });
  addEventListener("online", () => feed.channel.reconnectNow());
  setInterval(() => void drawQueuePosition(feed), QUEUE_MS);
  void feed.channel.open();
}

async function followFrames() {
  const [{ watchFrames }, { FilmPlayer }] = await Promise.all([import("./frames.js"), import("./film.js")]);
  if (part("#stage").dataset.kind === "film") player = new FilmPlayer(record);
  drawFrames = watchFrames(record, (frames) => player?.take(frames));
}

/** Show the latest picture of a run, of a timelapse its last finished frame, while it goes on. */
function drawFrame() {
  const shown = page.querySelector("#frame");
  if (!(shown instanceof HTMLImageElement) || shown.dataset.asked || part("#stage").dataset.byHand !== undefined) return;
  const isFilm = record.process_type === "timelapse";
  if (record.state !== "running" || (isFilm && !record.progress)) {
    if (isFilm) shown.hidden = true;
    return;
  }
  shown.dataset.asked = "true"; // one at a time, however fast they are finished
  const newer = new Image();
  Object.assign(newer, { id: shown.id, alt: shown.alt });
  newer.addEventListener("load", () => shown.replaceWith(newer));
  newer.addEventListener("error", () => delete shown.dataset.asked);
  const version = record.progress ? record.progress.done : record.log_lines;
  newer.src = addressOf(`/processes/${record.pk}/preview.png?done=${version}`);
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
    takeStage(html);
    failure = failureOf(regionOf("process", html));
  } catch {
    return; // they appear when the page is next loaded
  }
  draw();
  if (failure) log.failed(failure);
}

/**
 * Show the result, if there is one. Where the log has had all the room, it stays until the reader
 * wants the result, so that no line is moved away while it is read.
 *
 * @param {string} html the page as the server renders it now
 */
function takeStage(html) {
  const fresh = regionOf("stage", html);
  const stage = part("#stage");
  if (fresh.hidden) {
    if (stage.dataset.kind === "film") part(".waiting", stage).textContent = "No film was made.";
  } else if (player && fresh.dataset.kind === "film") {
    part(".screen", stage).replaceWith(part(".screen", fresh));
    delete stage.dataset.byHand;
    player.made();
  } else if (stage.hidden && !document.hidden) offerResult(fresh);
  else replaceStage(fresh);
}

/** @param {HTMLElement} fresh */
function replaceStage(fresh) {
  part("#show-result").hidden = true;
  part("#stage").replaceWith(fresh);
  void import("./stage.js").then(({ startStage }) => startStage(record));
}

/** @param {HTMLElement} fresh */
function offerResult(fresh) {
  const button = part("#show-result");
  button.hidden = false;
  button.addEventListener("click", () => {
    replaceStage(fresh);
    scrollTo({ top: 0 });
  }, { once: true });
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
      // Seldom wanted, so that it is not among what the first paint waits for.
      const { deleteProcess } = await import("../deletion.js");
      if (!(await deleteProcess(record.pk, record.identifier))) return;
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
