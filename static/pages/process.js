// @ts-check
/** One process's page: its facts and its log, live. */

import { showConnection } from "../draw/connection.js";
import { drawFacts, drawTimeLeft } from "../draw/facts.js";
import { part } from "../draw/find.js";
import { pageOf } from "../draw/process_row.js";
import { messageOf, showProblem } from "../draw/problems.js";
import { ask } from "../draw/question.js";
import { swapRegion } from "../draw/region.js";
import { keepTimes } from "../draw/times.js";
import { getPage, request } from "../server/api.js";
import { LogFeed } from "../server/log_feed.js";
import { watchLog } from "./process_log.js";

const page = part("#process");
let record = JSON.parse(page.dataset.record ?? "{}");

keepTimes(Number(page.dataset.now));
const log = watchLog(record);
drawFacts(page, record);
setInterval(() => drawTimeLeft(page, record), 1000);
follow();
page.addEventListener("click", (event) => void act(/** @type {Element} */ (event.target)));
page.querySelector("#rerun")?.addEventListener("submit", (event) => {
  event.preventDefault();
  void act(part('header [data-act="rerun"]'), flagsOf(/** @type {HTMLFormElement} */ (event.target)));
});

function follow() {
  const feed = new LogFeed(record.pk, record.log_lines, {
    record(newer) {
      const before = record;
      record = newer;
      drawFacts(page, record);
      log.record(record);
      if (outputsChanged(before, record)) void drawOutputs();
    },
    lines: (lines) => log.lines(lines),
    state: showConnection,
  });
  addEventListener("online", () => feed.channel.hurry());
  void feed.channel.open();
}

/**
 * @param {any} before
 * @param {any} after
 */
function outputsChanged(before, after) {
  const ended = before.terminal_timestamp === null && after.terminal_timestamp !== null;
  return ended || before.outputs.length !== after.outputs.length;
}

async function drawOutputs() {
  try {
    swapRegion("outputs", await getPage(location.pathname));
  } catch {
    // The link to them appears with the next drawing of the page.
  }
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
  }
}

/**
 * @param {string} name
 * @param {Record<string, boolean>} [flags]
 */
async function doAct(name, flags) {
  switch (name) {
    case "cancel":
      return request("POST", `/api/processes/${record.pk}/cancel/`);
    case "rerun": {
      const body = flags ? { flags } : undefined;
      const again = await request("POST", `/api/processes/${record.pk}/rerun/`, body);
      return location.assign(pageOf(again));
    }
    case "delete":
      if (!(await ask(`Delete ${record.identifier} with its log and its outputs?`))) return;
      await request("DELETE", `/api/processes/${record.pk}/`);
      return location.assign(`/targets/${record.target}/`);
    default:
      throw new Error(`Unknown act ${name}`);
  }
}

/** @param {HTMLFormElement} form */
function flagsOf(form) {
  const boxes = [...form.elements].filter((element) => element instanceof HTMLInputElement);
  return Object.fromEntries(boxes.map((box) => [box.name, box.checked]));
}
