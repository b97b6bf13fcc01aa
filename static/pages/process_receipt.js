// @ts-check
/** The receipt on a process's page: drawn anew when the process starts or ends. */

import { part } from "../draw/find.js";
import { regionOf } from "../draw/region.js";
import { getPage } from "../server/api.js";

const STATE = { attributeFilter: ["data-state"] };
const page = part("#process");
let state = page.dataset.state;

new MutationObserver(() => {
  if (page.dataset.state === state) return;
  state = page.dataset.state;
  void refresh();
}).observe(page, STATE);

async function refresh() {
  const shown = /** @type {HTMLDetailsElement} */ (part("#receipt"));
  try {
    const fresh = regionOf("receipt", await getPage(location.pathname));
    // The children only: what is open stays open, and what is in focus in focus.
    for (const script of fresh.querySelectorAll("script")) script.remove();
    const focused = shown.contains(document.activeElement) && document.activeElement !== part("summary", shown);
    if (!focused) shown.replaceChildren(part("summary", shown), ...[...fresh.children].slice(1));
  } catch {
    // What is shown is still true of what it tells of; a reload asks again.
  }
}
