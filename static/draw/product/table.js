// @ts-check
/**
 * Draws the first rows of a table: columns of numbers to the right, sorted by a click on a heading, as
 * numbers, as times, as angles or as text, whatever the column holds.
 */

const MOST_ROWS = 300;
/** Dates and times as ISO 8601 has them. */
const TIME = /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?$/;
const EMPTY = /^\s*(|-|–|nan|null|none|n\/a)\s*$/i;

/** As right ascensions and declinations are written. */
const SEXAGESIMAL = /^[+\-\u2212]?\d{1,3}([: ])\d\d(\1\d\d(\.\d*)?)?$/;

/** @typedef {"number" | "time" | "angle" | "text"} Type */

/**
 * Make a table of the first rows, with the names of the columns above them if there are any.
 *
 * @param {string[]} columns
 * @param {string[][]} rows
 * @returns {HTMLTableElement}
 */
export function tableOf(columns, rows) {
  const table = document.createElement("table");
  const shown = rows.slice(0, MOST_ROWS);
  const types = columns.map((_, at) => typeOf(shown.map((row) => row[at] ?? "")));
  const body = table.createTBody();
  body.append(...shown.map(rowOf));
  if (!columns.length) return table;
  const head = document.createElement("tr");
  head.append(...columns.map((name, at) => headingOf(name, types[at])));
  table.createTHead().append(head);
  // The rows are sorted as they are, so that each keeps its place among equal ones.
  const drawn = [...body.rows].map((row, at) => ({ row, cells: shown[at] }));
  head.addEventListener("click", (event) => {
    const heading = /** @type {Element} */ (event.target).closest("th");
    if (!heading || !/** @type {Element} */ (event.target).closest("button")) return;
    const descending = heading.getAttribute("aria-sort") === "ascending";
    for (const each of head.children) each.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
    body.append(...sorted(drawn, heading.cellIndex, types[heading.cellIndex], descending));
  });
  return table;
}

/**
 * Return what all values of a column are that are there.
 *
 * @param {string[]} values
 * @returns {Type}
 */
function typeOf(values) {
  const there = values.filter((value) => !EMPTY.test(value));
  if (there.length && there.every((value) => !Number.isNaN(Number(value)))) return "number";
  if (there.length && there.every((value) => TIME.test(value.trim()))) return "time";
  return there.length && there.every((value) => SEXAGESIMAL.test(value.trim())) ? "angle" : "text";
}

/**
 * @param {{row: HTMLElement, cells: string[]}[]} rows
 * @param {number} at the column
 * @param {Type} type
 * @param {boolean} descending
 * @returns {HTMLElement[]} with those last that have no value
 */
function sorted(rows, at, type, descending) {
  const keyed = rows.map(({ row, cells }) => ({ row, key: keyOf(cells[at] ?? "", type) }));
  const turn = descending ? -1 : 1;
  keyed.sort(({ key: one }, { key: other }) => {
    if (one === null || other === null) return Number(one === null) - Number(other === null);
    return one === other ? 0 : one < other ? -turn : turn;
  });
  return keyed.map(({ row }) => row);
}

/**
 * @param {string} value
 * @param {Type} type
 */
function keyOf(value, type) {
  if (EMPTY.test(value)) return null;
  switch (type) {
    case "number":
      return Number(value);
    case "time":
      return secondsOf(value.trim());
    case "angle":
      return sizeOf(value.trim());
    default:
      return value.toLowerCase();
  }
}

/** @param {string} value a date or a time, of UTC where it names no zone, as astronomers write it */
function secondsOf(value) {
  const [, date, time = "T00:00", zone = "Z"] = /^(.{10})([T ][\d:.]+)?(.*)$/.exec(value) ?? [];
  const parsed = Date.parse(`${date}${time.replace(" ", "T")}${zone.replace(/(\d\d)(\d\d)$/, "$1:$2") || "Z"}`);
  return Number.isNaN(parsed) ? null : parsed;
}

/** @param {string} value of degrees or hours, minutes and seconds */
function sizeOf(value) {
  const [whole, minutes, seconds = 0] = value.split(/[: ]/).map((part) => Math.abs(Number(part.replace("\u2212", "-"))));
  const size = whole + minutes / 60 + seconds / 3600;
  return /^[-\u2212]/.test(value) ? -size : size;
}

/**
 * @param {string} name
 * @param {Type} type
 */
function headingOf(name, type) {
  const heading = document.createElement("th");
  heading.setAttribute("scope", "col");
  heading.dir = "ltr";
  if (type === "number") heading.className = "figure";
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: "sort", textContent: name });
  button.title = `Sort by this column (${type})`;
  heading.append(button);
  return heading;
}

/** @param {string[]} cells */
function rowOf(cells) {
  const row = document.createElement("tr");
  for (const text of cells) {
    const cell = row.insertCell();
    cell.textContent = text;
    // Not from right to left, whatever the table holds.
    cell.dir = "ltr";
    if (isNumber(text)) cell.className = "figure";
  }
  return row;
}

/** @param {string} text */
function isNumber(text) {
  return text.trim() !== "" && !Number.isNaN(Number(text));
}
