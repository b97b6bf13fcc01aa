// @ts-check
/** The tools of a log: searching, filtering, choosing, copying and printing lines, announcing new ones. */

import { part } from "../../draw/find.js";
import { setText } from "../../draw/times.js";
import { number } from "../../draw/wording.js";
import { LevelCounts } from "../../log/counts.js";
import { Errors } from "../../log/find/errors.js";
import { LogFilter } from "../../log/find/filter.js";
import { Announcer } from "../../log/view/announcer.js";
import { ChosenLines } from "../../log/view/chosen_lines.js";
import { FindBar } from "../../log/view/find_bar.js";
import { getLines, logFileUrl } from "../../server/log_feed.js";
import { offerPrinting } from "./printing.js";

/** @typedef {import("../../log/view/view.js").LogView} LogView */

const SEARCH_ON_MS = 500;
/** Beyond the end of every log. */
const END = 1e12;

/**
 * @param {number} pk of the process
 * @param {import("../../log/lines.js").Lines} lines
 * @param {import("../../log/sections.js").Sections} sections
 * @param {LogView} view
 * @param {() => boolean} ended whether the log will have no further lines
 * @returns {import("./log.js").Listener}
 */
export function addTools(pk, lines, sections, view, ended) {
  const log = {
    fetchHits: (query, signal) => getLines(pk, query, signal),
    total: () => lines.total,
  };
  const filter = new LogFilter(view, sections, log, () => {
    part("#no-match").hidden = !filter.isEmpty;
    bar?.draw();
  });
  const fetchCounts = async () => (await getLines(pk, { after: END, limit: 1 })).counts;
  const counts = new LevelCounts(fetchCounts, () => drawCounts(counts));
  const announcer = new Announcer(part("#spoken"));
  let shown = { q: "", level: "" };
  let searching = 0;
  /** @type {FindBar | undefined} */
  let bar;

  const chosen = new ChosenLines(view, lines, ended);
  bar = new FindBar(part(".log-bar"), log, view, filter, (query) => {
    shown = query;
    drawDownload(pk, query);
  });
  stepByError(view, new Errors(log), () => shown.q);
  offerPrinting(pk, lines, () => shown);
  void counts.count();

  return {
    lines(fresh) {
      announcer.lines(fresh);
      counts.lines(fresh);
      searching ||= setTimeout(() => {
        searching = 0;
        bar?.continue();
        filter.continue();
      }, SEARCH_ON_MS);
    },
    grown: (isEnded) => chosen.grown(isEnded),
  };
}

/**
 * @param {number} pk of the process
 * @param {import("../../log/find/search.js").Query} query what is shown
 */
function drawDownload(pk, query) {
  const link = part("#download");
  const filtered = Boolean(query.q || query.level);
  link.setAttribute("href", logFileUrl(pk, query));
  link.title = filtered ? "Download the lines that are shown" : "Download the log";
  setText(part("span", link), link.title);
}

/** @param {LevelCounts} counts */
function drawCounts(counts) {
  const select = /** @type {HTMLSelectElement} */ (part("#level"));
  for (const option of select.options) {
    option.dataset.words ??= option.text;
    const count = counts.atLeast(option.value || "debug");
    const text = count === null ? option.dataset.words : `${option.dataset.words} (${number(count)})`;
    if (option.text !== text) option.text = text;
  }
  const errors = counts.atLeast("error") ?? 0;
  part("#errors").hidden = errors === 0;
  setText(part("#error-count > :first-child"), number(errors));
  setText(part("#error-count > .word"), errors === 1 ? " error" : " errors");
}

/**
 * @param {LogView} view
 * @param {Errors} errors
 * @param {() => string} text only errors that contain it
 */
function stepByError(view, errors, text) {
  /** @param {Promise<number>} asked */
  const go = async (asked) => {
    const line = await asked.catch(() => 0); // a newer key press counts, or there is no answer: stay
    if (!line) return;
    view.show({ here: line });
    await view.goTo(line);
  };
  part("#error-next").addEventListener("click", () => {
    void go(errors.next(view.here || view.firstLine - 1, text()));
  });
  part("#error-previous").addEventListener("click", () => {
    void go(errors.previous(view.here || view.lastLine + 1, text()));
  });
}
