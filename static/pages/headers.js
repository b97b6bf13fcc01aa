// @ts-check
/** Fetches the headers of FITS files when they are unfolded. */

import { part, parts } from "../draw/find.js";
import { messageOf } from "../draw/problems.js";
import { searchOf } from "../draw/product/header_search.js";
import { headerTables } from "../draw/product/header_table.js";
import { get } from "../server/api.js";

export function openHeaders() {
  for (const details of /** @type {HTMLDetailsElement[]} */ (parts("details.headers"))) {
    details.addEventListener("toggle", () => {
      if (details.open && !details.dataset.state) void fill(details);
    });
  }
}

/** @param {HTMLDetailsElement} details */
async function fill(details) {
  details.dataset.state = "asked";
  try {
    const headers = await get(`/api/dataproducts/${details.dataset.pk}/header/`);
    const tables = headerTables(headers);
    details.replaceChildren(part("summary", details), searchOf(tables), ...tables);
  } catch (error) {
    delete details.dataset.state; // unfolding them again fetches them again
    const problem = document.createElement("p");
    problem.className = "problem";
    problem.setAttribute("role", "alert");
    problem.textContent = messageOf(error);
    details.replaceChildren(part("summary", details), problem);
  }
}
