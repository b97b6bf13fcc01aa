// @ts-check
/** Reads and draws comma-separated values (RFC 4180). */

const MOST_ROWS = 300;

/**
 * @param {string} text
 * @param {string} separator
 * @returns {string[][]}
 */
export function rowsOf(text, separator) {
  /** @type {string[][]} */
  const rows = [];
  /** @type {string[]} */
  let row = [];
  let cell = "";
  let quoted = false;
  const endCell = () => {
    row.push(cell);
    cell = "";
  };
  const endRow = () => {
    endCell();
    rows.push(row);
    row = [];
  };
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (quoted) {
      if (character !== '"') cell += character;
      else if (text[at + 1] === '"') cell += text[++at];
      else quoted = false;
    } else if (character === '"' && !cell) quoted = true;
    else if (character === separator) endCell();
    else if (character === "\n") endRow();
    else if (character !== "\r") cell += character;
  }
  if (cell || row.length) endRow();
  return rows;
}

/**
 * Make a table of the first rows. A row of words above rows with numbers is its head.
 *
 * @param {string[][]} rows
 * @returns {HTMLTableElement}
 */
export function tableOf(rows) {
  const table = document.createElement("table");
  const headed = rows.length > 1 && !rows[0].some(isNumber) && rows[1].some(isNumber);
  if (headed) table.createTHead().append(rowOf(rows[0], "th"));
  const body = table.createTBody();
  for (const row of rows.slice(headed ? 1 : 0, MOST_ROWS)) body.append(rowOf(row, "td"));
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
    if (isNumber(text)) cell.className = "figure";
    row.append(cell);
  }
  return row;
}

/** @param {string} text */
function isNumber(text) {
  return text.trim() !== "" && !Number.isNaN(Number(text));
}
