// @ts-check
/** The tools of a log: searching, filtering, choosing and copying lines, announcing new ones. */

import { part } from "../../draw/find.js";
import { setText } from "../../draw/times.js";
import { LogFilter } from "../../log/filter.js";
import { LogSearch } from "../../log/search.js";
import { Announcer } from "../../log/view/announcer.js";
import { ChosenLines } from "../../log/view/chosen_lines.js";
import { FindBar } from "../../log/view/find_bar.js";
import { getLines, logFileUrl } from "../../server/log_feed.js";

const SEARCH_ON_MS = 500;

/**
 * @param {number} pk of the process
 * @param {import("../../log/lines.js").Lines} lines
 * @param {import("../../log/sections.js").Sections} sections
 * @param {import("../../log/view/view.js").LogView} view
 * @returns {import("./log.js").Listener}
 */
export function addTools(pk, lines, sections, view) {
  const fetchHits = (query) => getLines(pk, query);
  const search = new LogSearch(fetchHits, () => lines.total, () => bar.draw());
  const filter = new LogFilter(view, sections, fetchHits, () => {
    drawNone(filter);
    bar.draw();
  });
  const bar = new FindBar(part(".log-bar"), search, view, filter, (query) => drawDownload(pk, query));
  const announcer = new Announcer(part("#spoken"));
  let searching = 0;

  new ChosenLines(view, lines);
  listenToKeys(view.box, bar);

  return {
    lines(fresh) {
      announcer.lines(fresh);
      searching ||= setTimeout(() => {
        searching = 0;
        void search.continue();
        filter.continue();
      }, SEARCH_ON_MS);
    },
  };
}

/** @param {LogFilter} filter */
function drawNone(filter) {
  part("#no-match").hidden = !filter.isEmpty;
}

/**
 * @param {number} pk of the process
 * @param {import("../../log/search.js").Query} query what is shown
 */
function drawDownload(pk, query) {
  const link = part("#download");
  const filtered = Boolean(query.q || query.level);
  link.setAttribute("href", logFileUrl(pk, query));
  link.title = filtered ? "Download the lines that are shown" : "Download the log";
  setText(part("span", link), link.title);
}

/**
 * Let `n` and `N` go to the next and the previous hit while the log has the focus.
 *
 * @param {HTMLElement} box
 * @param {FindBar} bar
 */
function listenToKeys(box, bar) {
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "n") void bar.next();
    else if (event.key === "N") void bar.previous();
  });
}
