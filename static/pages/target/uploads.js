// @ts-check
/** Takes files that are dropped or chosen; what uploads or imports them is loaded with the first. */

import { takeDrops } from "../../draw/product/drop.js";
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
