// @ts-check
/** Draws the headers of a FITS file, a table for each HDU. */

/**
 * @param {{hdus: {name: string, kind: string, cards: string[][]}[], cut: boolean}} headers
 * @returns {HTMLElement[]}
 */
export function headerTables({ hdus, cut }) {
  const tables = hdus.map(tableOf);
  if (!cut) return tables;
  const more = document.createElement("p");
  more.className = "faint";
  more.textContent = "The file has further headers.";
  return [...tables, more];
}

/**
 * @param {{name: string, kind: string, cards: string[][]}} hdu
 * @param {number} index
 * @returns {HTMLElement}
 */
function tableOf(hdu, index) {
  const box = document.createElement("div");
  box.className = "cards";
  box.tabIndex = 0;
  box.setAttribute("role", "group");
  const table = document.createElement("table");
  table.createCaption().textContent = `HDU ${index}${hdu.name ? ` ${hdu.name}` : ""}, ${hdu.kind}`;
  box.setAttribute("aria-label", table.caption?.textContent ?? "");
  const head = table.createTHead().insertRow();
  for (const name of ["Keyword", "Value", "Comment"]) head.append(cell("th", name));
  const body = table.createTBody();
  for (const [keyword, value, comment] of hdu.cards) {
    const row = body.insertRow();
    const heading = cell("th", keyword);
    heading.setAttribute("scope", "row");
    row.append(heading, cell("td", value), cell("td", comment));
  }
  box.append(table);
  return box;
}

/**
 * @param {"td" | "th"} kind
 * @param {string} text
 */
function cell(kind, text) {
  const made = document.createElement(kind);
  made.textContent = text;
  return made;
}
