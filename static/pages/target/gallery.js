// @ts-check
/** The data products as a gallery of pictures, or as rows with all the facts. */

import { part } from "../../draw/find.js";
import { keep, kept } from "../../draw/browser/kept.js";
import { watchBrokenPictures } from "../../draw/product/broken_pictures.js";

const KEY = "heliograph.gallery";

/**
 * Let the reader choose between both.
 *
 * @param {HTMLTableElement} table
 * @param {(columns: number) => void} arranged called with how many pictures are side by side
 */
export function chooseGallery(table, arranged) {
  const button = part("#gallery");
  const section = part("#products");
  const arrange = () => {
    const body = section.classList.contains("gallery") ? table.tBodies[0] : null;
    arranged(body ? getComputedStyle(body).gridTemplateColumns.split(" ").length : 1);
  };
  const show = (/** @type {boolean} */ gallery) => {
    button.setAttribute("aria-pressed", String(gallery));
    section.classList.toggle("gallery", gallery);
    arrange();
  };
  button.addEventListener("click", () => {
    const gallery = button.getAttribute("aria-pressed") !== "true";
    keep(KEY, String(gallery));
    show(gallery);
  });
  show(kept(KEY) === "true");
  new ResizeObserver(arrange).observe(table);
  watchBrokenPictures(section, replaceByBlank);
}

/** @param {HTMLImageElement} image a thumbnail that cannot be drawn */
function replaceByBlank(image) {
  if (!image.classList.contains("thumbnail")) return;
  const blank = document.createElement("span");
  blank.className = "thumbnail none";
  image.replaceWith(blank);
}
