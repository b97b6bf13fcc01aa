// @ts-check
/**
 * The table of a target's processes, newest first or as the reader has sorted it. Rows are updated in
 * place, so that the focus stays.
 */

import { copyOf, part, parts } from "../find.js";
import { showProblem } from "../problems.js";
import { drawProcess } from "./process_row.js";

export class ProcessTable {
  /**
   * @param {HTMLElement} section
   * @param {(record: any) => void} ended called once for each that ends while the page is open
   */
  constructor(section, ended) {
    this.section = section;
    this.body = part("tbody", section);
    this.ended = ended;
    this.emptyText = part(".empty", section).textContent ?? "";
    /** Whether the list is filtered. */
    this.filtered = false;
    part("thead", section).addEventListener("click", (event) => void this.#sort(/** @type {Element} */ (event.target)));
  }

  /** Sorts the rows again, once the reader has sorted them. @type {(() => void) | undefined} */
  #sortAgain;

  /** @param {Element} clicked */
  async #sort(clicked) {
    const head = clicked.closest(".sort")?.closest("th");
    if (!head) return;
    try {
      const { sortBy, sortAgain } = await import("./sorting.js"); // the first paint needs none of it
      this.#sortAgain = () => sortAgain(this.section);
      sortBy(head);
    } catch {
      showProblem(part("#process-problem"), "The table cannot be sorted: the server cannot be reached.");
    }
  }

  /** How many rows there are. */
  get length() {
    return this.body.children.length;
  }

  /** @param {any[]} records newest first */
  draw(records) {
    const rows = new Map(parts("tr", this.body).map((row) => [row.dataset.identifier, row]));
    /** @type {Element | null} */
    let place = this.body.firstElementChild;
    for (const record of records) {
      const row = rows.get(record.identifier) ?? copyOf("#process-row");
      rows.delete(record.identifier);
      this.#drawRow(row, record);
      if (row === place) place = place.nextElementSibling;
      else if (!this.#sortAgain || !row.isConnected) this.body.insertBefore(row, place);
    }
    for (const row of rows.values()) row.remove();
    this.#sortAgain?.();
    part("table", this.section).hidden = !records.length;
    part(".empty", this.section).hidden = records.length > 0;
    part(".empty", this.section).textContent = this.filtered ? "No process is like that." : this.emptyText;
  }

  /**
   * @param {HTMLElement} row
   * @param {any} record
   */
  #drawRow(row, record) {
    const ran = row.dataset.state === "running" || row.dataset.state === "queued";
    drawProcess(row, record);
    if (!ran || !row.isConnected || record.terminal_timestamp === null) return;
    row.classList.add("ended-now");
    this.ended(record);
  }
}

/**
 * Return the chosen filters of the list of processes, without those that are left open.
 *
 * @param {HTMLElement} section
 */
export function filtersIn(section) {
  /** @type {HTMLSelectElement[]} */
  const selects = parts("select[name]", section);
  return Object.fromEntries(selects.filter(({ value }) => value).map(({ name, value }) => [name, value]));
}
