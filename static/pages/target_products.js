// @ts-check
/** The data products of a target's page: uploading, filtering, grouping, deleting, older ones. */

import { takeDrops } from "../draw/drop.js";
import { part, parts } from "../draw/find.js";
import { messageOf, showProblem } from "../draw/problems.js";
import { answerOf, ask } from "../draw/question.js";
import { regionOf, swapRegion } from "../draw/region.js";
import { UploadRows } from "../draw/upload_rows.js";
import { counted } from "../draw/wording.js";
import { ApiError, getPage, request } from "../server/api.js";
import { Uploads } from "../server/uploads.js";

const REFRESH_MS = 400;

/**
 * @param {number} target
 * @param {import("../draw/selection.js").Selection} selection
 */
export function watchProducts(target, selection) {
  let timer = 0;
  const refresh = async () => {
    swapRegion("product-list", await getPage(location.pathname));
    filter();
  };
  const refreshSoon = () => {
    clearTimeout(timer);
    timer = setTimeout(() => void refresh().catch(() => {}), REFRESH_MS);
  };

  function filter() {
    const wanted = /** @type {HTMLInputElement} */ (part("#filter")).value.trim().toLowerCase();
    for (const row of selection.rows) row.hidden = !row.textContent?.toLowerCase().includes(wanted);
    selection.draw();
  }

  takeUploads(target, refreshSoon);
  part("#filter").addEventListener("input", filter);
  part("#group-chosen").addEventListener("click", () => void group(selection));
  part("#delete-chosen").addEventListener("click", async () => {
    if (await deleteChosen(selection)) await refresh();
  });
  part("#products").addEventListener("click", (event) => {
    const link = /** @type {Element} */ (event.target).closest("#older-products");
    if (!(link instanceof HTMLAnchorElement)) return;
    event.preventDefault();
    void showOlder(link.href).then(filter);
  });
  hideBrokenPictures();
  return { refresh, chosenChanged: () => allowActs(selection), inOrder: (pks) => oldestFirst(pks) };
}

/**
 * @param {number} target
 * @param {() => void} stored
 */
function takeUploads(target, stored) {
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
  const take = (/** @type {File[]} */ files) => files.forEach((file) => rows.draw(uploads.add(file)));
  const input = /** @type {HTMLInputElement} */ (part("#files"));
  input.addEventListener("change", () => {
    take([...(input.files ?? [])]);
    input.value = "";
  });
  takeDrops(take);
  addEventListener("beforeunload", (event) => {
    if (uploads.busy) event.preventDefault();
  });
}

/** @param {import("../draw/selection.js").Selection} selection */
function allowActs(selection) {
  for (const button of /** @type {HTMLButtonElement[]} */ (parts("#selection-acts button"))) {
    button.disabled = selection.chosen.size === 0;
  }
}

/** @param {import("../draw/selection.js").Selection} selection */
async function group(selection) {
  const dialog = /** @type {HTMLDialogElement} */ (part("#group-dialog"));
  const input = /** @type {HTMLInputElement} */ (part("input", dialog));
  while ((await answerOf(dialog)) === "yes") {
    try {
      const products = oldestFirst([...selection.chosen.keys()]);
      const made = await request("POST", "/api/groups/", { name: input.value, products });
      location.assign(made.url);
      return;
    } catch (error) {
      showProblem(part(".problem", dialog), messageOf(error));
    }
  }
}

/** @param {import("../draw/selection.js").Selection} selection */
async function deleteChosen(selection) {
  const pks = [...selection.chosen.keys()];
  if (!(await ask(`Delete ${counted(pks.length, "data product")}?`))) return false;
  for (const pk of pks) {
    try {
      await request("DELETE", `/api/dataproducts/${pk}/`);
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 404)) {
        showProblem(part("#product-problem"), `${selection.chosen.get(pk)}: ${messageOf(error)}`);
        return true;
      }
    }
    selection.forget([pk]);
  }
  return true;
}

/** @param {string} url */
async function showOlder(url) {
  const older = regionOf("product-list", await getPage(url));
  part("#product-list tbody").append(...parts("tbody tr", older));
  const more = older.querySelector(".more");
  const link = part("#product-list .more");
  if (more) link.replaceWith(more);
  else link.remove();
}

/** @param {number[]} pks */
function oldestFirst(pks) {
  return pks.sort((one, other) => one - other);
}

/** Not everything that should have a thumbnail can be drawn. */
function hideBrokenPictures() {
  part("#products").addEventListener("error", (event) => drop(event.target), true);
  for (const image of /** @type {HTMLImageElement[]} */ (parts("img.thumbnail"))) {
    if (image.complete && !image.naturalWidth && image.currentSrc) drop(image);
  }
}

/** @param {EventTarget | null} image */
function drop(image) {
  if (!(image instanceof HTMLImageElement)) return;
  const blank = document.createElement("span");
  blank.className = "thumbnail none";
  image.replaceWith(blank);
}
