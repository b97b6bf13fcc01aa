// @ts-check
/** The log of a process's page: joins its lines, sections, search, filter and what is chosen. */

import { part } from "../draw/find.js";
import { setText } from "../draw/times.js";
import { counted } from "../draw/wording.js";
import { Announcer } from "../log/announcer.js";
import { ChosenLines } from "../log/chosen_lines.js";
import { clockOf } from "../log/clocks.js";
import { FindBar } from "../log/find_bar.js";
import { LogFilter } from "../log/filter.js";
import { Lines } from "../log/lines.js";
import { LogSearch } from "../log/search.js";
import { Sections } from "../log/sections.js";
import { LogView } from "../log/view.js";
import { getLines, logFileUrl } from "../server/log_feed.js";

const SEARCH_ON_MS = 500;
const CLOCK_KEY = "heliograph.clock";

/** @param {any} first the record as the page was drawn */
export function watchLog(first) {
  const fetchHits = (query) => getLines(first.pk, query);
  const fetchLines = async (after, limit) => (await getLines(first.pk, { after, limit })).lines;
  const lines = new Lines(first.log_lines, fetchLines, () => view.draw());
  const sections = new Sections(lines);
  const view = new LogView(part("#log"), sections, () => drawFollow(view, newest));
  const search = new LogSearch(fetchHits, () => lines.total, () => bar.draw());
  const drawThatEmpty = () => drawEmpty(newest, lines, filter);
  const filter = new LogFilter(view, sections, fetchHits, () => {
    drawThatEmpty();
    bar.draw();
  });
  const bar = new FindBar(part(".log-bar"), search, view, filter, (query) => drawDownload(first, query));
  const announcer = new Announcer(part("#spoken"));
  let newest = first;
  let searching = 0;

  chooseClock(view, () => newest.started ?? newest.created);
  new ChosenLines(view, lines);
  followByButton(view);
  foldSections(view, sections);
  listenToKeys(view, bar);
  view.draw();

  return {
    /** @param {import("../server/log_feed.js").Entry[]} fresh */
    lines(fresh) {
      lines.add(fresh);
      drawThatEmpty();
      announcer.lines(fresh);
      searching ||= setTimeout(() => {
        searching = 0;
        void search.continue();
        filter.continue();
      }, SEARCH_ON_MS);
    },
    /** @param {any} record */
    record(record) {
      newest = record;
      lines.grow(record.log_lines);
      drawThatEmpty();
      drawFollow(view, record);
    },
    /** @param {import("../log/sections.js").Section[]} found */
    sections(found) {
      view.keep(() => sections.set(found));
      drawFoldAll(sections);
    },
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
 * @param {LogFilter} filter
 */
function drawEmpty(record, lines, filter) {
  const place = part(".log-empty");
  place.hidden = filter.matches ? !filter.isEmpty : lines.total > 0;
  if (filter.isEmpty) setText(place, "No line is like that.");
  else if (record.terminal_timestamp !== null) setText(place, "It wrote nothing into its log.");
  else setText(place, "The first line appears here as soon as it is written.");
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

/**
 * @param {any} record
 * @param {import("../log/search.js").Query} query what is shown
 */
function drawDownload(record, query) {
  const link = part("#download");
  const filtered = Boolean(query.q || query.level);
  link.setAttribute("href", logFileUrl(record.pk, query));
  link.title = filtered ? "Download the lines that are shown" : "Download the log";
  setText(part("span", link), link.title);
}

/**
 * `/` searches; on the log itself `n` and `N` go to the next hit and the one before.
 *
 * @param {LogView} view
 * @param {FindBar} bar
 */
function listenToKeys(view, bar) {
  addEventListener("keydown", (event) => {
    const writing = /** @type {Element} */ (event.target).closest("input, textarea, select");
    if (writing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/") {
      event.preventDefault();
      bar.input.focus();
    } else if (event.target === view.box && event.key === "n") void bar.next();
    else if (event.target === view.box && event.key === "N") void bar.previous();
  });
}
