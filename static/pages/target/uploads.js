// @ts-check
/** Takes files that are dropped or chosen; what sends them is loaded with the first. */

import { takeDrops } from "../../draw/product/drop.js";
import { part } from "../../draw/find.js";

/** @param {number} target */
export function takeUploads(target) {
  /** @type {Promise<(files: File[]) => void> | undefined} */
  let queue;
  const open = async () => {
    const { openUploads } = await import("./upload_queue.js");
    return openUploads(target);
  };
  const take = async (/** @type {File[]} */ files) => {
    queue ??= open();
    (await queue)(files);
  };
  const input = /** @type {HTMLInputElement} */ (part("#files"));
  input.addEventListener("change", () => {
    void take([...(input.files ?? [])]);
    input.value = "";
  });
  takeDrops((files) => void take(files));
}
