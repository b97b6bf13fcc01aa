// @ts-check
/** What the header of every page does: the strip of what runs and waits, and the search. */

import { watchStrip } from "./strip.js";

watchStrip();
document.getElementById("show-search")?.addEventListener("click", () => void search());
addEventListener("keydown", (event) => {
  if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
  if (!document.getElementById("show-search") || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  void search();
});

async function search() {
  const { openSearch } = await import("./search.js"); // seldom wanted
  await openSearch();
}
