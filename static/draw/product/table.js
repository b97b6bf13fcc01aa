// @ts-check
/** Draws the first rows of a table. */

const MOST_ROWS = 300;

/**
 * Make a table of the first rows, with the names of the columns above them if there are any.
 *
 * @param {string[]} columns
 * @param {string[][]} rows
 * @returns {HTMLTableElement}
 */
export function tableOf(columns, rows) {
  const table = document.createElement("table");
  if (columns.length) table.createTHead().append(rowOf(columns, "th"));
  const body = table.createTBody();
  for (const row of rows.slice(0, MOST_ROWS)) body.append(rowOf(row, "td"));
  return table;
}

/**
 * @param {string[]} cells
 * @param {"td" | "th"} kind
 */
function rowOf(cells, kind) {
  const row = document.createElement("tr");
  for (const text of cells) {
    const cell = document.createElement(kind);
    cell.textContent = text;
    // Not from right to left, whatever the table holds.
    cell.dir = "ltr";
    if (isNumber(text)) cell.className = "figure";
    row.append(cell);
  }
  return row;
}

/** @param {string} text */
function isNumber(text) {
  return text.trim() !== "" && !Number.isNaN(Number(text));
}
