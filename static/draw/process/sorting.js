// @ts-check
/**
 * Sorts the rows of tables by a click on a head: `<table data-sortable>`, whose heads have
 * `data-sort="text"` or `"number"` and a `<button class="sort">`. A cell's value is its `data-value`, else that of a `<time>`, of
 * what runs since `data-from`, or its text. Empty cells come last, whichever way the rest is sorted.
 */

import { parts } from "../find.js";
import { keepFocus } from "../region/focus.js";

/** @typedef {{column: number, descending: boolean}} Order */

/** @type {WeakMap<HTMLTableElement, Order>} by which the reader has tables sorted */
const orders = new WeakMap();
const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

/** Sort by the heads of the page's tables that are clicked from now on. */
export function makeSortable() {
  document.addEventListener("click", ({ target }) => {
    const head = target instanceof Element ? target.closest(".sort")?.closest("th") : null;
    if (head?.closest("table[data-sortable]")) sortBy(head);
  });
}

/**
 * Sort tables again as the reader has chosen, after their rows have changed.
 *
 * @param {ParentNode} within
 */
export function sortAgain(within) {
  for (const table of parts("table[data-sortable]", within)) sort(/** @type {HTMLTableElement} */ (table));
}

/** @param {HTMLTableCellElement} head */
export function sortBy(head) {
  const table = head.closest("table");
  if (!table) return;
  const before = orders.get(table);
  const again = before?.column === head.cellIndex;
  const descending = again ? !before.descending : head.dataset.sort === "number";
  orders.set(table, { column: head.cellIndex, descending });
  sort(table);
}

/** @param {HTMLTableElement} table */
function sort(table) {
  const order = orders.get(table);
  if (!order) return;
  const heads = [...(table.tHead?.rows[0].cells ?? [])];
  for (const head of heads) {
    if (head.cellIndex !== order.column) head.removeAttribute("aria-sort");
    else head.setAttribute("aria-sort", order.descending ? "descending" : "ascending");
  }
  const numeric = heads[order.column]?.dataset.sort === "number";
  for (const body of table.tBodies) {
    const rows = [...body.rows].map((row) => ({ row, value: valueOf(row.cells[order.column], numeric) }));
    rows.sort((one, other) => compared(one.value, other.value, order.descending));
    if (rows.some(({ row }, place) => body.rows[place] !== row)) {
      keepFocus(() => body.append(...rows.map(({ row }) => row)));
    }
  }
}

/**
 * @param {HTMLTableCellElement | undefined} cell
 * @param {boolean} numeric
 * @returns {string | number | null} null for an empty cell
 */
function valueOf(cell, numeric) {
  const text = textOf(cell).trim();
  if (text === "" || text === "–") return null;
  if (!numeric) return text;
  const number = Number(text.replace(/\s/g, ""));
  return Number.isNaN(number) ? Number.parseFloat(text.replace("\u2212", "-")) || 0 : number;
}

/** @param {HTMLTableCellElement | undefined} cell */
function textOf(cell) {
  if (!cell) return "";
  if (cell.dataset.value !== undefined) return cell.dataset.value;
  const time = cell.querySelector("time");
  if (time) return String(Date.parse(time.dateTime));
  const lasting = cell.querySelector("[data-from]");
  if (!(lasting instanceof HTMLElement)) return cell.textContent ?? "";
  const { from, to } = lasting.dataset;
  return from ? String((to ? Number(to) : Date.now() / 1000) - Number(from)) : "";
}

/**
 * @param {string | number | null} one
 * @param {string | number | null} other
 * @param {boolean} descending
 */
function compared(one, other, descending) {
  if (one === null || other === null) return Number(one === null) - Number(other === null);
  const difference =
    typeof one === "number" && typeof other === "number" ? one - other : collator.compare(String(one), String(other));
  return descending ? -difference : difference;
}
