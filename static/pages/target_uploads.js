// @ts-check
/** Uploads to a target: files dropped or chosen, those that are there already asked about. */

import { takeDrops } from "../draw/drop.js";
import { part, parts } from "../draw/find.js";
import { UploadRows } from "../draw/upload_rows.js";
import { sha256Of } from "../server/digest.js";
import { Uploads } from "../server/uploads.js";

/**
 * @param {number} target
 * @param {() => void} stored called after each
 */
export function takeUploads(target, stored) {
  const uploads = new Uploads(target, (upload) => {
    rows.draw(upload);
    if (upload.state === "stored") stored();
  });
  const rows = new UploadRows(part("#uploads"), {
    again: (upload) => uploads.again(upload),
    away(upload) {
      uploads.takeAway(upload);
      rows.remove(upload);
    },
  });
  const take = async (/** @type {File[]} */ files) => {
    for (const file of files) uploads.add(file, await sameProduct(file));
  };
  const input = /** @type {HTMLInputElement} */ (part("#files"));
  input.addEventListener("change", () => {
    void take([...(input.files ?? [])]);
    input.value = "";
  });
  takeDrops((files) => void take(files));
  addEventListener("beforeunload", (event) => {
    if (uploads.busy) event.preventDefault();
  });
}

/**
 * @param {File} file
 * @returns {Promise<string | undefined>} the name of the data product with the same bytes
 */
async function sameProduct(file) {
  const alike = parts(`#product-list tr[data-size="${file.size}"]`);
  if (!alike.length) return undefined;
  const digest = await sha256Of(file);
  return alike.find((row) => row.dataset.sha256 === digest)?.dataset.name;
}
