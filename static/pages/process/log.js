// @ts-check
/** The log on the page of a process: its lines and sections, live. Loaded after the page, its tools last. */

import { part } from "../../draw/find.js";
import { setText } from "../../draw/times.js";
import { counted, note } from "../../draw/wording.js";
import { clockOf } from "../../log/clocks.js";
import { parseSought, shownBy } from "../../log/find/address.js";
import { Lines } from "../../log/lines.js";
import { Sections } from "../../log/sections.js";
import { ShownLines } from "../../log/shown_lines.js";
import { LogView } from "../../log/view/view.js";
import { getLines } from "../../server/log_feed.js";

const CLOCK_KEY = "heliograph.clock";
const WRAP_KEY = "heliograph.wrap";

/** What is shown until the lines that the address asks for are found: never the others. */
const NOTHING = { length: 0, lineCount: 0, at: () => NO_ROW, rowOf: () => 1, need() {}, reach() {} };
const NO_ROW = { key: 0, number: 0, last: 0, entry: undefined, style: 0, heading: null, version: null };

/** @typedef {import("../../server/log_feed.js").Entry} Entry */

/**
 * What the tools are called with.
 *
 * @typedef {object} Listener
 * @property {(fresh: Entry[]) => void} lines
 * @property {(ended: boolean) => void} grown
 */

/** What the server knows of a failure. @typedef {{line: number, errors: number[]}} Failure */

/**
 * @param {any} first the record with which the page was rendered
 * @param {Failure | null} failure
 */
export function watchLog(first, failure) {
  const fetchLines = async (after, limit) => (await getLines(first.pk, { after, limit })).lines;
  const shownLines = new ShownLines((number) => lines.get(number), (change) => view.keep(change));
  const lines = new Lines(first.log_lines, fetchLines, () => view.draw(), shownLines);
  const sections = new Sections(lines, shownLines);
  const shown = shownBy(parseSought(location.search));
  const source = shown.q || shown.level ? NOTHING : sections;
  const view = new LogView(part("#log"), source, () => drawFollow(view, newest));
  /** @type {Listener[]} */
  const listeners = [];
  let newest = first;
  /** @type {import("../../log/sections.js").Section[]} */
  let newestSections = [];
  const ended = () => newest.terminal_timestamp !== null && lines.total >= newest.log_lines;
  const drawSections = () => {
    view.keep(() => sections.set(newestSections, newest.terminal_timestamp));
    drawFoldAll(sections);
  };
  /** @param {Failure} found */
  const showFailure = (found) => {
    view.keep(() => sections.foldGood(found.errors));
    drawFoldAll(sections);
    if (!found.line || location.hash || source === NOTHING || !view.following) return;
    view.show({ here: found.line });
    void view.goTo(found.line);
  };

  chooseClock(view, () => newest.started ?? newest.created);
  followByButton(view);
  foldSections(view, sections);
  wrapByButton(view);
  view.draw();
  const loadTools = async () => {
    const { addTools } = await import("./log_tools.js");
    listeners.push(addTools(first.pk, lines, sections, view, ended));
  };
  void loadTools();

  return {
    /** @param {Entry[]} fresh */
    lines(fresh) {
      lines.add(fresh);
      part(".log-empty").hidden = true;
      for (const listener of listeners) listener.lines(fresh);
      for (const listener of listeners) listener.grown(ended());
    },
    /** @param {any} record */
    record(record) {
      const before = newest.terminal_timestamp;
      newest = record;
      lines.grow(record.log_lines);
      for (const listener of listeners) listener.grown(ended());
      if (record.terminal_timestamp !== before) drawSections();
      drawEmpty(record, lines);
      drawFollow(view, record);
    },
    /** @param {import("../../log/sections.js").Section[]} found */
    sections(found) {
      const opening = !newestSections.length && failure !== null;
      newestSections = found;
      drawSections();
      if (opening && failure) showFailure(failure);
    },
    failed: showFailure,
  };
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

/** @param {LogView} view */
function wrapByButton(view) {
  const button = part("#wrap");
  /** @param {boolean} wrapping */
  const wrap = (wrapping) => {
    view.wrap(wrapping);
    button.setAttribute("aria-pressed", String(wrapping));
  };
  if (localStorage.getItem(WRAP_KEY)) wrap(true);
  button.addEventListener("click", () => {
    wrap(!view.wrapping);
    if (view.wrapping) localStorage.setItem(WRAP_KEY, "true");
    else localStorage.removeItem(WRAP_KEY);
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
