// @ts-check
/**
 * What the header of every page does: the strip of how many processes run and wait, which are also in
 * the title and the icon; and the search.
 */

import { orSayMissing } from "../../draw/connection.js";
import { part, slot } from "../../draw/find.js";
import { setText } from "../../draw/times.js";
import { loader, LoadError, poll } from "../../server/api.js";
import { subscribe } from "../../server/changes.js";

/** The least time between two looks, as a run that goes on changes all the time … */
const APART_MS = 1000;
/** … that in another tab, where only the title and the icon are seen … */
const HIDDEN_MS = 5000;
/** … and that where no websocket tells of changes. */
const POLLED_MS = 2000;
const COUNTED = /^\(\d+\) /;

const icon = loader(() => import("./icon.js")); // while nothing runs, it is the page's own
const searching = loader(() => import("./search.js")); // seldom wanted
/** @type {string | undefined} what the icon shows */
let drawn;

watchStrip();
document.getElementById("show-search")?.addEventListener("click", search);
addEventListener("keydown", (event) => {
  if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
  if (!document.getElementById("show-search") || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  search();
});

function search() {
  void orSayMissing(searching, async () => {
    if (!document.querySelector("dialog[open]")) await (await searching()).openSearch();
  });
}

/** Follow what runs and waits from now on. */
function watchStrip() {
  const strip = document.getElementById("strip");
  if (!strip) return;
  draw(strip, Number(slot("running", strip).textContent), Number(slot("queued", strip).textContent));
  subscribe(null, () => look(strip), { kinds: ["processes"], apartMs: APART_MS, pollMs: POLLED_MS });
}

/** @param {HTMLElement} strip */
async function look(strip) {
  const { running, queue_length } = await poll("/api/status/");
  draw(strip, running, queue_length);
  if (document.hidden) await shownOrLater();
}

/** Wait for a while, or until the page is seen. */
function shownOrLater() {
  return new Promise((resolve) => {
    const timer = setTimeout(done, HIDDEN_MS);
    document.addEventListener("visibilitychange", done);
    function done() {
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", done);
      resolve(undefined);
    }
  });
}

/**
 * @param {HTMLElement} strip
 * @param {number} running
 * @param {number} queued
 */
function draw(strip, running, queued) {
  const words = `${running} running, ${queued} waiting`;
  setText(slot("running", strip), String(running));
  setText(slot("queued", strip), String(queued));
  part(".state", strip).dataset.state = running ? "running" : "cancelled";
  if (strip.title !== words) strip.title = words;
  drawTitle(running + queued);
  void drawIcon(running, queued);
}

/** @param {number} count */
function drawTitle(count) {
  if (document.getElementById("now")) return; // whose title has both numbers
  const title = document.title.replace(COUNTED, "");
  const counted = count ? `(${count}) ${title}` : title;
  if (document.title !== counted) document.title = counted;
}

/**
 * @param {number} running
 * @param {number} queued
 */
async function drawIcon(running, queued) {
  const badge = running + queued > 99 ? "99" : running + queued ? String(running + queued) : "";
  if (badge === (drawn ?? "")) return;
  drawn = badge;
  try {
    (await icon()).drawBadge(drawn);
  } catch (error) {
    drawn = undefined; // the next look tries again
    if (!(error instanceof LoadError)) reportError(error);
  }
}
