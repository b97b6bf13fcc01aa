// @ts-check
/** Loads what the page can be without until everything else is there. */

/**
 * Show the sky of a target if the server knows where its site is.
 *
 * @param {number} target
 */
export function showSkyLater(target) {
  if (!document.getElementById("sky")) return;
  const show = () =>
    setTimeout(async () => {
      const { watchSky } = await import("./sky.js");
      watchSky(target);
    });
  if (document.readyState === "complete") show();
  else addEventListener("load", show, { once: true });
}
