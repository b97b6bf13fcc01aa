// @ts-check
/** The log on the page of a process: its lines and sections, live. Loaded after the page, its tools last. */

import { needed } from "../../draw/connection.js";
import { part } from "../../draw/find.js";
import { keep, kept } from "../../draw/browser/kept.js";
import { setText } from "../../draw/times.js";
import { counted, note } from "../../draw/wording.js";
import { clockOf } from "../../log/clocks.js";
import { parseSearch, shownBy } from "../../log/find/address.js";
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
/** @typedef {import("../../log/sections.js").Section} Section */

/**
 * What the tools are called with.
 *
 * @typedef {object} Listener
 * @property {(fresh: Entry[]) => void} lines
 * @property {(ended: boolean) => void} grown
 */

/** What the server knows of a failure. @typedef {{line: number, errors: number[]}} Failure */

export class ProcessLog {
  /** @type {any} the record as it is now */
  #record;
  #failure;
  #lines;
  #sections;
  #view;
  /** Whether the address asks for some lines only. */
  #filtered;
  /** @type {Section[]} as last fetched */
  #found = [];
  /** @type {Listener[]} */
  #listeners = [];

  /**
   * @param {any} record the one with which the page was rendered
   * @param {Failure | null} failure
   */
  constructor(record, failure) {
    this.#record = record;
    this.#failure = failure;
    const fetchLines = async (after, limit) => (await getLines(record.pk, { after, limit })).lines;
    const shownLines = new ShownLines((number) => this.#lines.get(number), (change) => this.#view.keep(change));
    this.#lines = new Lines(record.log_lines, fetchLines, () => this.#view.draw(), shownLines);
    this.#sections = new Sections(this.#lines, shownLines);
    const query = shownBy(parseSearch(location.search));
    this.#filtered = Boolean(query.q || query.level);
    const source = this.#filtered ? NOTHING : this.#sections;
    this.#view = new LogView(part("#log"), source, () => drawFollow(this.#view, this.#record));
    chooseClock(this.#view, () => this.#record.started ?? this.#record.created);
    followByButton(this.#view);
    foldSections(this.#view, this.#sections);
    wrapByButton(this.#view);
    this.#view.draw();
    void this.#loadTools();
  }

  async #loadTools() {
    const { addTools } = await needed(() => import("./log_tools.js"));
    const ended = () => this.#ended;
    this.#listeners.push(addTools(this.#record.pk, this.#lines, this.#sections, this.#view, ended));
  }

  /** Whether the log will have no further lines. */
  get #ended() {
    return this.#record.terminal_timestamp !== null && this.#lines.total >= this.#record.log_lines;
  }

  /** @param {Entry[]} fresh lines that have come */
  lines(fresh) {
    this.#lines.add(fresh);
    part(".log-empty").hidden = true;
    for (const listener of this.#listeners) listener.lines(fresh);
    for (const listener of this.#listeners) listener.grown(this.#ended);
  }

  /** @param {any} record the newest one */
  record(record) {
    const before = this.#record.terminal_timestamp;
    this.#record = record;
    this.#lines.grow(record.log_lines);
    for (const listener of this.#listeners) listener.grown(this.#ended);
    if (record.terminal_timestamp !== before) this.#drawSections();
    drawEmpty(record, this.#lines);
    drawFollow(this.#view, record);
  }

  /** @param {Section[]} found */
  sections(found) {
    const isFirst = !this.#found.length;
    this.#found = found;
    this.#drawSections();
    if (isFirst && this.#failure) this.failed(this.#failure);
  }

  /**
   * Fold what was successful, and go to the line of the failure, unless the reader is elsewhere.
   *
   * @param {Failure} failure
   */
  failed({ line, errors }) {
    this.#view.keep(() => this.#sections.foldSuccessful(errors));
    drawFoldAll(this.#sections);
    if (!line || location.hash || this.#filtered || !this.#view.following) return;
    this.#view.show({ here: line });
    void this.#view.goTo(line);
  }

  #drawSections() {
    this.#view.keep(() => this.#sections.set(this.#found, this.#record.terminal_timestamp));
    drawFoldAll(this.#sections);
  }
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
    view.keep(() => sections.foldAll(folded), view.anchor());
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
  if (kept(WRAP_KEY)) wrap(true);
  button.addEventListener("click", () => {
    wrap(!view.wrapping);
    keep(WRAP_KEY, view.wrapping ? "true" : null);
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
  const chosen = kept(CLOCK_KEY);
  if ([...select.options].some((option) => option.value === chosen)) select.value = chosen ?? "";
  select.addEventListener("change", () => {
    keep(CLOCK_KEY, select.value);
    show();
  });
  show();
}
