// @ts-check
/** The log on the page of a process: its lines and sections, live. Its tools load after the page. */

import { part } from "../../draw/find.js";
import { setText } from "../../draw/times.js";
import { counted, note } from "../../draw/wording.js";
import { clockOf } from "../../log/clocks.js";
import { Lines } from "../../log/lines.js";
import { Sections } from "../../log/sections.js";
import { ShownLines } from "../../log/shown_lines.js";
import { LogView } from "../../log/view/view.js";
import { getLines } from "../../server/log_feed.js";

const CLOCK_KEY = "heliograph.clock";

/** @typedef {import("../../server/log_feed.js").Entry} Entry */

/** What the tools are called with. @typedef {{lines: (fresh: Entry[]) => void}} Listener */

/** @param {any} first the record with which the page was rendered */
export function watchLog(first) {
  const fetchLines = async (after, limit) => (await getLines(first.pk, { after, limit })).lines;
  const shown = new ShownLines((number) => lines.get(number), (change) => view.keep(change));
  const lines = new Lines(first.log_lines, fetchLines, () => view.draw(), shown);
  const sections = new Sections(lines, shown);
  const view = new LogView(part("#log"), sections, () => drawFollow(view, newest));
  /** @type {Listener[]} */
  const listeners = [];
  let newest = first;

  chooseClock(view, () => newest.started ?? newest.created);
  followByButton(view);
  foldSections(view, sections);
  searchBySlash();
  view.draw();
  void pageLoaded().then(async () => {
    const { addTools } = await import("./log_tools.js");
    listeners.push(addTools(first.pk, lines, sections, view));
  });

  return {
    /** @param {Entry[]} fresh */
    lines(fresh) {
      lines.add(fresh);
      part(".log-empty").hidden = true;
      for (const listener of listeners) listener.lines(fresh);
    },
    /** @param {any} record */
    record(record) {
      newest = record;
      lines.grow(record.log_lines);
      drawEmpty(record, lines);
      drawFollow(view, record);
    },
    /** @param {import("../../log/sections.js").Section[]} found */
    sections(found) {
      view.keep(() => sections.set(found));
      drawFoldAll(sections);
    },
  };
}

/** Wait until the page is complete. */
function pageLoaded() {
  if (document.readyState === "complete") return Promise.resolve();
  return new Promise((resolve) => addEventListener("load", resolve, { once: true }));
}

/**
 * @param {LogView} view
 * @param {any} record
 */
function drawFollow(view, record) {
  const button = part("#follow");
  const { waiting } = view;
  const ended = record.terminal_timestamp !== null;
  const words = waiting ? counted(waiting, "new line") : ended ? "To the end" : "Follow";
  button.hidden = view.following || (ended && view.geometry.atBottom);
  button.toggleAttribute("data-waiting", waiting > 0);
  setText(part("span", button), words);
}

/**
 * @param {any} record
 * @param {Lines} lines
 */
function drawEmpty(record, lines) {
  const place = part(".log-empty");
  place.hidden = lines.total > 0;
  if (record.terminal_timestamp !== null) return setText(place, "It wrote nothing into its log.");
  const waits = record.state === "queued" && note(record);
  const words = "The first line appears here as soon as it is written.";
  setText(place, waits ? `${waits}. ${words}` : words);
}

/** @param {LogView} view */
function followByButton(view) {
  part("#follow").addEventListener("click", () => {
    view.follow(true);
    view.box.focus({ preventScroll: true });
  });
}

/**
 * @param {LogView} view
 * @param {Sections} sections
 */
function foldSections(view, sections) {
  view.box.addEventListener("click", (event) => {
    const heading = /** @type {Element} */ (event.target).closest("h3.section");
    if (!(heading instanceof HTMLElement)) return;
    view.follow(false);
    sections.toggle(Number(heading.dataset.section));
    view.draw();
    drawFoldAll(sections);
  });
  part("#fold").addEventListener("click", () => {
    const folded = !sections.allFolded;
    view.keep(() => sections.foldAll(folded), view.anchor);
    drawFoldAll(sections);
  });
}

/** @param {Sections} sections */
function drawFoldAll(sections) {
  const button = part("#fold");
  button.hidden = !sections.count;
  button.title = sections.allFolded ? "Unfold all sections" : "Fold all sections";
  setText(part("span", button), button.title);
}

/** Let a slash go to the search field, also before the tools are loaded. */
function searchBySlash() {
  addEventListener("keydown", (event) => {
    const writing = /** @type {Element} */ (event.target).closest("input, textarea, select");
    if (event.key !== "/" || writing || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    part("#find").focus();
  });
}

/**
 * @param {LogView} view
 * @param {() => number} start
 */
function chooseClock(view, start) {
  const select = /** @type {HTMLSelectElement} */ (part("#clock"));
  const show = () => {
    view.box.dataset.clock = select.value;
    view.show({ clock: clockOf(select.value, start) });
  };
  const kept = localStorage.getItem(CLOCK_KEY);
  if ([...select.options].some((option) => option.value === kept)) select.value = kept ?? "";
  select.addEventListener("change", () => {
    localStorage.setItem(CLOCK_KEY, select.value);
    show();
  });
  show();
}
