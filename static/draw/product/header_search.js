// @ts-check
/** A field that leaves of the headers of a file only the cards with a text in them. */

/**
 * @param {HTMLElement[]} tables as `headerTables` draws them
 * @returns {HTMLInputElement}
 */
export function searchOf(tables) {
  const field = document.createElement("input");
  field.type = "search";
  field.className = "find";
  field.placeholder = "Search the header";
  field.setAttribute("aria-label", "Search the header: keyword, value or comment");
  field.addEventListener("input", () => {
    const wanted = field.value.trim().toLowerCase();
    for (const table of tables) {
      const rows = [...table.querySelectorAll("tbody tr")];
      const found = rows.filter((row) => (row.textContent ?? "").toLowerCase().includes(wanted));
      for (const row of rows) /** @type {HTMLElement} */ (row).hidden = !found.includes(row);
      table.hidden = wanted !== "" && !found.length;
    }
  });
  return field;
}
