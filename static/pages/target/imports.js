// @ts-check
/** The button that uploads tables and adds their measurements to the target's light curve. */

import { part } from "../../draw/find.js";
import { messageOf, showProblem } from "../../draw/problems.js";
import { Uploads } from "../../server/uploads.js";
import { importCurve } from "../importing.js";

/**
 * @param {number} target
 * @param {() => void} imported called after each import
 */
export function takeImports(target, imported) {
  /** @type {string[]} */
  let news = [];
  /** @type {string[]} */
  let problems = [];
  const show = () => {
    part("#import-news").textContent = news.join(" ");
    showProblem(part("#import-problem"), problems.join(" "));
  };
  const take = async (/** @type {string} */ name, /** @type {number} */ product) => {
    try {
      news.push(`${name}: ${await importCurve(target, product)}`);
    } catch (error) {
      problems.push(messageOf(error));
    }
    show();
    imported();
  };
  const uploads = new Uploads(target, ({ state, file, stored, problem }) => {
    if (state === "stored" && stored) void take(file.name, /** @type {any} */ (stored).pk);
    if (state === "failed") problems.push(`${file.name}: ${problem}`);
    show();
  });
  const input = /** @type {HTMLInputElement} */ (part("#curve-files"));
  input.addEventListener("change", () => {
    [news, problems] = [[], []];
    for (const file of input.files ?? []) uploads.add(file);
    input.value = "";
  });
}
