// @ts-check
/** Prints a sheet of a run: its picture, its facts, inputs and outputs, without the lines of its log. */

import { parts } from "../../draw/find.js";

/** Print the page as a sheet; what a video shows now is printed as a picture. */
export function printSheet() {
  const stills = parts("#stage video").map((video) => stillOf(/** @type {HTMLVideoElement} */ (video)));
  const closed = parts("details.inputs:not([open])");
  document.body.classList.add("sheet-only");
  for (const each of closed) each.setAttribute("open", "");
  addEventListener("afterprint", () => {
    document.body.classList.remove("sheet-only");
    for (const still of stills) still?.remove();
    for (const each of closed) each.removeAttribute("open");
  }, { once: true });
  window.print();
}

/** @param {HTMLVideoElement} video */
function stillOf(video) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: video.videoWidth, height: video.videoHeight, className: "still" });
  const drawing = canvas.getContext("2d");
  if (!drawing || !video.videoWidth) return null;
  drawing.drawImage(video, 0, 0);
  video.after(canvas);
  return canvas;
}
