// @ts-check
/** The data products on the page of a target: filtering, grouping, deleting, showing older ones. */

import { part, parts } from "../../draw/find.js";
import { messageOf, showProblem } from "../../draw/problems.js";
import { watchBrokenPictures } from "../../draw/product/broken_pictures.js";
import { may } from "../../draw/role.js";
import { regionOf, swapRegion } from "../../draw/region.js";
import { counted } from "../../draw/wording.js";
import { ApiError, getPage, request } from "../../server/api.js";
import { Answers } from "../../server/changes.js";
import { takeUploads } from "./uploads.js";

const GALLERY_KEY = "heliograph.gallery";

/**
 * @param {number} target
 * @param {import("../../draw/product/selection.js").Selection} selection
 */
export function watchProducts(target, selection) {
  const answers = new Answers();
  const draw = async () => {
    swapRegion("product-list", await getPage(location.pathname));
    filter();
  };
  let drawn = false;
  const refreshChanged = async () => {
    const newest = await answers.getChanged(`/api/targets/${target}/dataproducts/?limit=100`);
    const known = !newest || (!drawn && selection.shows(newest.dataproducts));
    drawn = true;
    if (!known) await draw();
  };
  const showAll = async () => {
    for (let link = olderLink(); link; link = olderLink()) await showOlder(link.href);
    filter();
  };

  function filter() {
    const wanted = /** @type {HTMLInputElement} */ (part("#filter")).value.trim().toLowerCase();
    for (const row of selection.rows) row.hidden = !row.textContent?.toLowerCase().includes(wanted);
    selection.draw();
  }

  if (may("operator")) takeUploads(target);
  chooseGallery();
  watchBrokenPictures(part("#products"), replaceByBlank);
  part("#filter").addEventListener("input", filter);
  document.querySelector("#group-chosen")?.addEventListener("click", async () => {
    const { groupProducts } = await import("./groups.js");
    await groupProducts(oldestFirst([...selection.chosen.keys()]));
  });
  document.querySelector("#delete-chosen")?.addEventListener("click", async () => {
    if (await deleteChosen(selection)) await draw();
  });
  part("#products").addEventListener("click", (event) => {
    const link = /** @type {Element} */ (event.target).closest("#older-products");
    if (!(link instanceof HTMLAnchorElement)) return;
    event.preventDefault();
    void showOlder(link.href).then(filter);
  });
  return { refresh: refreshChanged, showAll, chosenChanged: () => allowActs(selection), inOrder: oldestFirst };
}

/** Let the reader choose between a gallery of pictures and rows with all the facts. */
function chooseGallery() {
  const button = part("#gallery");
  const show = (/** @type {boolean} */ gallery) => {
    button.setAttribute("aria-pressed", String(gallery));
    part("#products").classList.toggle("gallery", gallery);
  };
  button.addEventListener("click", () => {
    const gallery = button.getAttribute("aria-pressed") !== "true";
    localStorage.setItem(GALLERY_KEY, String(gallery));
    show(gallery);
  });
  show(localStorage.getItem(GALLERY_KEY) === "true");
}

/** @param {import("../../draw/product/selection.js").Selection} selection */
function allowActs(selection) {
  for (const button of /** @type {HTMLButtonElement[]} */ (parts("#selection-acts button"))) {
    button.disabled = selection.chosen.size === 0;
  }
}

/**
 * @param {import("../../draw/product/selection.js").Selection} selection
 * @returns {Promise<boolean>} whether the list may have changed
 */
async function deleteChosen(selection) {
  const pks = [...selection.chosen.keys()];
  const place = part("#product-problem");
  const { ask } = await import("../../draw/question.js"); // only the question needs it
  if (!(await ask(`Delete ${counted(pks.length, "data product")}?`))) return false;
  showProblem(place, "");
  for (const pk of pks) {
    try {
      await request("DELETE", `/api/dataproducts/${pk}/`);
    } catch (error) {
      const gone = error instanceof ApiError && error.status === 404;
      if (!gone) showProblem(place, `${selection.chosen.get(pk)}: ${messageOf(error)}`);
      if (!gone) break;
    }
    selection.forget([pk]);
  }
  return true;
}

/** @returns {HTMLAnchorElement | null} */
function olderLink() {
  return document.querySelector("a#older-products");
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

/** @param {HTMLImageElement} image a thumbnail that cannot be drawn */
function replaceByBlank(image) {
  const blank = document.createElement("span");
  blank.className = "thumbnail none";
  image.replaceWith(blank);
}
