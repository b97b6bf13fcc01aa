// @ts-check
/** Takes files that are dropped or chosen; what uploads or imports them is loaded with the first. */

import { part } from "../../draw/find.js";
import { attempt } from "../../draw/problems.js";
import { loader } from "../../server/api.js";

/** @param {number} target */
export function takeFiles(target) {
  const importing = loader(() => import("./imports.js"));
  const queue = loader(async () => {
    const { openUploads } = await import("./upload_queue.js");
    return openUploads(target);
  });
  const upload = (/** @type {File[]} */ files) => {
    void attempt(part("#product-problem"), async () => (await queue())(files));
  };
  takeChosen("#files", upload);
  takeDrops(upload);
  takeChosen("#curve-files", (files) => {
    void attempt(part("#import-problem"), async () => (await importing()).importTables(target, files));
  });
}

/**
 * @param {string} field
 * @param {(files: File[]) => void} take
 */
function takeChosen(field, take) {
  const input = /** @type {HTMLInputElement} */ (part(field));
  input.addEventListener("change", () => {
    take([...(input.files ?? [])]);
    input.value = "";
  });
}

/** @param {(files: File[]) => void} dropped takes files dropped anywhere on the page */
function takeDrops(dropped) {
  let depth = 0;
  const show = () => document.body.classList.toggle("dropping", depth > 0);
  addEventListener("dragenter", (event) => {
    if (!hasFiles(event)) return;
    depth++;
    show();
  });
  addEventListener("dragleave", (event) => {
    if (!hasFiles(event)) return;
    depth = Math.max(0, depth - 1);
    show();
  });
  addEventListener("dragover", (event) => {
    if (hasFiles(event)) event.preventDefault();
  });
  addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    depth = 0;
    show();
    void filesOf(event).then(dropped);
  });
}

/** @param {DragEvent} event */
function hasFiles(event) {
  return event.dataTransfer?.types.includes("Files") ?? false;
}

/**
 * The files, those in dropped folders too.
 *
 * @param {DragEvent} event
 */
async function filesOf(event) {
  const items = [...(event.dataTransfer?.items ?? [])];
  const entries = items.map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry?.isDirectory)) return [...(event.dataTransfer?.files ?? [])];
  return (await Promise.all(entries.map(filesUnder))).flat();
}

/**
 * @param {any} entry
 * @returns {Promise<File[]>}
 */
async function filesUnder(entry) {
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const reader = entry.createReader();
  /** @type {File[]} */
  const found = [];
  for (;;) {
    /** @type {any[]} */
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return found;
    for (const each of some) found.push(...(await filesUnder(each)));
  }
}
