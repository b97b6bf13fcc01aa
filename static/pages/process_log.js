// @ts-check
/** The log of a process's page: joins lines, view, search and the chosen lines in the address. */

import { part } from "../draw/find.js";
import { messageOf, showProblem } from "../draw/problems.js";
import { counted, number } from "../draw/wording.js";
import { plain } from "../log/ansi.js";
import { clockOf } from "../log/clocks.js";
import { copyText, textOf } from "../log/copy.js";
import { FindBar } from "../log/find_bar.js";
import { Lines } from "../log/lines.js";
import { formatRange, parseRange, rangeOf } from "../log/range.js";
import { LogSearch } from "../log/search.js";
import { LogView } from "../log/view.js";
import { getLines, logFileUrl } from "../server/log_feed.js";

const SPOKEN_MS = 4000;
const SEARCH_ON_MS = 1000;
const MOST_COPIED_LINES = 100_000;
const CLOCK_KEY = "heliograph.clock";

/** @param {any} first the record as the page was drawn */
export function watchLog(first) {
  const box = part("#log");
  const fetchLines = async (after, limit) => (await getLines(first.pk, { after, limit })).lines;
  const lines = new Lines(first.log_lines, fetchLines, () => view.draw());
  const view = new LogView(box, lines, () => drawFollow(view, newest));
  const search = new LogSearch((query) => getLines(first.pk, query), () => lines.total, () => bar.draw());
  const bar = new FindBar(part(".log-bar"), search, view, () => drawDownload(first, bar));
  const speak = speaker();
  let newest = first;
  let searching = 0;

  chooseClock(view, () => newest.started ?? newest.created);
  chooseLines(view, lines);
  followByButton(view);
  listenToKeys(bar);
  view.draw();

  return {
    /** @param {import("../server/log_feed.js").Entry[]} fresh */
    lines(fresh) {
      part(".log-empty").hidden = true;
      lines.add(fresh);
      speak(fresh[fresh.length - 1]);
      searching ||= setTimeout(() => {
        searching = 0;
        void search.continue();
      }, SEARCH_ON_MS);
    },
    /** @param {any} record */
    record(record) {
      newest = record;
      lines.grow(record.log_lines);
      if (record.terminal_timestamp !== null && !lines.total) {
        part(".log-empty").textContent = "It wrote nothing into its log.";
      }
      drawFollow(view, record);
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
  const words = waiting ? counted(waiting, "new line") : record.terminal_timestamp === null ? "Follow" : "To the end";
  button.hidden = view.following;
  button.toggleAttribute("data-waiting", waiting > 0);
  const label = part("span", button);
  if (label.textContent !== words) label.textContent = words;
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
 * @param {LogView} view
 * @param {Lines} lines
 */
function chooseLines(view, lines) {
  const choose = (range) => {
    view.show({ chosen: range });
    const count = range ? range.last - range.first + 1 : 0;
    part("#chosen-lines").textContent = count > 1 ? `${number(count)} lines` : "";
    part("#copy").hidden = !range;
  };
  const readAddress = () => {
    const range = parseRange(location.hash);
    choose(range);
    if (range) view.goTo(range.first);
  };
  view.box.addEventListener("click", (event) => {
    const link = /** @type {Element} */ (event.target).closest("a.no");
    if (!link) return;
    event.preventDefault();
    const line = view.lineOf(link);
    const begun = event.shiftKey && view.chosen;
    const same = !begun && view.chosen?.first === line && view.chosen.last === line;
    choose(same ? null : rangeOf(line, begun ? begun.first : line));
    history.replaceState(null, "", formatRange(view.chosen) || location.pathname);
    view.follow(false);
  });
  addEventListener("hashchange", readAddress);
  part("#copy").addEventListener("click", () => void copy(view, lines));
  readAddress();
}

/**
 * @param {LogView} view
 * @param {Lines} lines
 */
async function copy(view, lines) {
  const range = view.chosen;
  if (!range) return;
  const last = Math.min(range.last, lines.total, range.first + MOST_COPIED_LINES - 1);
  try {
    await copyText(textOf(await lines.read(range.first, last)));
    part("#chosen-lines").textContent = `${counted(last - range.first + 1, "line")} copied`;
  } catch (error) {
    showProblem(part("#act-problem"), `Nothing copied: ${messageOf(error)}`);
  }
}

/**
 * @param {any} record
 * @param {FindBar} bar
 */
function drawDownload(record, bar) {
  const query = { q: bar.input.value.trim(), level: bar.level.value };
  const link = part("#download");
  const filtered = Boolean(query.q || query.level);
  const words = filtered ? "Download the lines that match" : "Download the log";
  link.setAttribute("href", logFileUrl(record.pk, query));
  link.title = words;
  part("span", link).textContent = words;
}

/** @param {FindBar} bar */
function listenToKeys(bar) {
  addEventListener("keydown", (event) => {
    const writing = /** @type {Element} */ (event.target).closest("input, textarea, select");
    if (event.key !== "/" || writing || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    bar.input.focus();
  });
}

/** Screen readers hear the newest line now and then; hearing all would be too much. */
function speaker() {
  let timer = 0;
  let newest = "";
  return (/** @type {import("../server/log_feed.js").Entry} */ line) => {
    newest = plain(line[3]).slice(0, 200);
    timer ||= setTimeout(() => {
      timer = 0;
      part("#spoken").textContent = newest;
    }, SPOKEN_MS);
  };
}
